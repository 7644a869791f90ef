/* few.h - sums of so few floats that an accumulator takes longer than they do.
 *
 * Pure C: no Python object, no allocation.  Any thread may call it. */
#ifndef MO_EXACTSUM_FEW_H
#define MO_EXACTSUM_FEW_H

#include "exactsum/kernels.h"

/* The most floats that are taken.  An accumulator takes 0.1 us to clear and to
 * round, which of more does not matter. */
#define MO_FEW 2048

/* *sum = the sum of n contiguous doubles or singles (`size` is 8 or 4), rounded
 * once; or false, if that could not be proved.  `ahead` as of mo_rows. */
bool
mo_sum_few(const mo_kernel *kernel, const void *x, size_t n, size_t size,
           size_t ahead, double *sum);

#endif
