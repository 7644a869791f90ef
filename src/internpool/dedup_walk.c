/* dedup_walk.c - which objects dedup() walks, and in what order: depth first,
 * each but once.  See dedup.h. */
#include "internpool/dedup.h"
#include "state.h"

#include <string.h>

/* Signals are looked at after so much is done: some milliseconds. */
#define WORK_BETWEEN_SIGNALS 65536

/* --- what to walk -------------------------------------------------------- */

static bool
is_array(const mo_walk *w, PyTypeObject *type)
{
    return w->ndarray != NULL && PyType_IsSubtype(type, w->ndarray);
}

/* By name, so that the module need not be there: a class that takes the name
 * is left alone, too.  The memory of ctypes has addresses of what its dicts
 * keep alive. */
static bool
is_of_ctypes(PyTypeObject *type)
{
    while (type != NULL && strcmp(type->tp_name, "_ctypes._CData") != 0) {
        type = type->tp_base;
    }
    return type != NULL;
}

bool
mo_is_namespace(PyTypeObject *type)
{
    return strcmp(type->tp_name, "types.SimpleNamespace") == 0;
}

static bool
is_instance(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        return mo_is_namespace(type);
    }
    return !PyType_Check(object) && !PyModule_Check(object) &&
           !is_of_ctypes(type);
}

/* The size tells most instances from deques at once. */
static bool
is_deque(const mo_walk *w, PyTypeObject *type)
{
    return type->tp_basicsize >= w->room->deque->tp_basicsize &&
           PyType_IsSubtype(type, w->room->deque);
}

static mo_container
kind_of_other(const mo_walk *w, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (is_deque(w, type)) {
        if (!MO_FREE_THREADED) {
            return MO_DEQUE;
        }
        /* Other threads use it without a lock that could be held. */
        return type == w->room->deque ? MO_NO_CONTAINER : MO_INSTANCE;
    }
    if (is_array(w, type)) {
        return w->arrays ? MO_ARRAY : MO_NO_CONTAINER;
    }
    return is_instance(object) ? MO_INSTANCE : MO_NO_CONTAINER;
}

mo_container
mo_container_kind(const mo_walk *w, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (!PyType_IS_GC(type)) {
        /* Arrays are the one container that the collector does not know. */
        return w->arrays && type->tp_as_buffer != NULL &&
                       !PyBytes_CheckExact(object) && is_array(w, type)
                   ? MO_ARRAY
                   : MO_NO_CONTAINER;
    }
    if (PyList_Check(object)) {
        return MO_LIST;
    }
    if (PyDict_Check(object)) {
        return MO_DICT;
    }
    if (PyTuple_Check(object)) {
        return MO_TUPLE;
    }
    return PyAnySet_Check(object) ? MO_SET : kind_of_other(w, object);
}

/* --- the stack ----------------------------------------------------------- */

int
mo_walk_reserve(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return 0;
    }
    size_t more = *capacity > 0 ? *capacity * 2 : 64;
    void *old, *grown = NULL;
    memcpy(&old, items, sizeof old); /* a pointer to any type */
    if (more <= (size_t)PY_SSIZE_T_MAX / size) {
        grown = PyMem_Realloc(old, more * size);
    }
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(items, &grown, sizeof grown);
    *capacity = more;
    return 0;
}

/* Fetches where the items of a container are, to be read soon. */
static inline void
fetch_table(mo_container kind, PyObject *object)
{
    if (kind == MO_DICT) {
        const char *table =
            (const char *)MO_LOAD_POINTER(&((PyDictObject *)object)->ma_keys);
        MO_PREFETCH(table);
        MO_PREFETCH(table + 64);
        MO_PREFETCH(table + 128);
        MO_PREFETCH(table + 192);
    }
    else if (kind == MO_LIST) {
        MO_PREFETCH(MO_LOAD_POINTER(&((PyListObject *)object)->ob_item));
    }
}

/* Takes over the reference. */
static int
push(mo_walk *w, mo_open container)
{
    if (mo_walk_reserve(&w->open, w->depth, &w->capacity, sizeof *w->open) <
        0) {
        Py_DECREF(container.object);
        return -1;
    }
    w->open[w->depth++] = container;
    return 0;
}

int
mo_walk_later(mo_walk *w, PyObject *item, bool shared)
{
    mo_container kind = mo_container_kind(w, item);
    if (kind == MO_NO_CONTAINER) {
        return 0;
    }
    /* Arrays may have their memory in common. */
    if (shared || kind == MO_ARRAY) {
        int known = mo_seen_add(&w->seen, item);
        if (known != 0) {
            return -(known < 0);
        }
    }
    fetch_table(kind, item);
    return push(w, (mo_open){Py_NewRef(item), 0, kind});
}

/* Turns the containers from `start` up around, so that the first that was
 * found is the first to be walked: they mostly lie in memory in that order.
 * What they were found in, if it was put back last, comes to lie below them. */
static void
reverse(mo_walk *w, size_t start)
{
    for (size_t i = start, j = w->depth; i + 1 < j; i++) {
        mo_open last = w->open[--j];
        w->open[j] = w->open[i];
        w->open[i] = last;
    }
}

static mo_walk_part *
part_of(mo_container kind)
{
    switch (kind) {
        case MO_LIST:
            return mo_walk_list;
        case MO_DICT:
            return mo_walk_dict;
        case MO_TUPLE:
            return mo_walk_fixed_tuple;
        case MO_SET:
            return mo_walk_set;
        case MO_DEQUE:
            return mo_walk_deque;
        case MO_ARRAY:
            return mo_walk_array;
        default:
            return mo_walk_instance;
    }
}

/* What is an instance of a subclass may have attributes. */
static int
walk_part(mo_walk *w, mo_open *container)
{
    PyObject *object = container->object;
    int status = part_of(container->kind)(w, object, &container->position);
    return status == 0 && container->kind != MO_INSTANCE &&
                   PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_HEAPTYPE)
               ? mo_walk_attributes_beside(w, object)
               : status;
}

/* Walks a part of the container on top, and puts what it holds in its place,
 * above it if something is left. */
static int
step(mo_walk *w)
{
    mo_open top = w->open[--w->depth];
    const size_t place = w->depth;
    w->containers += top.position == 0;
    int status = walk_part(w, &top);
    if (status > 0) {
        status = push(w, top);
    }
    else {
        Py_DECREF(top.object);
    }
    reverse(w, place);
    return status;
}

/* --- the whole ----------------------------------------------------------- */

int
mo_walk_all(mo_walk *w, PyObject *root)
{
    if (mo_walk_later(w, root, true) < 0) {
        return -1;
    }
    if (PyTuple_Check(root)) {
        /* It stays, wherever it is met. */
        mo_seen_find(&w->seen, root)->instead = Py_NewRef(root);
    }
    uint64_t next = WORK_BETWEEN_SIGNALS;
    for (uint64_t steps = 1; w->depth > 0; steps++) {
        if (step(w) < 0) {
            return -1;
        }
        /* A step may be as long as a deque. */
        uint64_t work = steps + w->containers + w->strings.seen;
        if (work >= next) {
            if (PyErr_CheckSignals() < 0) {
                return -1;
            }
            next = work + WORK_BETWEEN_SIGNALS;
        }
    }
    return 0;
}

int
mo_walk_begin(mo_walk *w, PyObject *pool, bool keys, bool values)
{
    *w = (mo_walk){.pool = pool,
                   .room = &mo_state_of(Py_TYPE(pool))->internpool,
                   .keys = keys,
                   .values = values};
    return mo_walk_find_arrays(w);
}

void
mo_walk_forget(mo_walk *w)
{
    mo_seen_free(&w->seen);
    while (w->replaced_count > 0) {
        mo_replaced last = w->replaced[--w->replaced_count];
        w->strings.bytes_freed += Py_REFCNT(last.tuple) == 1 ? last.bytes : 0;
        Py_DECREF(last.tuple);
    }
}

void
mo_walk_end(mo_walk *w)
{
    while (w->depth > 0) {
        Py_DECREF(w->open[--w->depth].object);
    }
    mo_walk_forget(w);
    PyMem_Free(w->open);
    PyMem_Free(w->nested);
    PyMem_Free(w->replaced);
    for (int i = 0; i < MO_KNOWN_KEYS; i++) {
        Py_CLEAR(w->known[i][0]);
        Py_CLEAR(w->known[i][1]);
    }
    Py_CLEAR(w->ndarray);
    Py_CLEAR(w->base);
}
