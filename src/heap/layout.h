/* layout.h - how CPython lays objects out, read without touching them.
 *
 * Sizes are what the allocator hands out: what sys.getsizeof says, plus the
 * headers before an object and the inline attributes it leaves out, rounded
 * up as pymalloc (16) and malloc (16, after 8 of its own) do.  Nothing here
 * runs Python code, allocates, fails or changes a reference count. */
#ifndef MO_HEAP_LAYOUT_H
#define MO_HEAP_LAYOUT_H

#include "compat.h"

/* What obmalloc.c gives to malloc. */
#define MO_PYMALLOC_LIMIT 512

/* The bytes taken by a request for `bytes`; 0 for none. */
static inline size_t
mo_rounded(size_t bytes)
{
    return (bytes + (bytes > MO_PYMALLOC_LIMIT ? 8 : 0) + 15) & ~(size_t)15;
}

#define MO_FLOAT_BYTES mo_rounded(sizeof(PyFloatObject))

/* An exact int, of digits of 4 bytes each; one would round to the same as two.
 * A product may have been given a digit more than it has: that cannot be seen. */
static inline size_t
mo_int_bytes(PyObject *number)
{
    Py_ssize_t digits = MO_INT_SIZE((PyLongObject *)number);
    return mo_rounded(offsetof(PyLongObject, MO_INT_FIRST_DIGIT) +
                      4 * (digits > 2 ? (size_t)digits : 2));
}

/* mo_object_bytes for what is not among the most frequent. */
size_t
mo_other_bytes(PyObject *obj);

/* The bytes of an object and of what it alone owns that is no object: a list's
 * array, a dict's table, an instance's inline attributes. */
static inline size_t
mo_object_bytes(PyObject *obj)
{
    if (PyUnicode_CheckExact(obj) && PyUnicode_IS_COMPACT_ASCII(obj)) {
        return mo_rounded(sizeof(PyASCIIObject) +
                          (size_t)PyUnicode_GET_LENGTH(obj) + 1);
    }
    if (PyFloat_CheckExact(obj)) {
        return MO_FLOAT_BYTES;
    }
    if (PyLong_CheckExact(obj)) {
        return mo_int_bytes(obj);
    }
    return mo_other_bytes(obj);
}

/* The same for a fresh one: with `length` items, built in one go. */
size_t
mo_list_bytes(size_t length);

size_t
mo_dict_bytes(size_t length, bool all_keys_str);

size_t
mo_set_bytes(size_t length); /* of a copy: set(other) */

/* Whether a dict's table is that for keys which are all strings, as its copy's is. */
bool
mo_has_str_keys(PyObject *dict);

/* How many items a list, dict or set (exact) has room for before it grows. */
size_t
mo_room(PyObject *obj);

/* Whether an object can own others: PyObject_IS_GC, but in line. */
static inline bool
mo_is_container(PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    return PyType_IS_GC(type) &&
           (type->tp_is_gc == NULL || type->tp_is_gc(obj));
}

/* The items of a list or tuple, borrowed; returns how many.  A tuple that is
 * being filled has some that are NULL. */
static inline Py_ssize_t
mo_items(PyObject *sequence, PyObject ***items)
{
    *items = PyList_Check(sequence) ? ((PyListObject *)sequence)->ob_item
                                    : ((PyTupleObject *)sequence)->ob_item;
    return Py_SIZE(sequence);
}

/* The instance's dict, borrowed, or NULL if it has none (yet). */
PyObject *
mo_instance_dict(PyObject *obj);

/* Whether weak references refer to it; what room for those takes in a class that has
 * `bytes` for each instance, headers included, without. */
bool
mo_has_weak_references(PyObject *obj);

size_t
mo_weak_slot_bytes(PyTypeObject *type, size_t bytes);

/* Whether it is laid out as a dict is, which a frozendict is too. */
static inline bool
mo_is_dict(PyObject *obj)
{
    return PyDict_Check(obj) || mo_is_frozendict(obj);
}

/* Entries of a dict whose keys are all strings: PyDictUnicodeEntry. */
typedef struct {
    PyObject *key;
    PyObject *value;
} mo_unicode_entry;

static inline const mo_unicode_entry *
mo_unicode_entries(const mo_dict_keys *keys)
{
    size_t index_bytes = (size_t)1 << keys->log2_index_bytes;
    return (const mo_unicode_entry *)(keys->indices + index_bytes);
}

/* PyDict_Next, in line for most dicts. */
static inline bool
mo_dict_next(PyObject *dict, Py_ssize_t *position, PyObject **key,
             PyObject **value)
{
    const mo_dict_keys *keys =
        (const mo_dict_keys *)((PyDictObject *)dict)->ma_keys;
    if (keys->kind != MO_KEYS_UNICODE) {
        return PyDict_Next(dict, position, key, value) != 0;
    }
    const mo_unicode_entry *entries = mo_unicode_entries(keys);
    Py_ssize_t i = *position;
    while (i < keys->nentries && entries[i].value == NULL) { /* deleted */
        i++;
    }
    if (i >= keys->nentries) {
        return false;
    }
    *position = i + 1;
    *key = entries[i].key;
    *value = entries[i].value;
    return true;
}

/* Whether a dict shares its keys with the other instances of a class. */
bool
mo_dict_is_split(PyObject *dict);

/* The name of what is the i-th of mo_inline_values(), borrowed. */
PyObject *
mo_shared_name(PyTypeObject *type, size_t i);

/* How many attributes a class's instances have in common. */
size_t
mo_shared_names(PyTypeObject *type);

/* Whether its instances have nothing but attributes and, maybe, weak
 * references: nothing else that a walk could find. */
bool
mo_has_only_attributes(PyTypeObject *type);

/* ---- ahead of the walk: only hints --------------------------------------- */

/* Asks the cache for two lines, of addresses that may be those of no object.
 * (Half of all blocks of 32 bytes lie in two.) */
static inline void
mo_prefetch_from(const PyObject *obj, int first, int last)
{
    MO_PREFETCH((const void *)((uintptr_t)obj + (uintptr_t)first));
    MO_PREFETCH((const void *)((uintptr_t)obj + (uintptr_t)last));
}

/* For what is read first of an object: its attributes, which may lie before it,
 * to a dict's table. */
static inline void
mo_prefetch_object(const PyObject *obj)
{
    mo_prefetch_from(obj, -32, 40);
}

/* For what is read of one that is no container: to a string's characters. */
static inline void
mo_prefetch_leaf(const PyObject *obj)
{
    mo_prefetch_from(obj, 0, 48);
}

/* Asks the cache for where an object keeps references, such as a dict's table;
 * the object itself is read. */
void
mo_prefetch_parts(PyObject *obj);

/* As many attributes or entries as one table of the least size has room for,
 * and about as many as are walked before the next object is. */
#define MO_PREFETCHED 6

/* Asks for the first objects that it refers to; the parts are read. */
void
mo_prefetch_contents(PyObject *obj);

/* Asks for a dict's entry number i: its key and value. */
void
mo_prefetch_entry(PyObject *dict, Py_ssize_t i);

#endif
