/* pages.c - see pages.h. */
#include "lazymap/pages.h"

#include <string.h>

/* Calloc and copy, not realloc: zero pages of the system stay untouched. */
static int
grow_table(mo_pages *pages, Py_ssize_t needed)
{
    Py_ssize_t n = pages->n_pages + pages->n_pages / 2;
    n = n < needed ? needed : n;
    PyObject ***table = PyMem_Calloc((size_t)n, sizeof *table);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (pages->n_pages > 0) {
        memcpy(table, pages->page, (size_t)pages->n_pages * sizeof *table);
    }
    PyMem_Free(pages->page);
    pages->page = table;
    pages->n_pages = n;
    return 0;
}

PyObject **
mo_pages_slot(mo_pages *pages, Py_ssize_t index)
{
    Py_ssize_t number = index / MO_PAGE_ITEMS;
    if (number >= pages->n_pages && grow_table(pages, number + 1) < 0) {
        return NULL;
    }
    PyObject ***page = &pages->page[number];
    if (*page == NULL) {
        *page = PyMem_Calloc(MO_PAGE_ITEMS, sizeof **page);
        if (*page == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
    }
    return &(*page)[index % MO_PAGE_ITEMS];
}

size_t
mo_pages_size(const mo_pages *pages)
{
    size_t size = (size_t)pages->n_pages * sizeof *pages->page;
    for (Py_ssize_t number = 0; number < pages->n_pages; number++) {
        if (pages->page[number] != NULL) {
            size += MO_PAGE_ITEMS * sizeof **pages->page;
        }
    }
    return size;
}

int
mo_pages_traverse(const mo_pages *pages, visitproc visit, void *arg)
{
    for (Py_ssize_t number = 0; number < pages->n_pages; number++) {
        PyObject **page = pages->page[number];
        for (Py_ssize_t i = 0; page != NULL && i < MO_PAGE_ITEMS; i++) {
            Py_VISIT(page[i]);
        }
    }
    return 0;
}

void
mo_pages_clear(mo_pages *pages)
{
    mo_pages old = *pages;
    *pages = (mo_pages){NULL, 0};
    for (Py_ssize_t number = 0; number < old.n_pages; number++) {
        PyObject **page = old.page[number];
        for (Py_ssize_t i = 0; page != NULL && i < MO_PAGE_ITEMS; i++) {
            Py_XDECREF(page[i]);
        }
        PyMem_Free(page);
    }
    PyMem_Free(old.page);
}
