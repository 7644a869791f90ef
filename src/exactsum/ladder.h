/* ladder.h - blocks of floats into an accumulator, the fastest way that works.
 *
 * For each block the kernel's attempts are tried, from the one that served the
 * block before to those with more levels, and at last the accumulator itself,
 * which takes anything.  The struct is its caller's, and one thread's. */
#ifndef MO_EXACTSUM_LADDER_H
#define MO_EXACTSUM_LADDER_H

#include "exactsum/kernels.h"

/* What can sum a block: the accumulator, or an attempt with 1 (for singles) to
 * MO_LEVELS levels. */
#define MO_RUNG_ACCUMULATOR 0
#define MO_RUNGS (MO_LEVELS + 1)

/* Blocks that each rung has summed: for tests to see what was used. */
typedef struct {
    int64_t blocks[MO_RUNGS];
} mo_usage;

void
mo_usage_add(mo_usage *usage, const mo_usage *more);

typedef struct {
    const mo_kernel *kernel; /* borrowed */
    size_t ahead;            /* see mo_attempt; 0 to begin with, for what is
                                in the cache */
    int top;                 /* for the next attempt, see mo_attempt */
    int levels;   /* of the next attempt; above MO_LEVELS: the accumulator */
    int patience; /* blocks until the fewest levels are tried again */
    int singles_patience; /* the same for one level; 0: it works */
    mo_usage usage;
} mo_ladder;

void
mo_ladder_init(mo_ladder *ladder, const mo_kernel *kernel);

/* *acc += x[0] + ... + x[n - 1]; any n, any alignment.  Only between
 * mo_fpenv_enter() and mo_fpenv_leave(), as the next. */
void
mo_ladder_add(mo_ladder *ladder, const double *x, size_t n,
              mo_accumulator *acc);

void
mo_ladder_add_singles(mo_ladder *ladder, const float *x, size_t n,
                      mo_accumulator *acc);

#endif
