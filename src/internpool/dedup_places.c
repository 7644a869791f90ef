/* dedup_places.c - containers whose items lie in places of memory, into which
 * dedup() writes: lists, sets, NumPy arrays of objects.  See dedup.h. */
#include "internpool/dedup.h"

#include <string.h>

/* Items of an array that are walked at a time: to borrow its memory takes as
 * long as some tens of them. */
#define ARRAY_PART 1024

/* The place of an item, borrowed; NULL if there is none.  It may hold NULL. */
typedef PyObject **
place_of(const void *container, Py_ssize_t position);

/* --- strings ------------------------------------------------------------- */

typedef struct {
    int count;
    PyObject **place[MO_STRINGS];
    PyObject *string[MO_STRINGS]; /* borrowed from the place */
} found;

/* Runs no Python code, since it releases nothing but strs. */
static int
replace_strings(mo_walk *w, const found *strings)
{
    PyObject *kept[MO_STRINGS];
    w->strings.seen += (uint64_t)strings->count;
    if (mo_intern_strings(w->pool, strings->string, strings->count, kept) <
        0) {
        return -1;
    }
    for (int i = 0; i < strings->count; i++) {
        if (kept[i] == strings->string[i]) {
            Py_DECREF(kept[i]);
            continue;
        }
        *strings->place[i] = kept[i];
        w->strings.replaced++;
        mo_walk_drop(w, strings->string[i]);
    }
    return 0;
}

/* Interns the strings at up to MO_STRINGS positions. */
static MO_ALWAYS_INLINE int
intern_places(mo_walk *w, place_of *at, const void *container,
              Py_ssize_t start, Py_ssize_t stop)
{
    found strings;
    strings.count = 0;
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject **place = at(container, i);
        PyObject *item = place != NULL ? *place : NULL;
        if (item != NULL && PyUnicode_CheckExact(item) &&
            MO_STR_IS_READY(item)) {
            strings.place[strings.count] = place;
            strings.string[strings.count++] = item;
        }
    }
    return strings.count > 0 ? replace_strings(w, &strings) : 0;
}

/* --- everything else ----------------------------------------------------- */

/* Makes the tuple at a position anew, of which the caller has a reference. */
static int
replace_tuple(mo_walk *w, place_of *at, const void *container,
              Py_ssize_t position, PyObject *tuple)
{
    PyObject *instead = mo_walk_tuple(w, tuple, 2);
    if (instead == NULL) {
        return -1;
    }
    PyObject **place = at(container, position);
    if (place != NULL && *place == tuple) {
        *place = Py_NewRef(instead);
        Py_DECREF(tuple);
    }
    Py_DECREF(instead);
    return 0;
}

/* Makes it anew if that can be, else walks it later. */
static int
walk_tuple(mo_walk *w, place_of *at, const void *container,
           Py_ssize_t position, PyObject *tuple)
{
    Py_INCREF(tuple);
    int status = mo_is_remade(w, tuple);
    if (status > 0) {
        status = replace_tuple(w, at, container, position, tuple);
    }
    else if (status == 0) {
        status = mo_walk_later(w, tuple, 2);
    }
    Py_DECREF(tuple);
    return status;
}

static MO_ALWAYS_INLINE int
walk_items(mo_walk *w, place_of *at, const void *container, Py_ssize_t start,
           Py_ssize_t stop)
{
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject **place = at(container, i);
        PyObject *item = place != NULL ? *place : NULL;
        if (item == NULL || PyUnicode_CheckExact(item)) {
            continue;
        }
        int status = PyTuple_Check(item)
                         ? walk_tuple(w, at, container, i, item)
                         : mo_walk_later(w, item, 1);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

static MO_ALWAYS_INLINE int
walk_places(mo_walk *w, place_of *at, const void *container, Py_ssize_t start,
            Py_ssize_t stop)
{
    if (w->values && intern_places(w, at, container, start, stop) < 0) {
        return -1;
    }
    return walk_items(w, at, container, start, stop);
}

static Py_ssize_t
end_of_part(Py_ssize_t start, Py_ssize_t most, Py_ssize_t size)
{
    return size - start > most ? start + most : size;
}

/* --- lists --------------------------------------------------------------- */

static inline PyObject **
list_place(const void *list, Py_ssize_t position)
{
    const PyListObject *of = list;
    return position < Py_SIZE(of) ? &of->ob_item[position] : NULL;
}

int
mo_walk_list(mo_walk *w, PyObject *list, Py_ssize_t *position)
{
    const Py_ssize_t start = *position;
    *position = end_of_part(start, MO_STRINGS, PyList_GET_SIZE(list));
    return walk_places(w, list_place, list, start, *position) < 0
               ? -1
               : *position < PyList_GET_SIZE(list);
}

/* --- sets ---------------------------------------------------------------- */

/* Where an element was removed there is a dummy, with a hash of -1.  An equal
 * string, or tuple, belongs exactly where the other is; to discard and add it
 * might move it, and cannot be done to a frozenset. */
static inline PyObject **
set_place(const void *set, Py_ssize_t position)
{
    const PySetObject *of = set;
    return position <= of->mask && of->table[position].hash != -1
               ? &of->table[position].key
               : NULL;
}

int
mo_walk_set(mo_walk *w, PyObject *set, Py_ssize_t *position)
{
    const Py_ssize_t start = *position;
    const Py_ssize_t *mask = &((PySetObject *)set)->mask;
    *position = end_of_part(start, MO_STRINGS, *mask + 1);
    return walk_places(w, set_place, set, start, *position) < 0
               ? -1
               : *position <= *mask;
}

/* --- NumPy arrays -------------------------------------------------------- */

/* 1 and the buffer of a writable array of objects; 0 if it is no such; -1 with
 * an exception set. */
static int
get_objects(PyObject *array, Py_buffer *buffer)
{
    const int flags = PyBUF_STRIDED | PyBUF_FORMAT | PyBUF_WRITABLE;
    if (PyObject_GetBuffer(array, buffer, flags) < 0) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear(); /* read-only, or of a type that has no format */
        return 0;
    }
    if (buffer->format != NULL && strcmp(buffer->format, "O") == 0) {
        return 1;
    }
    PyBuffer_Release(buffer);
    return 0;
}

static inline PyObject **
array_place(const void *view, Py_ssize_t position)
{
    const Py_buffer *buffer = view;
    char *address = buffer->buf;
    for (int axis = buffer->ndim; axis-- > 0;) {
        address += position % buffer->shape[axis] * buffer->strides[axis];
        position /= buffer->shape[axis];
    }
    return (PyObject **)address;
}

int
mo_walk_array(mo_walk *w, PyObject *array, Py_ssize_t *position)
{
    Py_buffer buffer;
    int status = get_objects(array, &buffer);
    if (status <= 0) {
        return status;
    }
    const Py_ssize_t size = buffer.len / (Py_ssize_t)sizeof(PyObject *);
    const Py_ssize_t stop = end_of_part(*position, ARRAY_PART, size);
    status = 0;
    while (status == 0 && *position < stop) {
        Py_ssize_t start = *position;
        *position = end_of_part(start, MO_STRINGS, stop);
        status = walk_places(w, array_place, &buffer, start, *position);
    }
    PyBuffer_Release(&buffer);
    return status < 0 ? -1 : *position < size;
}
