/* order.h - the items of a long sequence in the order in which they lie in
 * memory, or nearly.
 *
 * Objects in random order are each on a page of their own, and to find a page
 * takes the processor longer than to read a line of it: so the items are gone
 * through region by region, and with them what was made when they were.
 * Plain C, as table.h is; the owner zeroes it and clears it.  Pointers to
 * objects are borrowed, and only compared. */
#ifndef MO_HEAP_ORDER_H
#define MO_HEAP_ORDER_H

#include "compat.h"

typedef struct {
    const PyObject *sequence; /* whose items; NULL: nobody's */
    PyObject **items;         /* owned: those from `first` to `end` */
    Py_ssize_t first, end;    /* indices in the sequence */
    size_t capacity;
} mo_order;

/* Whether most items lie far from the next; n is large. */
bool
mo_is_scattered(PyObject *const *items, Py_ssize_t n);

/* Says whose items are to be put in order, from the index `first` on. */
void
mo_order_begin(mo_order *order, const PyObject *sequence, Py_ssize_t first);

/* Puts those of its n items in order that come next: from `end` on, as many as
 * it takes at a time.  False, which changes nothing, without memory. */
bool
mo_order_next(mo_order *order, PyObject *const *items, Py_ssize_t n);

void
mo_order_clear(mo_order *order);

/* Bytes that it owns. */
size_t
mo_order_bytes(const mo_order *order);

#endif
