/* lines.h - many sums at once: those of the rows or columns of a matrix.
 *
 * A line is what is summed, whether it is a row or a column; the kernels sum
 * many of them side by side, in whatever direction the items lie close.  Pure
 * C: runs no Python code, allocates nothing of its own and cannot fail. */
#ifndef MO_EXACTSUM_LINES_H
#define MO_EXACTSUM_LINES_H

#include "exactsum/parallel.h"

/* Which items count.  The strides are those of the mask's own memory, 0 where
 * the same byte serves many items. */
typedef struct {
    const char *mask; /* borrowed; not zero: the item of that place counts */
    ptrdiff_t line_stride, item_stride;
    bool skip_nan; /* NaNs do not count in any case */
} mo_filter;

typedef struct {
    const char *first;       /* item 0 of line 0; borrowed */
    size_t itemsize;         /* 8: doubles, 4: singles, of this byte order */
    size_t count;            /* of lines */
    size_t length;           /* items of a line */
    ptrdiff_t line_stride;   /* bytes from a line to the next: any sign */
    ptrdiff_t item_stride;   /* bytes from an item of a line to the next */
    const mo_filter *filter; /* borrowed; NULL: all items count */
} mo_lines;

/* What becomes of each sum: sum + initial, or sum / items that counted (NaN if
 * none did); rounded once. */
typedef struct {
    double initial;
    bool is_mean;
} mo_outcome;

/* results[i] = what becomes of the sum of line i. */
void
mo_sum_lines(mo_plan *plan, const mo_lines *lines, const mo_outcome *outcome,
             double *results);

/* *total += all items that count; how many, if `counted`, else 0. */
uint64_t
mo_sum_filtered(mo_plan *plan, const mo_lines *lines, bool counted,
                mo_accumulator *total);

#endif
