/* dedup_deque.c - deques for dedup(): see dedup.h.
 *
 * A deque is listed, and the list is interned like any other.  What differs then
 * is written while the deque is rotated, since only its ends can be written to in
 * no time; by deque's own functions, whatever a subclass has instead. */
#include "internpool/dedup.h"

/* --- as a list ----------------------------------------------------------- */

/* Not by PySequence_List(): that makes a list and asks the iterator how many to
 * expect, each of which may run the collector, hence code, in CPython 3.11; and
 * if that changes the deque the iterator ends with a RuntimeError. */
static PyObject *
list_items(const mo_walk *w, PyObject *deque)
{
    PyObject *items = PyList_New(0);
    PyObject *iterator = items ? w->room->deque->tp_iter(deque) : NULL;
    PyObject *item;
    int status = iterator ? 0 : -1;
    while (status == 0 && (item = PyIter_Next(iterator)) != NULL) {
        status = PyList_Append(items, item);
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    if (status < 0 || PyErr_Occurred()) {
        Py_CLEAR(items);
    }
    return items;
}

/* A new list of what is to be in place of the items of `before`, a list that
 * nothing else knows of what a deque holds.  All containers among them are
 * remembered: code may have run since they were listed, so that it cannot be told
 * whether they are shared. */
static PyObject *
walk_listed(mo_walk *w, PyObject *before)
{
    const bool shared = true; /* or may have been */
    mo_intern_counts counts = {0};
    PyObject *now = PyList_GetSlice(before, 0, PY_SSIZE_T_MAX);
    int status = now != NULL ? 0 : -1;
    if (status == 0 && w->values) {
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

static bool
lists_differ(PyObject *now, PyObject *before)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(now); i++) {
        if (PyList_GET_ITEM(now, i) != PyList_GET_ITEM(before, i)) {
            return true;
        }
    }
    return false;
}

/* Takes an item, with the list's reference, out of a list: None is there. */
static PyObject *
take(PyObject *list, Py_ssize_t i)
{
    PyObject *item = PyList_GET_ITEM(list, i);
    PyList_SET_ITEM(list, i, Py_NewRef(Py_None));
    return item;
}

/* --- writing back -------------------------------------------------------- */

/* deque.rotate(), as `method` is, of a deque. */
static int
rotate(PyObject *method, PyObject *deque, long steps)
{
    PyObject *number = PyLong_FromLong(steps);
    PyObject *result =
        number ? PyObject_CallFunctionObjArgs(method, deque, number, NULL)
               : NULL;
    Py_XDECREF(number);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Writes `new` in front if `old`, a reference that it takes over, is there. */
static int
write_front(mo_walk *w, PyObject *deque, PyObject *new, PyObject *old)
{
    const PySequenceMethods *of = w->room->deque->tp_as_sequence;
    PyObject *front = of->sq_item(deque, 0);
    Py_XDECREF(front);
    if (new == old || front != old) {
        Py_DECREF(old);
        return front == NULL ? -1 : 0;
    }
    int status = of->sq_ass_item(deque, 0, new);
    mo_walk_drop_replaced(w, old);
    return status;
}

/* Goes back by as many steps, one by one, as were gone forth: that needs no
 * memory but the blocks that going forth has left free. */
static void
rotate_back(PyObject *method, PyObject *deque, Py_ssize_t steps)
{
    PyObject *error = PyErr_GetRaisedException();
    while (steps > 0 && rotate(method, deque, 1) == 0) {
        steps--;
    }
    PyErr_SetRaisedException(error);
}

/* Item by item, each brought to the front, where writing costs least. */
static int
write_rotating(mo_walk *w, PyObject *deque, PyObject *items, PyObject *before)
{
    PyObject *method =
        PyObject_GetAttrString((PyObject *)w->room->deque, "rotate");
    int status = method ? 0 : -1;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        status =
            write_front(w, deque, PyList_GET_ITEM(items, i), take(before, i));
        if (status == 0) {
            status = rotate(method, deque, -1);
        }
        if (status < 0) {
            rotate_back(method, deque, i);
        }
    }
    Py_XDECREF(method);
    return status;
}

int
mo_walk_deque(mo_walk *w, PyObject *deque, Py_ssize_t *position)
{
    *position = 1;
    PyObject *before = list_items(w, deque);
    PyObject *items = before ? walk_listed(w, before) : NULL;
    int status = items ? 0 : -1;
    if (status == 0 && lists_differ(items, before) &&
        PyList_GET_SIZE(items) ==
            w->room->deque->tp_as_sequence->sq_length(deque)) {
        status = write_rotating(w, deque, items, before);
        mo_walk_settle(w, status == 0);
    }
    mo_walk_settle(w, false);
    Py_XDECREF(items);
    Py_XDECREF(before);
    return status;
}
