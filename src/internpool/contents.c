/* contents.c - InternPool's methods that see, bound or drop all residents.
 *
 * Arguments are converted before the lock is taken, since that may run Python
 * code, and before anything changes. */
#include "internpool/internal.h"

Py_ssize_t
mo_internpool_length(PyObject *op)
{
    return (Py_ssize_t)MO_LOAD_TOTAL(&mo_shards_of(op)->bounds.entries);
}

/* Fills a list from item n on with what is in one queue; how many there are
 * now. */
static Py_ssize_t
list_queue(const mo_pool *pool, unsigned which, PyObject *list, Py_ssize_t n)
{
    const mo_entry *entries = pool->table.entries;
    for (uint32_t i = pool->queues.queue[which].head; i != MO_NO_ENTRY;
         i = entries[i].next) {
        PyList_SET_ITEM(list, n++, Py_NewRef(entries[i].string));
    }
    return n;
}

/* Fills a new list of as many items as are resident; false if that number has
 * changed since. */
static bool
fill_all_locked(const mo_shards *shards, PyObject *list)
{
    Py_ssize_t n = 0;
    if (PyList_GET_SIZE(list) != (Py_ssize_t)shards->bounds.entries) {
        return false;
    }
    for (unsigned which = 0; which < MO_QUEUES; which++) {
        for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
            n = list_queue(&shards->shard[i].pool, which, list, n);
        }
    }
    return true;
}

PyObject *
mo_internpool_snapshot(PyObject *op, mo_bounds *bounds)
{
    mo_shards *shards = mo_shards_of(op);
    for (;;) {
        /* May collect garbage and so run code that changes the pool. */
        PyObject *list = PyList_New(mo_internpool_length(op));
        if (list == NULL) {
            return NULL;
        }
        mo_shards_lock_all(shards);
        bool filled = fill_all_locked(shards, list);
        *bounds = shards->bounds;
        mo_shards_unlock_all(shards);
        if (filled) {
            return list;
        }
        Py_DECREF(list);
    }
}

PyObject *
mo_internpool_iter(PyObject *op)
{
    mo_bounds bounds;
    PyObject *list = mo_internpool_snapshot(op, &bounds);
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

static void
clear(mo_shards *shards, bool counts_too)
{
    mo_table taken[MO_MAX_SHARDS];
    mo_shards_lock_all(shards);
    mo_shards_take_all_locked(shards, taken);
    for (uint32_t i = 0; counts_too && i < mo_shards_count(shards); i++) {
        mo_pool_reset_counts_lock_held(&shards->shard[i].pool);
    }
    mo_shards_unlock_all(shards);
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        mo_table_free(&taken[i]);
    }
}

PyObject *
mo_internpool_drop_all(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    clear(mo_shards_of(op), false);
    Py_RETURN_NONE;
}

const char mo_internpool_cache_clear_doc[] = PyDoc_STR(
    "cache_clear($self, /)\n--\n\n"
    "clear(), and set all counts to 0, as functools.lru_cache does.");

PyObject *
mo_internpool_cache_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    clear(mo_shards_of(op), true);
    Py_RETURN_NONE;
}

/* --- bounds -------------------------------------------------------------- */

const char mo_internpool_resize_doc[] = PyDoc_STR(
    "resize($self, max_entries=..., max_bytes=...)\n--\n\n"
    "Change the bounds given; those left out (or ...) stay.\n\n"
    "Evicts what exceeds the new bounds, counted as evictions, and gives spare\n"
    "memory back; a larger bound keeps everything.  max_bytes=None lifts that\n"
    "bound.  Raises as the constructor does, and ValueError if what is pinned\n"
    "exceeds a new bound, before anything changes.  O(entries).\n\n"
    ">>> pool = memopt.InternPool(1000)\n"
    ">>> for i in range(100):\n"
    "...     _ = pool.intern(f'item {i}')\n"
    ">>> pool.resize(max_entries=10)\n"
    ">>> len(pool), pool.max_entries\n"
    "(10, 10)");

PyObject *
mo_internpool_resize(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"max_entries", "max_bytes", NULL};
    mo_shards *shards = mo_shards_of(op);
    PyObject *entries = Py_Ellipsis, *bytes = Py_Ellipsis;
    uint32_t max_entries = 0;
    size_t max_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:resize", names,
                                     &entries, &bytes)) {
        return NULL;
    }
    if (entries != Py_Ellipsis &&
        mo_convert_max_entries(entries, &max_entries) < 0) {
        return NULL;
    }
    if (bytes != Py_Ellipsis &&
        mo_convert_limit(bytes, "max_bytes", 1, &max_bytes) < 0) {
        return NULL;
    }
    const mo_bounds *old = &shards->bounds;
    mo_victims victims;
    mo_victims_init(&victims);
    mo_shards_lock_all(shards);
    int status = mo_shards_resize_all_locked(
        shards, entries == Py_Ellipsis ? old->max_entries : max_entries,
        bytes == Py_Ellipsis ? old->max_bytes : max_bytes, &victims);
    mo_shards_unlock_all(shards);
    mo_victims_release(&victims);
    if (status < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "pinned strings exceed the new bounds: unpin some");
        return NULL;
    }
    Py_RETURN_NONE;
}

const char mo_internpool_trim_doc[] = PyDoc_STR(
    "trim($self, *, unused_only=False, max_bytes=None)\n--\n\n"
    "Remove residents now, and give spare memory back; how many were removed.\n\n"
    "With unused_only=True, those that nobody else holds.  With max_bytes, in\n"
    "the order of eviction until at most so many bytes of strings are left.\n"
    "With both, unused ones until so many are left; with neither, none.  Pinned\n"
    "strings stay.  Nothing is counted, and the bounds remain as they are.\n\n"
    "For programs that are told when memory runs low.  Raises TypeError,\n"
    "ValueError or OverflowError if max_bytes is not None or an int of 0 or\n"
    "more.  O(entries).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> held = [pool.intern(f'item {i}') for i in range(100)]\n"
    ">>> del held[10:]\n"
    ">>> pool.trim(unused_only=True), len(pool)\n"
    "(90, 10)");

PyObject *
mo_internpool_trim(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"unused_only", "max_bytes", NULL};
    PyObject *bytes = Py_None;
    int unused_only = 0;
    size_t max_bytes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$pO:trim", names,
                                     &unused_only, &bytes) ||
        mo_convert_limit(bytes, "max_bytes", 0, &max_bytes) < 0) {
        return NULL;
    }
    if (unused_only && bytes == Py_None) {
        max_bytes = 0;
    }
    mo_shards *shards = mo_shards_of(op);
    mo_victims victims;
    mo_victims_init(&victims);
    mo_shards_lock_all(shards);
    size_t removed = mo_shards_trim_all_locked(shards, unused_only != 0,
                                               max_bytes, &victims);
    mo_shards_unlock_all(shards);
    mo_victims_release(&victims);
    return PyLong_FromSize_t(removed);
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
