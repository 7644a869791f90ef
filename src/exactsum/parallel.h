/* parallel.h - a whole array into an accumulator, by one or more threads.
 *
 * Threads take chunks of an array as they come to it.  Which chunks there are
 * depends on its size alone, which thread takes which on chance, and the sum
 * on neither.  Runs no Python code: call it without the GIL if it takes long,
 * while something else keeps the array where it is.  If another thread
 * writes to it meanwhile, the sum is that of any mixture of old and new. */
#ifndef MO_EXACTSUM_PARALLEL_H
#define MO_EXACTSUM_PARALLEL_H

#include "exactsum/layout.h"

/* Stands for as many threads as pay. */
#define MO_THREADS_AUTO 0

/* How to sum; kept in the module's state, copied for a call. */
typedef struct {
    const mo_kernel *kernel; /* borrowed: static */
    int threads;             /* at most; >= 1, or MO_THREADS_AUTO */
    /* Blocks that each rung has summed (ladder.h), and the threads that ran,
     * counted up: for tests to see what was used. */
    int64_t used[MO_RUNGS];
    int64_t threads_used;
} mo_plan;

/* Adds what a ladder has used. */
void
mo_plan_count(mo_plan *plan, const mo_ladder *ladder);

/* *total += all items of the layout. */
void
mo_sum_layout(mo_plan *plan, const mo_layout *layout, mo_item item,
              mo_accumulator *total);

#endif
