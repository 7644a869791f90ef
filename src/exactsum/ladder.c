/* ladder.c - see ladder.h.
 *
 * At which bits to split (top, see kernels.h) is guessed from a sample of the
 * first block, and then kept.  When an attempt fails the guess may have been
 * wrong, so the greatest magnitude of the block, which the attempt has left in
 * the cache, is measured, and the attempt repeated if that is news. */
#include "compat.h" /* first: Python.h asks for all of POSIX */

#include "exactsum/ladder.h"

#include <limits.h>

/* Fewer items are not worth an attempt: it takes 60 ns whatever their number,
 * and the accumulator 2 ns an item (AVX2 and AVX-512, Ice Lake Xeon). */
#define FEW 16

/* Items that the first guess is made from. */
#define SAMPLE 32

/* A failed attempt takes as long as one that succeeds: after this many blocks
 * it is no great loss to find out whether fewer levels would do again. */
#define PATIENCE 16

/* Levels to begin with: two take what most data are. */
#define LEAST_LEVELS 2

/* Singles made into doubles at a time: 16 kB of them. */
#define WIDENED 2048

#define TOP_UNKNOWN INT_MIN

/* Greater numbers leave the kernels no room for a sigma. */
#define TOP_LIMIT 1012

/* The least number such that all of n numbers, a step apart, are below 2**it
 * in magnitude; 1025 if some are not finite. */
static int
measure_top(const double *x, size_t n, size_t step)
{
    uint64_t greatest = 0;
    for (size_t i = 0; i < n; i += step) {
        uint64_t magnitude;
        memcpy(&magnitude, x + i, sizeof magnitude);
        magnitude &= UINT64_C(0x7fffffffffffffff);
        greatest = magnitude > greatest ? magnitude : greatest;
    }
    return (int)(greatest >> 52) - 1022;
}

/* Sums the block by an attempt if it can; how many levels that took, or
 * MO_RUNG_ACCUMULATOR if none succeeded. */
static int
climb(mo_ladder *ladder, const double *x, size_t n, mo_accumulator *acc)
{
    bool measured = false;
    int levels = ladder->levels;
    while (levels <= MO_LEVELS) {
        if (ladder->kernel->attempt[levels](x, n, ladder->top, ladder->ahead,
                                            acc)) {
            ladder->levels = levels;
            return levels;
        }
        if (!measured) {
            int top = measure_top(x, n, 1);
            measured = true;
            if (top > TOP_LIMIT) {
                return MO_RUNG_ACCUMULATOR; /* no matter how many levels */
            }
            if (top != ladder->top) {
                ladder->top = top;
                continue;
            }
        }
        levels++;
    }
    ladder->levels = levels;
    return MO_RUNG_ACCUMULATOR;
}

/* n <= MO_BLOCK */
static void
add_block(mo_ladder *ladder, const double *x, size_t n, mo_accumulator *acc)
{
    int rung = MO_RUNG_ACCUMULATOR;
    if (ladder->kernel->lanes > 0 && n > FEW) {
        if (ladder->patience-- == 0) {
            ladder->levels = LEAST_LEVELS;
            ladder->patience = PATIENCE;
        }
        if (ladder->top == TOP_UNKNOWN) {
            ladder->top = measure_top(x, n, (n + SAMPLE - 1) / SAMPLE);
        }
        rung = climb(ladder, x, n, acc);
    }
    if (rung == MO_RUNG_ACCUMULATOR) {
        mo_accumulator_add_f64(acc, x, n, sizeof x[0]);
    }
    ladder->usage.blocks[rung]++;
}

/* n singles by one level. */
static bool
add_block_singles(mo_ladder *ladder, const float *x, size_t n,
                  mo_accumulator *acc)
{
    if (ladder->singles_patience > 0) {
        ladder->singles_patience--;
        return false;
    }
    if (!ladder->kernel->singles(x, n, ladder->ahead, acc)) {
        ladder->singles_patience = PATIENCE;
        return false;
    }
    ladder->usage.blocks[1]++;
    return true;
}

/* As doubles, a few at a time. */
static void
widen_block(mo_ladder *ladder, const float *x, size_t n, mo_accumulator *acc)
{
    double wide[WIDENED];
    while (n > 0) {
        size_t count = n < WIDENED ? n : WIDENED;
        for (size_t i = 0; i < count; i++) {
            float single;
            memcpy(&single, x + i, sizeof single);
            wide[i] = (double)single;
        }
        add_block(ladder, wide, count, acc);
        x += count;
        n -= count;
    }
}

void
mo_usage_add(mo_usage *usage, const mo_usage *more)
{
    for (int i = 0; i < MO_RUNGS; i++) {
        usage->blocks[i] += more->blocks[i];
    }
}

void
mo_ladder_init(mo_ladder *ladder, const mo_kernel *kernel)
{
    memset(ladder, 0, sizeof *ladder);
    ladder->kernel = kernel;
    ladder->top = TOP_UNKNOWN;
    ladder->levels = LEAST_LEVELS;
    ladder->patience = PATIENCE;
}

void
mo_ladder_add(mo_ladder *ladder, const double *x, size_t n,
              mo_accumulator *acc)
{
    while (n > 0) {
        size_t block = n < MO_BLOCK ? n : MO_BLOCK;
        add_block(ladder, x, block, acc);
        x += block;
        n -= block;
    }
}

void
mo_ladder_add_singles(mo_ladder *ladder, const float *x, size_t n,
                      mo_accumulator *acc)
{
    if (ladder->kernel->lanes == 0 || n <= FEW) { /* by integers alone */
        mo_accumulator_add_f32(acc, x, n, sizeof x[0]);
        ladder->usage.blocks[MO_RUNG_ACCUMULATOR] += n > 0;
        return;
    }
    while (n > 0) {
        size_t block = n < MO_BLOCK ? n : MO_BLOCK;
        if (!add_block_singles(ladder, x, block, acc)) {
            widen_block(ladder, x, block, acc);
        }
        x += block;
        n -= block;
    }
}
