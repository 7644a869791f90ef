/* pages.h - an array of objects that takes memory only where it is filled.
 *
 * A table of pages, each allocated when its first item is stored: 8 bytes an
 * item when dense, one page an item at worst.  The array owns the references
 * in it; its holder owns the array, and locks it.  Reading and storing run no
 * Python code. */
#ifndef MO_LAZYMAP_PAGES_H
#define MO_LAZYMAP_PAGES_H

#include "compat.h"

/* Items a page: 8 kB, so that one item far out costs little, and the table of
 * a thousand million items 8 MB, of which the system touches what is used. */
#define MO_PAGE_ITEMS 1024

typedef struct {
    PyObject ***page;   /* owned table of owned pages, NULL where not needed */
    Py_ssize_t n_pages; /* its size */
} mo_pages;

/* The item, borrowed, or NULL if none has been stored; index >= 0. */
static inline PyObject *
mo_pages_get(const mo_pages *pages, Py_ssize_t index)
{
    Py_ssize_t number = index / MO_PAGE_ITEMS;
    if (number >= pages->n_pages || pages->page[number] == NULL) {
        return NULL;
    }
    return pages->page[number][index % MO_PAGE_ITEMS];
}

/* Where to store the item, or NULL with MemoryError.  Valid until the next
 * call. */
PyObject **
mo_pages_slot(mo_pages *pages, Py_ssize_t index);

/* Bytes allocated for the table and its pages. */
size_t
mo_pages_size(const mo_pages *pages);

int
mo_pages_traverse(const mo_pages *pages, visitproc visit, void *arg);

/* Frees it all; the array is empty before the first item is let go. */
void
mo_pages_clear(mo_pages *pages);

#endif
