/* dedup_places.c - containers whose items lie in places of memory, into which
 * dedup() writes: lists, attributes, sets, dicts, NumPy arrays of objects.  See
 * dedup.h. */
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
    bool keys;         /* whether they are those of the keys of a dict */
} whole;

/* What is looked at in a part of it: strings, to be interned, and tuples, which
 * may be made anew. */
typedef struct {
    int strings;
    PyObject **place[MO_STRINGS]; /* with a GIL, else: */
    Py_ssize_t string_position[MO_STRINGS];
    PyObject *string[MO_STRINGS]; /* borrowed from the place; else owned */
    int tuples;
    Py_ssize_t position[MO_STRINGS];
    PyObject *tuple[MO_STRINGS]; /* owned */
    bool shared[MO_STRINGS];
} found;

/* Other containers are walked later.  Runs no code. */
static MO_ALWAYS_INLINE int
find_lock_held(mo_walk *w, found *part, place_of *at, whole container,
               Py_ssize_t start, Py_ssize_t stop)
{
    const bool strings_too = container.keys || w->values;
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject **place = at(container.items, i);
        PyObject *item = place != NULL ? *place : NULL;
        if (item == NULL) {
            continue;
        }
        if (PyUnicode_CheckExact(item)) {
            if (strings_too && MO_STR_IS_READY(item)) {
                MO_KEEP(item);
                part->place[part->strings] = place;
                part->string_position[part->strings] = i;
                part->string[part->strings++] = item;
            }
            continue;
        }
        const bool shared = mo_is_shared(item, 1);
        if (PyTuple_Check(item)) {
            part->position[part->tuples] = i;
            part->shared[part->tuples] = shared;
            part->tuple[part->tuples++] = Py_NewRef(item);
        }
        else if (mo_may_be_walked(item) &&
                 mo_walk_later(w, item, shared) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- strings ------------------------------------------------------------- */

/* Where string i was found, or NULL.  Other threads may have changed what is
 * there, and moved the places. */
static MO_ALWAYS_INLINE PyObject **
place_of_string(const found *part, int i, place_of *at, const void *items)
{
    return MO_FREE_THREADED ? at(items, part->string_position[i])
                            : part->place[i];
}

/* What is kept goes into the places; readers without a lock see either.  What
 * is to be released then is in part->string. */
static MO_ALWAYS_INLINE void
replace_strings_lock_held(found *part, place_of *at, whole container,
                          PyObject *const *kept)
{
    for (int i = 0; i < part->strings; i++) {
        PyObject **place = place_of_string(part, i, at, container.items);
        PyObject *string = part->string[i];
        if (place == NULL || *place != string ||
            (container.keys && mo_key_stays(string))) {
            part->string[i] = kept[i]; /* changed; or met before */
        }
        else if (kept[i] != string) {
            MO_STORE_POINTER(place, kept[i]);
        }
        MO_LET_GO(string);
    }
}

/* Releases what has been replaced, and counts. */
static void
drop_strings(mo_walk *w, const found *part, PyObject *const *kept)
{
    w->strings.seen += (uint64_t)part->strings;
    for (int i = 0; i < part->strings; i++) {
        w->strings.replaced += kept[i] != part->string[i];
        mo_walk_drop(w, part->string[i]);
    }
}

/* Finds what is at up to MO_STRINGS positions, and interns the strings.  Runs no
 * Python code, since it releases nothing but strs. */
static MO_ALWAYS_INLINE int
intern_places(mo_walk *w, found *part, place_of *at, whole container,
              Py_ssize_t start, Py_ssize_t stop)
{
    int status;
    PyObject *kept[MO_STRINGS];
    part->strings = part->tuples = 0;
    MO_BEGIN_CRITICAL_SECTION(container.object);
    status = find_lock_held(w, part, at, container, start, stop);
    MO_END_CRITICAL_SECTION();
    if (status == 0 && part->strings > 0) {
        status = mo_intern_strings(w->pool, part->string, part->strings, kept);
    }
    if (status < 0) {
        for (int i = 0; MO_FREE_THREADED && i < part->strings; i++) {
            MO_LET_GO(part->string[i]);
        }
        return -1;
    }
    for (int i = 0; container.keys && i < part->strings; i++) {
        (void)PyObject_Hash(kept[i]); /* as a key has; cannot fail */
    }
    MO_BEGIN_CRITICAL_SECTION(container.object);
    replace_strings_lock_held(part, at, container, kept);
    MO_END_CRITICAL_SECTION();
    drop_strings(w, part, kept);
    return 0;
}

/* --- tuples -------------------------------------------------------------- */

/* Puts another tuple where one is: whether that still was there. */
static MO_ALWAYS_INLINE bool
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
    return replaced != NULL;
}

/* Walks a tuple, of which the place and the caller have a reference each. */
static MO_ALWAYS_INLINE int
walk_tuple(mo_walk *w, place_of *at, whole container, Py_ssize_t position,
           PyObject *tuple, bool shared)
{
    PyObject *instead = mo_walk_item(w, tuple, shared);
    if (instead == NULL) {
        return -1;
    }
    mo_walk_settle(w, write_tuple(at, container, position, tuple, instead));
    Py_DECREF(instead);
    return 0;
}

static MO_ALWAYS_INLINE int
walk_places(mo_walk *w, place_of *at, whole container, Py_ssize_t start,
            Py_ssize_t stop)
{
    found part;
    int status = intern_places(w, &part, at, container, start, stop);
    for (int i = 0; i < part.tuples; i++) {
        if (status == 0) {
            status = walk_tuple(w, at, container, part.position[i],
                                part.tuple[i], part.shared[i]);
        }
        Py_DECREF(part.tuple[i]);
    }
    return status;
}

static Py_ssize_t
end_of_part(Py_ssize_t start, Py_ssize_t most, Py_ssize_t size)
{
    return size - start > most ? start + most : size;
}

/* Any number of places. */
static MO_ALWAYS_INLINE int
walk_range(mo_walk *w, place_of *at, whole container, Py_ssize_t start,
           Py_ssize_t stop)
{
    int status = 0;
    for (Py_ssize_t i = start; status == 0 && i < stop; i += MO_STRINGS) {
        status =
            walk_places(w, at, container, i, end_of_part(i, MO_STRINGS, stop));
    }
    return status;
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
    return walk_places(w, list_place, (whole){.object = list, .items = list},
                       start, *position) < 0
               ? -1
               : *position < PyList_GET_SIZE(list);
}

/* --- attributes ---------------------------------------------------------- */

/* An instance, and where in it its slots are. */
typedef struct {
    PyObject *instance;
    const Py_ssize_t *offsets;
} slots;

static inline PyObject **
slot_place(const void *items, Py_ssize_t position)
{
    const slots *of = items;
    return (PyObject **)((char *)of->instance + of->offsets[position]);
}

int
mo_walk_slots(mo_walk *w, PyObject *instance, const Py_ssize_t *offsets, int n)
{
    const slots of = {instance, offsets};
    return walk_places(w, slot_place,
                       (whole){.object = instance, .items = &of}, 0, n);
}

static inline PyObject **
attribute_place(const void *instance, Py_ssize_t position)
{
    PyObject **values = NULL; /* gcc -O3 does not see that it is set */
    return position < mo_inline_attributes((PyObject *)instance, &values)
               ? &values[position]
               : NULL;
}

int
mo_walk_attributes(mo_walk *w, PyObject *instance)
{
    PyObject **values;
    Py_ssize_t n;
    MO_BEGIN_CRITICAL_SECTION(instance);
    n = mo_inline_attributes(instance, &values);
    MO_END_CRITICAL_SECTION();
    const whole of = {.object = instance, .items = instance};
    return walk_range(w, attribute_place, of, 0, n);
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
    return walk_places(w, set_place, (whole){.object = set, .items = set},
                       start, *position) < 0
               ? -1
               : *position < places_of_set(set);
}

/* --- dicts ---------------------------------------------------------------- */

static inline PyObject **
key_place(const void *dict, Py_ssize_t position)
{
    return mo_dict_entry((PyObject *)dict, position);
}

static inline PyObject **
value_place(const void *dict, Py_ssize_t position)
{
    PyObject *of = (PyObject *)dict;
    PyObject **entry =
        mo_dict_has_str_keys(of) ? NULL : mo_dict_entry(of, position);
    return entry != NULL ? entry + 1 : NULL;
}

int
mo_walk_dict_keys(mo_walk *w, PyObject *dict, Py_ssize_t start,
                  Py_ssize_t stop)
{
    const whole of = {.object = dict, .items = dict, .keys = true};
    return walk_range(w, key_place, of, start, stop);
}

int
mo_walk_dict_values(mo_walk *w, PyObject *dict, Py_ssize_t start,
                    Py_ssize_t stop)
{
    const whole of = {.object = dict, .items = dict};
    return walk_range(w, value_place, of, start, stop);
}

/* --- NumPy arrays -------------------------------------------------------- */

/* Whether objects are where a PyObject * may be read: in a field of a packed
 * record they need not. */
static bool
is_aligned(const Py_buffer *buffer)
{
    uintptr_t all = (uintptr_t)buffer->buf;
    for (int axis = 0; axis < buffer->ndim; axis++) {
        all |= (uintptr_t)buffer->strides[axis];
    }
    return all % sizeof(PyObject *) == 0;
}

/* 1 and the buffer of a writable array of objects; 0 if it is no such; -1 with
 * an exception set.  To ask for a writable one would make NumPy warn of arrays
 * that are to be read-only some day, which it says are so already. */
static int
get_objects(PyObject *array, Py_buffer *buffer)
{
    if (PyObject_GetBuffer(array, buffer, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError) &&
            !PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear(); /* of a type that has no format, or a lent one */
        return 0;
    }
    if (!buffer->readonly && buffer->format != NULL &&
        strcmp(buffer->format, "O") == 0 && is_aligned(buffer)) {
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
    int status = mo_array_has_own_items(w, array);
    if (status > 0) {
        status = get_objects(array, &buffer);
    }
    if (status <= 0) {
        return status;
    }
    const Py_ssize_t size = buffer.len / (Py_ssize_t)sizeof(PyObject *);
    const Py_ssize_t stop = end_of_part(*position, ARRAY_PART, size);
    const whole of = {.object = array, .items = &buffer};
    status = walk_range(w, array_place, of, *position, stop);
    *position = stop;
    PyBuffer_Release(&buffer);
    return status < 0 ? -1 : *position < size;
}
