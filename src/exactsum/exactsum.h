/* exactsum.h - the door of the room that sums floats without error.
 *
 * fsum, the ExactSum type, and the sums of arrays and lines of them that they
 * share with FloatMatrix: every sum here is the infinitely precise one, rounded once.
 * Every struct is owned by its caller, and used by one thread at a time. */
#ifndef MO_EXACTSUM_H
#define MO_EXACTSUM_H

#include "compat.h"
#include "exactsum/accumulator.h"
#include "exactsum/boxed.h"
#include "exactsum/few.h"
#include "exactsum/layout.h"
#include "exactsum/lines.h"

typedef struct mo_state mo_state;

/* What the room keeps in its module's state. */
typedef struct {
    PyTypeObject *ExactSumType; /* owned */
    mo_cpu cpu; /* found out once: in a virtual machine it takes 50 us */
    /* What follows is read and counted by all threads, without a lock. */
    const mo_kernel *kernel; /* static: the one that sums */
    Py_ssize_t ahead;        /* as in mo_plan */
    /* As in mo_plan, for all calls so far. */
    mo_usage usage;
    int64_t threads_used;
} mo_exactsum_state;

/* Adds the room's types and functions to the module; 0, or -1 with an
 * exception set. */
int
mo_exactsum_setup(PyObject *module, mo_state *state);

int
mo_exactsum_traverse(mo_state *state, visitproc visit, void *arg);

void
mo_exactsum_clear(mo_state *state);

/* An exact sum and how many terms went into it. */
typedef struct {
    mo_accumulator total;
    /* Terms added minus terms subtracted: may be negative. */
    int64_t count;
} mo_sum;

void
mo_sum_init(mo_sum *sum);

/* sum += other and sum -= other, counts included.  0, or -1 with
 * OverflowError set and `sum` as it was; runs no other Python code. */
int
mo_sum_merge(mo_sum *sum, const mo_sum *other);

int
mo_sum_subtract(mo_sum *sum, const mo_sum *other);

/* sum->count += terms; 0, or -1 with OverflowError set and `sum` as it was. */
int
mo_sum_count(mo_sum *sum, int64_t terms);

/* A copy of what an object of ExactSumType holds. */
mo_sum
mo_exactsum_snapshot(PyObject *exactsum);

/* A new object of ExactSumType that holds the sum. */
PyObject *
mo_exactsum_new(mo_state *state, const mo_sum *sum);

/* Adds every number in `obj`, an iterable, buffer or nesting of them (what
 * memopt.fsum takes), in up to so many threads (see mo_plan); calls
 * progress(done, total), if it is not NULL, now and then and at the end.  Runs
 * Python code, and releases the GIL.  0, or -1 with an exception set and `sum`
 * holding some of the numbers: read into a fresh one, then merge. */
int
mo_sum_read(mo_state *state, PyObject *obj, int threads, PyObject *progress,
            mo_sum *sum);

/* The kernel that sums. */
const mo_kernel *
mo_kernel_of(mo_state *state);

/* The plan for a call that may use so many threads, and the end of the call:
 * what was used is counted.  With the GIL. */
mo_plan
mo_plan_begin(mo_state *state, int threads);

void
mo_plan_end(mo_state *state, const mo_plan *plan);

/* Items from which the GIL is released while they are summed: 1 us of work at
 * least, against the 0.1 us that it takes. */
#define MO_WITHOUT_GIL 8192

/* Reads an argument `threads`: NULL, for one not given, and None mean
 * MO_THREADS_AUTO.  0, or -1 with TypeError or ValueError set; may run Python
 * code (__index__). */
int
mo_threads_parse(PyObject *argument, int *threads);

/* What a sum that is not an ordinary number becomes. */
typedef enum {
    MO_SPECIAL_PROPAGATE, /* nan or an infinity, as IEEE 754 has it */
    MO_SPECIAL_RAISE,     /* math.fsum's ValueError and OverflowError */
} mo_special;

/* Reads an argument `special`; NULL, for one not given, means "propagate".
 * 0, or -1 with ValueError set. */
int
mo_special_parse(PyObject *argument, mo_special *special);

/* A rounded sum, from mo_accumulator_round or _mean, as a new float; NULL
 * with the exception set that `special` asks for. */
PyObject *
mo_sum_result(double value, mo_sum_kind kind, mo_special special);

/* Whether objects of this type export a buffer that does not hold what they
 * mean: NumPy's masked arrays, and its scalars that are dates and times. */
bool
mo_buffer_misleads(PyTypeObject *type);

#endif
