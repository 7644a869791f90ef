/* source.h - what a LazyMap can ask of an object that it reads items from.
 *
 * A LazyMap is as capable as its sources: the kinds are ordered so that that
 * of several sources is the greatest of theirs.  Nothing is owned here. */
#ifndef MO_LAZYMAP_SOURCE_H
#define MO_LAZYMAP_SOURCE_H

#include "lazymap/lazymap.h"

typedef enum {
    MO_SEQUENCE, /* len(), indices from 0, any number of passes */
    MO_SIZED,    /* len() and any number of passes */
    MO_ITERABLE, /* any number of passes */
    MO_ONE_SHOT, /* an iterator: a single pass */
} mo_kind;

/* The kind of any object, as an int, or -1 with an exception, which is a
 * TypeError if it is not iterable.  Does not call iter() on it. */
int
mo_source_kind(mo_lazymap_state *state, PyObject *source);

/* True if its len() or items come from a cache over an iterator, so that
 * asking for the length would read the iterator to its end. */
bool
mo_source_may_pull(mo_lazymap_state *state, PyObject *source);

/* len(source), or any number from `limit` on if there are that many items;
 * -1 with an exception. */
Py_ssize_t
mo_source_length(mo_lazymap_state *state, PyObject *source, Py_ssize_t limit);

/* source[index], index >= 0, of a source whose kind is MO_SEQUENCE: a new
 * reference, or NULL with an exception. */
PyObject *
mo_source_item(PyObject *source, Py_ssize_t index);

/* The error of such an index that is not one. */
void
mo_raise_index_error(void);

/* True if len() can be expected to work: not on every LazyMap. */
bool
mo_source_is_sized(mo_lazymap_state *state, PyObject *source);

/* True for an object of a type that holds numbers in a buffer and whose
 * iterators give item after item by index, until there is none: array.array,
 * memoryview, bytes, bytearray, FloatVector and NumPy's array, but for one of
 * no dimensions; no subclasses. */
bool
mo_is_number_buffer(mo_lazymap_state *state, PyObject *source);

/* NumPy's array itself, no subclass. */
bool
mo_is_numpy_array(PyObject *source);

/* The slots len() looks at. */
static inline bool
mo_has_len(PyObject *source)
{
    PyTypeObject *type = Py_TYPE(source);
    return (type->tp_as_sequence && type->tp_as_sequence->sq_length) ||
           (type->tp_as_mapping && type->tp_as_mapping->mp_length);
}

static inline bool
mo_is_range(PyObject *source)
{
    return Py_IS_TYPE(source, &PyRange_Type);
}

#endif
