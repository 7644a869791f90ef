/* layout.h - which addresses the items of a strided array have.
 *
 * Sums do not depend on the order of their terms, so the layout is free to
 * list the items as they lie in memory, in as few runs as can be.  Borrows
 * the memory that it describes; immutable once made. */
#ifndef MO_EXACTSUM_LAYOUT_H
#define MO_EXACTSUM_LAYOUT_H

#include "compat.h"
#include "exactsum/items.h"
#include "exactsum/parallel.h"

/* As PEP 3118 and NumPy have it. */
#define MO_MAX_NDIM 64

typedef struct {
    mo_item item;
    const char *first; /* the item at the lowest address */
    size_t count;      /* of items */
    int ndim;          /* at least 1 */
    /* From the farthest apart to the nearest; strides are bytes, >= 0. */
    size_t shape[MO_MAX_NDIM];
    size_t strides[MO_MAX_NDIM];
} mo_layout;

/* ndim lengths, and strides in bytes of any sign; no strides mean C order. */
void
mo_layout_init(mo_layout *layout, mo_item item, const void *first, int ndim,
               const Py_ssize_t *shape, const Py_ssize_t *strides);

/* *total += items from..from + n - 1, in the layout's own order. */
void
mo_sum_layout(mo_plan *plan, const mo_layout *layout, size_t from, size_t n,
              mo_accumulator *total);

#endif
