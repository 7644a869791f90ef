/* contents.c - InternPool's methods that see, or drop, all residents. */
#include "internpool/internal.h"

Py_ssize_t
mo_internpool_length(PyObject *op)
{
    return (Py_ssize_t)mo_pool_of(op)->table.count;
}

/* Fills a new list of as many items as are resident; false if that number has
 * changed since. */
static bool
fill_lock_held(const mo_pool *pool, PyObject *list)
{
    const mo_entry *entries = pool->table.entries;
    Py_ssize_t n = 0;
    if (PyList_GET_SIZE(list) != (Py_ssize_t)pool->table.count) {
        return false;
    }
    for (unsigned which = 0; which < MO_QUEUES; which++) {
        for (uint32_t i = pool->queues.queue[which].head; i != MO_NO_ENTRY;
             i = entries[i].next) {
            PyList_SET_ITEM(list, n++, Py_NewRef(entries[i].string));
        }
    }
    return true;
}

PyObject *
mo_internpool_snapshot(PyObject *op, Py_ssize_t *pinned)
{
    const mo_pool *pool = mo_pool_of(op);
    for (;;) {
        /* May collect garbage and so run code that changes the pool. */
        PyObject *list = PyList_New(mo_internpool_length(op));
        if (list == NULL) {
            return NULL;
        }
        bool filled;
        MO_BEGIN_CRITICAL_SECTION(op);
        filled = fill_lock_held(pool, list);
        *pinned = (Py_ssize_t)pool->queues.queue[MO_PINNED].count;
        MO_END_CRITICAL_SECTION();
        if (filled) {
            return list;
        }
        Py_DECREF(list);
    }
}

PyObject *
mo_internpool_iter(PyObject *op)
{
    Py_ssize_t pinned;
    PyObject *list = mo_internpool_snapshot(op, &pinned);
    if (list == NULL) {
        return NULL;
    }
    PyObject *iterator = PyObject_GetIter(list);
    Py_DECREF(list);
    return iterator;
}

const char mo_internpool_clear_doc[] = PyDoc_STR(
    "clear($self, /)\n--\n\n"
    "Forget all strings, pinned ones too, and give the memory back.\n\n"
    "Counts are kept.");

PyObject *
mo_internpool_drop_all(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_table taken;
    MO_BEGIN_CRITICAL_SECTION(op);
    mo_pool_take_lock_held(mo_pool_of(op), &taken);
    MO_END_CRITICAL_SECTION();
    mo_table_free(&taken);
    Py_RETURN_NONE;
}

const char mo_internpool_cache_clear_doc[] = PyDoc_STR(
    "cache_clear($self, /)\n--\n\n"
    "clear(), and set all counts to 0, as functools.lru_cache does.");

PyObject *
mo_internpool_cache_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_table taken;
    MO_BEGIN_CRITICAL_SECTION(op);
    mo_pool_take_lock_held(mo_pool_of(op), &taken);
    mo_pool_reset_counts_lock_held(mo_pool_of(op));
    MO_END_CRITICAL_SECTION();
    mo_table_free(&taken);
    Py_RETURN_NONE;
}

/* --- with InternPool() as pool: ------------------------------------------ */

const char mo_internpool_enter_doc[] = PyDoc_STR(
    "__enter__($self, /)\n--\n\n"
    "The pool itself; it is cleared at the end of the with block.");

PyObject *
mo_internpool_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(op);
}

const char mo_internpool_exit_doc[] = PyDoc_STR(
    "__exit__($self, exc_type, exc_value, traceback, /)\n--\n\n"
    "clear().  Exceptions pass.");

PyObject *
mo_internpool_exit(PyObject *op, PyObject *const *Py_UNUSED(args),
                   Py_ssize_t nargs)
{
    if (nargs != 3) {
        PyErr_Format(PyExc_TypeError,
                     "InternPool.__exit__() takes exactly 3 arguments "
                     "(%zd given)",
                     nargs);
        return NULL;
    }
    return mo_internpool_drop_all(op, NULL);
}
