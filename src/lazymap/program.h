/* program.h - arithmetic that a function does, as data.
 *
 * A tape is a tuple in postfix order, made in Python (memopt/recognition.py,
 * memopt/expressions.py): ("x0", 2, "*", 1, "+") is x * 2 + 1.  An exact int
 * or float is a constant, "x0", "x1", ... an argument, any other str an
 * operation of operations.h; ints that are an argument's only type are
 * "i0", "i1", ....  A program is a tape that has been checked: an immutable
 * Python object that owns no other.
 *
 * A plan is programs, one applied to the result of the other, for arguments
 * of known types: steps over numbered lanes, in which every type has been
 * worked out.  Plans are plain data, copied and dropped freely. */
#ifndef MO_LAZYMAP_PROGRAM_H
#define MO_LAZYMAP_PROGRAM_H

#include "lazymap/lazymap.h"
#include "lazymap/operations.h"

/* Limits that keep a plan small; longer functions are called. */
#define MO_PROGRAM_LENGTH 64
#define MO_ARGUMENTS 8
#define MO_DEGREE 8
#define MO_PLAN_STEPS 128
#define MO_PLAN_LANES 32

typedef struct {
    const mo_operation *operation; /* NULL: pushes a constant or argument */
    int8_t argument;               /* which, from 0; -1: a constant */
    bool only_int;                 /* argument: no float */
    mo_type type;                  /* constant: MO_INT or MO_FLOAT */
    mo_value value;                /* constant */
} mo_instruction;

typedef struct {
    PyVarObject ob_base; /* ob_size: how many instructions, at least 1 */
    const mo_operations *table; /* static: that `code` is of */
    uint8_t arguments;          /* how many it takes, 1..MO_ARGUMENTS */
    int8_t degree; /* of the polynomial in int that it is; -1 if it is
                            none, of one argument, or the degree is greater
                            than MO_DEGREE */
    mo_instruction code[];
} mo_program;

/* A new program; or NULL with TypeError or ValueError for what is no tape,
 * and OverflowError for one with numbers or lengths beyond the limits. */
mo_program *
mo_program_new(mo_lazymap_state *state, PyObject *tape, Py_ssize_t arguments);

typedef struct {
    mo_block_step kernel;
    uint8_t out, in[MO_OPERANDS]; /* lanes */
} mo_step;

typedef enum {
    MO_LANE_ARGUMENT, /* set by whoever runs the plan; these come first */
    MO_LANE_CONSTANT, /* `value` in every item */
    MO_LANE_WORK,     /* written by steps */
} mo_lane_kind;

typedef struct {
    uint8_t kind; /* mo_lane_kind */
    uint8_t type; /* mo_type; of a work lane, while the plan is made, only */
    bool in_use;  /* while the plan is made: not free for another result */
    mo_value value;
} mo_lane;

typedef struct {
    uint8_t steps, lanes; /* how many of each */
    uint8_t slow_steps;   /* see mo_operation.slow_float */
    uint8_t argument;     /* the first lane that the last program took */
    uint8_t result;       /* the lane of the result */
    mo_type result_type;
    bool numpy;                 /* the arguments are NumPy's scalars */
    const mo_operations *table; /* of the program being added */
    mo_step step[MO_PLAN_STEPS];
    mo_lane lane[MO_PLAN_LANES];
} mo_block_plan;

/* Starts a plan for arguments of these types, 1..MO_ARGUMENTS of them. */
void
mo_block_plan_start(mo_block_plan *plan, const mo_type *types, int arguments,
                    bool numpy);

/* Applies a program to the arguments or, from the second on, to the result of
 * the one before.  False if there is no exact way for those types. */
bool
mo_block_plan_add(mo_block_plan *plan, const mo_program *program);

#endif
