/* operations.h - what a native program can do to a block of numbers.
 *
 * One row per operation: its name in a tape (see program.h), how many operands
 * it takes, the rule for the type of its result, and a kernel for each type
 * of operand.  A kernel works on lanes: C arrays of int64_t or double, as
 * many items as the block has.  It gives exactly the values that Python's
 * int and float give, or says that it cannot: then the block is done again
 * by calling the function.  Pure C: no Python object, no allocation; any
 * number of threads may run kernels on lanes of their own. */
#ifndef MO_LAZYMAP_OPERATIONS_H
#define MO_LAZYMAP_OPERATIONS_H

#include "compat.h"
#include "platform/cpu.h"

/* The Python type of the items of a lane, which is exact: no subclass. */
typedef enum {
    MO_INT,   /* int, as int64_t */
    MO_BOOL,  /* bool, as int64_t 0 or 1 */
    MO_FLOAT, /* float, as double */
    MO_NO_TYPE,
} mo_type;

typedef union {
    int64_t i;
    double f;
} mo_value;

/* out[i] = operation(in[0][i], in[1][i], ...) for 0 <= i < n.  Lanes are
 * aligned to their items and `out` overlaps none of the others.  False if
 * some item's result is not an exact one of the type that the rule gives;
 * `out` then holds anything. */
typedef bool (*mo_block_step)(void *out, const void *const *in, size_t n);

/* How the types of the operands decide the result's, and what they are
 * converted to first.  bool counts as int unless said otherwise. */
typedef enum {
    MO_RULE_ARITHMETIC, /* int if all are, else float */
    MO_RULE_QUOTIENT,   /* float, of operands that convert exactly if all are
                           int */
    MO_RULE_INTEGER,    /* int, of int alone */
    MO_RULE_BITWISE,    /* bool if all are, else as INTEGER */
    MO_RULE_INVERT,     /* int, of int but not bool: ~True is deprecated */
    MO_RULE_COMPARISON, /* bool; int converts exactly beside float */
    MO_RULE_REAL,       /* float, of operands converted to it */
    MO_RULE_ROUNDED,    /* int */
    MO_RULE_TRUTH,      /* bool */
    MO_RULE_CHOICE,     /* of (condition, a, b): the one type of a and b */
} mo_rule;

typedef struct {
    const char *name;
    uint8_t operands; /* 1..MO_OPERANDS */
    mo_rule rule;
    mo_block_step on_int;   /* operands are int lanes; NULL: never happens */
    mo_block_step on_float; /* operands are float lanes; NULL: never happens */
    /* NumPy's scalars have the same result, or overflow, or raise one of the
     * floating point flags. */
    bool like_numpy;
    bool slow_float; /* an item may take 2 us, as fmod(1e308, 1e-308) does */
} mo_operation;

#define MO_OPERANDS 3

/* All of them, compiled for one instruction set; they differ in nothing but
 * speed. */
typedef struct {
    const char *name; /* of the instruction set */
    bool (*usable)(const mo_cpu *cpu);
    const mo_operation *row;
    size_t rows;
    /* Of one int lane to float: rounded to nearest, as float() does it, or only
     * if exact. */
    mo_block_step convert_nearest, convert_exact;
    /* out[i] = first + i * stride, which may wrap around. */
    void (*count_up)(mo_value *out, uint64_t first, uint64_t stride, size_t n);
    /* *sum = the sum of n <= MO_SUM_ITEMS items; or false, if they are not all
     * so small that it cannot overflow. */
    bool (*sum_ints)(const mo_value *items, size_t n, int64_t *sum);
} mo_operations;

/* Of numbers below 2**52. */
#define MO_SUM_ITEMS 1024

extern const mo_operations mo_operations_avx512, mo_operations_avx2,
    mo_operations_baseline;

/* The best table that this machine can use, or the one of this name; NULL if
 * that is not one. */
const mo_operations *
mo_operations_choose(const char *name);

/* The row of that name, or NULL. */
const mo_operation *
mo_operation_find(const mo_operations *table, const char *name);

/* True if -2**bits <= a[i] < 2**bits for every item; bits < 63. */
static inline bool
mo_all_within(const int64_t *a, size_t n, unsigned bits)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        seen |= (uint64_t)a[i] + (UINT64_C(1) << bits);
    }
    return seen >> (bits + 1) == 0;
}

#endif
