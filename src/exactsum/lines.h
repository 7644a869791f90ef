/* lines.h - many sums at once: those of the rows or columns of a matrix.
 *
 * A line is what is summed, whether it is a row or a column; the kernels sum
 * many of them side by side, in whatever direction the items lie close.  Pure
 * C: runs no Python code, allocates nothing and cannot fail.  Different
 * threads may sum different lines. */
#ifndef MO_EXACTSUM_LINES_H
#define MO_EXACTSUM_LINES_H

#include "exactsum/parallel.h"

typedef struct {
    const char *first;      /* item 0 of line 0; borrowed */
    size_t itemsize;        /* 8: doubles, 4: singles, of this byte order */
    size_t length;          /* items of a line */
    ptrdiff_t line_stride;  /* bytes from a line to the next: any sign */
    ptrdiff_t item_stride;  /* bytes from an item of a line to the next */
    uint64_t divisor;       /* of each sum, for means; else 1 */
} mo_lines;

/* results[i] = the exact sum of line from + i, divided, and rounded once; for
 * i < n.  What was used is counted in *plan. */
void
mo_sum_lines(mo_plan *plan, const mo_lines *lines, size_t from, size_t n,
             double *results);

#endif
