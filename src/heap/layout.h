/* layout.h - how CPython lays objects out, read without touching them.
 *
 * Sizes are what the allocator hands out: what sys.getsizeof says, plus the
 * headers before an object and the inline attributes it leaves out, rounded
 * up as pymalloc (16) and malloc (16, after 8 of its own) do.  Nothing here
 * runs Python code, allocates, fails or changes a reference count. */
#ifndef MO_HEAP_LAYOUT_H
#define MO_HEAP_LAYOUT_H

#include "compat.h"

/* The bytes taken by a request for `bytes`; 0 for none. */
size_t
mo_rounded(size_t bytes);

/* The bytes of an object and of what it alone owns that is no object: a list's
 * array, a dict's table, an instance's inline attributes. */
size_t
mo_object_bytes(PyObject *obj);

/* The same for a fresh one: with `length` items, built in one go. */
size_t
mo_list_bytes(size_t length);

size_t
mo_dict_bytes(size_t length);

size_t
mo_set_bytes(size_t length);

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

/* Whether a dict shares its keys with the other instances of a class. */
bool
mo_dict_is_split(PyObject *dict);

/* The attributes of an instance that has no dict yet, in the order of their
 * assignment: *values is borrowed, as are the items, of which some are NULL;
 * mo_shared_name names them.  Returns how many; 0 for any other object. */
size_t
mo_inline_values(PyObject *obj, PyObject ***values);

/* The name of the attribute i of a class's instances, borrowed. */
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
