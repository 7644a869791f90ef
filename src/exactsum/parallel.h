/* parallel.h - what one call sums with, and in how many threads.
 *
 * Threads take chunks of the work as they come to it.  Which chunks there are
 * depends on its size alone, which thread takes which on chance, and the sums
 * on neither.  Runs no Python code: call it without the GIL if it takes long,
 * while something else keeps the items where they are.  If another thread
 * writes to them meanwhile, a sum is that of any mixture of old and new. */
#ifndef MO_EXACTSUM_PARALLEL_H
#define MO_EXACTSUM_PARALLEL_H

#include "exactsum/ladder.h"

/* Stands for as many threads as pay. */
#define MO_THREADS_AUTO 0

/* Items that a chunk should have, two blocks: 17 us of work with AVX-512, and
 * the last thread to finish is late by one chunk at most. */
#define MO_CHUNK (2 * (size_t)MO_BLOCK)

/* How to sum: made for one call (see dispatch.h). */
typedef struct {
    const mo_kernel *kernel; /* borrowed: static */
    int threads;             /* at most; >= 1, or MO_THREADS_AUTO */
    size_t ahead;            /* see mo_attempt */
    /* Counted up: for tests to see what was used. */
    mo_usage usage;
    int64_t threads_used;
} mo_plan;

/* What one thread sums with, and what it has done so far. */
typedef struct {
    mo_ladder ladder;
    mo_accumulator *total; /* borrowed: of work that has one sum */
    uint64_t terms;        /* of that, where they must be counted */
    bool used;
} mo_worker;

/* Sums one of the chunks, inside mo_fpenv_enter() and mo_fpenv_leave(). */
typedef void (*mo_work)(const void *context, size_t chunk, mo_worker *worker);

/* Calls work(context, i, ...) once for each chunk i in 0..chunks - 1, in one or
 * more threads.  What the workers add to their totals goes to *total, which may be
 * NULL if they do not; returned are their terms.
 *   items  to be summed in all chunks together */
uint64_t
mo_parallel_sum(mo_plan *plan, size_t chunks, size_t items, mo_work work,
                const void *context, mo_accumulator *total);

#endif
