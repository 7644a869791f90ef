/* search.c - in, count and index of a LazyMap.
 *
 * A value is found as list finds it: identity before ==, value on the left,
 * stopping at the first.  Comparisons run any code; nothing is held across
 * them but an iterator. */
#include "lazymap/internal.h"

/* How many values equal `wanted`, or as many as `enough`; -1 on error. */
static Py_ssize_t
count_up_to(PyObject *op, PyObject *wanted, Py_ssize_t enough)
{
    Py_ssize_t found = 0;
    PyObject *iterator = PyObject_GetIter(op);
    if (iterator == NULL) {
        return -1;
    }
    while (found < enough) {
        PyObject *value = PyIter_Next(iterator);
        if (value == NULL) {
            break;
        }
        int same = PyObject_RichCompareBool(value, wanted, Py_EQ);
        Py_DECREF(value);
        if (same < 0) {
            break;
        }
        found += same;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : found;
}

int
mo_lazymap_contains(PyObject *op, PyObject *wanted)
{
    return (int)count_up_to(op, wanted, 1);
}

PyObject *
mo_lazymap_count(PyObject *op, PyObject *wanted)
{
    Py_ssize_t found = count_up_to(op, wanted, PY_SSIZE_T_MAX);
    return found < 0 ? NULL : PyLong_FromSsize_t(found);
}

/* A bound as list.index takes it: any integer, clipped, from the end if it
 * is negative.  0 or -1. */
static int
parse_bound(mo_lazymap *self, PyObject *number, Py_ssize_t *bound)
{
    if (!PyIndex_Check(number)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or have an "
                        "__index__ method");
        return -1;
    }
    *bound = PyNumber_AsSsize_t(number, NULL);
    if (*bound == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (*bound < 0) {
        Py_ssize_t length = mo_lazymap_length(self, PY_SSIZE_T_MAX);
        if (length < 0) {
            return -1;
        }
        *bound = *bound < -length ? 0 : *bound + length;
    }
    return 0;
}

/* The first index from 0 on and below stop, by one pass; -1 if there is none
 * or with an exception. */
static Py_ssize_t
find_from_start(PyObject *op, PyObject *wanted, Py_ssize_t stop)
{
    int same = 0;
    Py_ssize_t i = 0;
    PyObject *iterator = PyObject_GetIter(op);
    if (iterator == NULL) {
        return -1;
    }
    for (; i < stop; i++) {
        PyObject *value = PyIter_Next(iterator);
        if (value == NULL) {
            break;
        }
        same = PyObject_RichCompareBool(value, wanted, Py_EQ);
        Py_DECREF(value);
        if (same != 0) {
            break;
        }
    }
    Py_DECREF(iterator);
    return same > 0 ? i : -1;
}

/* The same from `start` on, by indices, while the sources last. */
static Py_ssize_t
find_by_index(mo_lazymap *self, PyObject *wanted, Py_ssize_t start,
              Py_ssize_t stop)
{
    for (Py_ssize_t i = start; i < stop; i++) {
        if (i >= mo_lazymap_length(self, i + 1)) {
            return -1; /* also after an error, as the length is then -1 */
        }
        PyObject *value = mo_lazymap_item(self, i);
        if (value == NULL) {
            return -1;
        }
        int same = PyObject_RichCompareBool(value, wanted, Py_EQ);
        Py_DECREF(value);
        if (same != 0) {
            return same > 0 ? i : -1;
        }
    }
    return -1;
}

PyObject *
mo_lazymap_index(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    mo_lazymap *self = (mo_lazymap *)op;
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError,
                     "index expected 1 to 3 arguments, got %zd", nargs);
        return NULL;
    }
    if (self->kind != MO_SEQUENCE) {
        mo_lazymap_refuse(self, "has no indices");
        return NULL;
    }
    if ((nargs > 1 && parse_bound(self, args[1], &start) < 0) ||
        (nargs > 2 && parse_bound(self, args[2], &stop) < 0)) {
        return NULL;
    }
    Py_ssize_t found = start == 0 ? find_from_start(op, args[0], stop)
                                  : find_by_index(self, args[0], start, stop);
    if (found >= 0) {
        return PyLong_FromSsize_t(found);
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "%R is not in LazyMap", args[0]);
    }
    return NULL;
}
