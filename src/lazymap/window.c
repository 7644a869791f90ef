/* window.c - see window.h. */
#include "lazymap/window.h"

bool
mo_window_is_valid(const mo_window *w)
{
    if (w->length < 0 || w->start < 0 || w->start == PY_SSIZE_T_MAX ||
        w->step == 0) {
        return false;
    }
    if (w->length <= 1) {
        return true;
    }
    if (w->step > 0) {
        return w->length - 1 <= (PY_SSIZE_T_MAX - 1 - w->start) / w->step;
    }
    return w->step >= -PY_SSIZE_T_MAX && w->length - 1 <= w->start / -w->step;
}

mo_window
mo_window_slice(const mo_window *w, Py_ssize_t start, Py_ssize_t step,
                Py_ssize_t length)
{
    if (length == 0) {
        return (mo_window){0, 1, 0};
    }
    if (length == 1) {
        step = 1; /* any will do, and a huge one could overflow below */
    }
    if (w == NULL) {
        return (mo_window){start, step, length};
    }
    /* Both ends lie in w, so neither the sum nor the product overflows. */
    Py_ssize_t outer_step = length == 1 ? 1 : w->step * step;
    return (mo_window){mo_window_index(w, start), outer_step, length};
}

PyObject *
mo_window_as_slice(const mo_window *w)
{
    assert(mo_window_is_valid(w));
    static const mo_window empty = {0, 1, 0};
    w = w->length > 0 ? w : &empty; /* whatever its step */
    Py_ssize_t last = w->length ? mo_window_index(w, w->length - 1) : -1;
    Py_ssize_t stop = w->step > 0 ? last + 1 : last - 1;
    PyObject *slice = NULL;
    PyObject *start = PyLong_FromSsize_t(w->start);
    /* A backward slice that ends at index 0 has no stop: -1 is the end. */
    PyObject *end = stop < 0 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(stop);
    PyObject *step = PyLong_FromSsize_t(w->step);
    if (start != NULL && end != NULL && step != NULL) {
        slice = PySlice_New(start, end, step);
    }
    Py_XDECREF(start);
    Py_XDECREF(end);
    Py_XDECREF(step);
    return slice;
}
