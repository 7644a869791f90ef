/* kernels.h - the contract of the code that sums at the speed of memory.
 *
 * A kernel is a set of functions for one instruction set.  Each of them tries
 * to sum something without any rounding error, and finds out by itself
 * whether it did.  One that returns false has changed nothing, and its caller
 * tries something else: so neither the kernel nor the data decide what a sum
 * is, only how fast it comes.
 *
 * Pure C: no Python object, no allocation, no state of their own.  Any thread
 * may call them, but only between mo_fpenv_enter() and mo_fpenv_leave(). */
#ifndef MO_EXACTSUM_KERNELS_H
#define MO_EXACTSUM_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "exactsum/accumulator.h"
#include "platform/cpu.h"

/* The most doubles that are summed at once, 192 kB: the first attempt reads
 * them from memory, the next from the second-level cache. */
#define MO_BLOCK 24576

/* An attempt with m levels splits each double at m - 1 fixed places and adds
 * up parts of like weight; with one, it splits none. */
#define MO_LEVELS 5

/* *acc += x[0] + ... + x[n - 1]; or false, with *acc as it was.
 *   x    any alignment
 *   n    at most MO_BLOCK
 *   top  where to split: an attempt is most likely to succeed if 2**top is
 *        above every |x|, and not far above the greatest; -1074..1024
 *   ahead  bytes from what is being read to what is being fetched for later;
 *          0 if that is in the cache, or the processor sees to it */
typedef bool (*mo_attempt)(const double *x, size_t n, int top, size_t ahead,
                           mo_accumulator *acc);

/* That distance where the processor does not see to it.  8 MB in the
 * third-level cache are read at 24 GB/s without, 28 to 30 with, 1 kB to 8 kB
 * being alike (AVX-512, Ice Lake Xeon at 2.8 GHz, gcc 12, 2026); if they have
 * just been written, in 420 us without, 340 with (AVX2, Sapphire Rapids). */
#define MO_AHEAD 2048

/* The least and the greatest exponent of a sigma, see mo_sigma(). */
#define MO_SIGMA_MIN (-1022)
#define MO_SIGMA_MAX 1022

/* A sum that starts at 1.5 * 2**exponent stays between 2**exponent and twice
 * that as long as less than a third of it is added or taken away, and so
 * keeps the weight of its last bit. */
static inline double
mo_sigma(int exponent)
{
    exponent = exponent < MO_SIGMA_MIN ? MO_SIGMA_MIN : exponent;
    exponent = exponent > MO_SIGMA_MAX ? MO_SIGMA_MAX : exponent;
    uint64_t bits = (uint64_t)(exponent + 1023) << 52 | UINT64_C(1) << 51;
    double sigma;
    memcpy(&sigma, &bits, sizeof sigma);
    return sigma;
}

/* The same for singles, which one level often can take: their 24 bits leave
 * room for 29 more in a double. */
typedef bool (*mo_attempt_singles)(const float *x, size_t n, size_t ahead,
                                   mo_accumulator *acc);

/* The most columns that are summed side by side. */
#define MO_MAX_WIDTH 1024

/* Adds n rows of `width` doubles or singles, `stride` bytes from one to the
 * next, to the sums of the columns; or false, with those undefined.
 *   width  a multiple of 8, at most MO_MAX_WIDTH
 *   sums   each column's sum as 1 to 3 doubles, `width` from one to the next:
 *          zeros to begin with.  The first of a column is not finite if one of
 *          its items is not, or overflowed. */
typedef bool (*mo_columns)(const void *x, size_t n, size_t width,
                           ptrdiff_t stride, double *sums);

/* Makes each of n rows of `length` contiguous doubles or singles, `stride`
 * bytes from one to the next, into 2 * lanes doubles with the same sum, row
 * after row in parts; or false, with those undefined.  Not finite as above.
 *   ahead  0 as for an attempt, or to fetch what the kernel thinks best */
typedef bool (*mo_rows)(const void *x, size_t n, size_t length,
                        ptrdiff_t stride, size_t ahead, double *parts);

#define MO_MAX_LANES 8

typedef struct mo_kernel {
    const char *name; /* of the instruction set */
    bool (*usable)(const mo_cpu *cpu);
    /* Doubles of a vector; 0: there are no functions, and all is left to the
     * accumulator. */
    int lanes;
    mo_attempt_singles singles;
    mo_attempt attempt[MO_LEVELS + 1]; /* by levels, from 2 */
    /* By doubles for each sum: of doubles from 1, of singles from 2. */
    mo_columns columns[4], columns_singles[4];
    mo_rows rows, rows_singles;
} mo_kernel;

extern const mo_kernel mo_kernel_avx512, mo_kernel_avx2, mo_kernel_baseline;

#endif
