/* dedup_places.c - containers whose items lie in places of memory, into which
 * dedup() writes: lists, sets, NumPy arrays of objects.  See dedup.h. */
#include "internpool/dedup.h"

#include <string.h>

/* Items of an array that are walked at a time: to borrow its memory takes as
 * long as some tens of them. */
#define ARRAY_PART 1024

/* The place of an item, borrowed; NULL if there is none.  It may hold NULL.
 * Only as long as the container is locked, if other threads may change it. */
typedef PyObject **
place_of(const void *container, Py_ssize_t position);

/* A container, and how to find its places. */
typedef struct {
    PyObject *object;  /* borrowed: what its lock belongs to */
    const void *items; /* borrowed: what the places are asked for */
} whole;

/* --- strings ------------------------------------------------------------- */

typedef struct {
    int count;
    PyObject **place[MO_STRINGS];
    PyObject *string[MO_STRINGS]; /* borrowed from the place */
} found;

static MO_ALWAYS_INLINE void
find_strings_lock_held(found *strings, place_of *at, const void *items,
                       Py_ssize_t start, Py_ssize_t stop)
{
    strings->count = 0;
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject **place = at(items, i);
        PyObject *item = place != NULL ? *place : NULL;
        if (item != NULL && PyUnicode_CheckExact(item) &&
            MO_STR_IS_READY(item)) {
            strings->place[strings->count] = place;
            strings->string[strings->count++] = item;
        }
    }
}

/* What is kept goes into the places; readers without a lock see either. */
static int
replace_strings_lock_held(mo_pool *pool, found *strings, PyObject **kept,
                          mo_victims *victims)
{
    if (strings->count == 0) {
        return 0;
    }
    if (mo_intern_strings_lock_held(pool, strings->string, strings->count,
                                    kept, victims) < 0) {
        return -1;
    }
    for (int i = 0; i < strings->count; i++) {
        if (*strings->place[i] != strings->string[i]) {
            strings->string[i] = kept[i]; /* the same place, met before */
        }
        else if (kept[i] != strings->string[i]) {
            MO_STORE_POINTER(strings->place[i], kept[i]);
        }
    }
    return 0;
}

/* Releases what has been replaced, and counts. */
static void
drop_strings(mo_walk *w, const found *strings, PyObject *const *kept)
{
    w->strings.seen += (uint64_t)strings->count;
    for (int i = 0; i < strings->count; i++) {
        w->strings.replaced += kept[i] != strings->string[i];
        mo_walk_drop(w, strings->string[i]);
    }
}

/* Interns the strings at up to MO_STRINGS positions.  Container and pool are
 * locked together, so that what is borrowed from a place stays in it.  Runs no
 * Python code, since it releases nothing but strs. */
static MO_ALWAYS_INLINE int
intern_places(mo_walk *w, place_of *at, whole container, Py_ssize_t start,
              Py_ssize_t stop)
{
    int status;
    found strings;
    PyObject *kept[MO_STRINGS];
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION2(container.object, w->pool);
    find_strings_lock_held(&strings, at, container.items, start, stop);
    status = replace_strings_lock_held(mo_pool_of(w->pool), &strings, kept,
                                       &victims);
    MO_END_CRITICAL_SECTION2();
    mo_victims_release(&victims);
    if (status == 0) {
        drop_strings(w, &strings, kept);
    }
    return status;
}

/* --- everything else ----------------------------------------------------- */

/* Items that may have others in them. */
typedef struct {
    int count;
    Py_ssize_t position[MO_STRINGS];
    PyObject *item[MO_STRINGS]; /* owned */
    bool shared[MO_STRINGS];
} others;

static MO_ALWAYS_INLINE void
find_others(others *items, place_of *at, whole container, Py_ssize_t start,
            Py_ssize_t stop)
{
    items->count = 0;
    MO_BEGIN_CRITICAL_SECTION(container.object);
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject **place = at(container.items, i);
        PyObject *item = place != NULL ? *place : NULL;
        if (item != NULL && !PyUnicode_CheckExact(item) &&
            mo_may_be_walked(item)) {
            items->position[items->count] = i;
            items->shared[items->count] = mo_is_shared(item, 1);
            items->item[items->count++] = Py_NewRef(item);
        }
    }
    MO_END_CRITICAL_SECTION();
}

/* Puts another tuple where one is, if it still is there. */
static MO_ALWAYS_INLINE void
write_tuple(place_of *at, whole container, Py_ssize_t position,
            PyObject *tuple, PyObject *instead)
{
    PyObject *replaced = NULL;
    MO_BEGIN_CRITICAL_SECTION(container.object);
    PyObject **place = at(container.items, position);
    if (place != NULL && *place == tuple && instead != tuple) {
        MO_STORE_POINTER(place, Py_NewRef(instead));
        replaced = tuple;
    }
    MO_END_CRITICAL_SECTION();
    Py_XDECREF(replaced);
}

/* Walks an item, of which the place and the caller have a reference each. */
static MO_ALWAYS_INLINE int
walk_item(mo_walk *w, place_of *at, whole container, Py_ssize_t position,
          PyObject *item, bool shared)
{
    PyObject *instead = mo_walk_item(w, item, shared);
    if (instead == NULL) {
        return -1;
    }
    write_tuple(at, container, position, item, instead);
    Py_DECREF(instead);
    return 0;
}

static MO_ALWAYS_INLINE int
walk_items(mo_walk *w, place_of *at, whole container, Py_ssize_t start,
           Py_ssize_t stop)
{
    int status = 0;
    others items;
    find_others(&items, at, container, start, stop);
    for (int i = 0; i < items.count; i++) {
        if (status == 0) {
            status = walk_item(w, at, container, items.position[i],
                               items.item[i], items.shared[i]);
        }
        Py_DECREF(items.item[i]);
    }
    return status;
}

static MO_ALWAYS_INLINE int
walk_places(mo_walk *w, place_of *at, whole container, Py_ssize_t start,
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
    return walk_places(w, list_place, (whole){list, list}, start, *position) <
                   0
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

static Py_ssize_t
places_of_set(PyObject *set)
{
    Py_ssize_t places;
    MO_BEGIN_CRITICAL_SECTION(set);
    places = ((PySetObject *)set)->mask + 1;
    MO_END_CRITICAL_SECTION();
    return places;
}

int
mo_walk_set(mo_walk *w, PyObject *set, Py_ssize_t *position)
{
    const Py_ssize_t start = *position;
    if (MO_FREE_THREADED && PyFrozenSet_CheckExact(set)) {
        *position = 1;
        return 0; /* other threads look into it without a lock */
    }
    *position = end_of_part(start, MO_STRINGS, places_of_set(set));
    return walk_places(w, set_place, (whole){set, set}, start, *position) < 0
               ? -1
               : *position < places_of_set(set);
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
        status = walk_places(w, array_place, (whole){array, &buffer}, start,
                             *position);
    }
    PyBuffer_Release(&buffer);
    return status < 0 ? -1 : *position < size;
}
