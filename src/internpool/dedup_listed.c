/* dedup_listed.c - what dedup() walks by listing it: the list is interned like
 * any other, and the container writes back what differs then.  See dedup.h. */
#include "internpool/dedup.h"

PyObject *
mo_walk_listed(mo_walk *w, PyObject *before, bool strings_too)
{
    const bool shared = true; /* or may have been */
    mo_intern_counts counts = {0};
    PyObject *now = PyList_GetSlice(before, 0, PY_SSIZE_T_MAX);
    int status = now != NULL ? 0 : -1;
    if (status == 0 && strings_too) {
        status =
            mo_intern_list_items(w->pool, now, 0, PY_SSIZE_T_MAX, &counts);
        w->strings.seen += counts.seen;
    }
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(now); i++) {
        PyObject *item = PyList_GET_ITEM(now, i);
        if (!mo_may_be_walked(item)) {
            continue;
        }
        PyObject *instead = mo_walk_item(w, item, shared);
        status = instead ? PyList_SetItem(now, i, instead) : -1;
    }
    if (status < 0) {
        Py_CLEAR(now);
    }
    return now;
}

bool
mo_lists_differ(PyObject *now, PyObject *before)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(now); i++) {
        if (PyList_GET_ITEM(now, i) != PyList_GET_ITEM(before, i)) {
            return true;
        }
    }
    return false;
}

PyObject *
mo_take(PyObject *list, Py_ssize_t i)
{
    PyObject *item = PyList_GET_ITEM(list, i);
    PyList_SET_ITEM(list, i, Py_NewRef(Py_None));
    return item;
}

void
mo_drop_replaced(mo_walk *w, PyObject *old)
{
    w->strings.replaced += PyUnicode_CheckExact(old);
    mo_walk_drop(w, old);
}
