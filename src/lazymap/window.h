/* window.h - which items of its sources a slice shows: index arithmetic.
 *
 * A window maps item i of a slice to index start + i * step of the sources.
 * It is frozen when the slice is made, as range objects are.  Values, copied
 * freely; only mo_window_as_slice touches Python objects. */
#ifndef MO_LAZYMAP_WINDOW_H
#define MO_LAZYMAP_WINDOW_H

#include "compat.h"

typedef struct {
    Py_ssize_t start;  /* index of item 0, in 0..PY_SSIZE_T_MAX-1 */
    Py_ssize_t step;   /* indices from one item to the next, not 0 */
    Py_ssize_t length; /* items; the index of the last is in there too */
} mo_window;

/* The source index of item i, 0 <= i < length. */
static inline Py_ssize_t
mo_window_index(const mo_window *w, Py_ssize_t i)
{
    return w->start + i * w->step;
}

/* True if the three numbers satisfy what the fields above promise. */
bool
mo_window_is_valid(const mo_window *w);

/* The window on `length` items of w (NULL: of the sources themselves) that
 * begins at item `start` and takes every step-th; as PySlice_AdjustIndices
 * gives them. */
mo_window
mo_window_slice(const mo_window *w, Py_ssize_t start, Py_ssize_t step,
                Py_ssize_t length);

/* A new slice object that selects from a sequence what w does. */
PyObject *
mo_window_as_slice(const mo_window *w);

#endif
