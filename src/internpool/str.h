/* str.h - the few facts about an exact str that the pool works with, read
 * straight from its PEP 393 fields.
 *
 * Every argument is an exact str that MO_STR_READY accepted.  Nothing here
 * fails, runs Python code or takes ownership. */
#ifndef MO_INTERNPOOL_STR_H
#define MO_INTERNPOOL_STR_H

#include "compat.h"

#include <string.h>

/* CPython's own keyed hash, computed once in the life of a str. */
static inline Py_hash_t
mo_str_hash(PyObject *string)
{
    Py_hash_t hash = ((PyASCIIObject *)string)->hash;
    return MO_LIKELY(hash != -1) ? hash : PyUnicode_Type.tp_hash(string);
}

/* Equal strings have the same kind: PEP 393 keeps each in its narrowest. */
static inline bool
mo_str_equal(PyObject *a, PyObject *b)
{
    if (a == b) {
        return true;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(a);
    size_t kind = (size_t)PyUnicode_KIND(a);
    if (length != PyUnicode_GET_LENGTH(b) || kind != PyUnicode_KIND(b)) {
        return false;
    }
    return memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b),
                  (size_t)length * kind) == 0;
}

/* Bytes of the object, what sys.getsizeof says of a str that caches no UTF-8
 * form beside its own. */
static inline size_t
mo_str_size(PyObject *string)
{
    size_t header = sizeof(PyUnicodeObject); /* legacy strings of 3.11 */
    if (PyUnicode_IS_COMPACT_ASCII(string)) {
        header = sizeof(PyASCIIObject);
    }
    else if (PyUnicode_IS_COMPACT(string)) {
        header = sizeof(PyCompactUnicodeObject);
    }
    size_t length = (size_t)PyUnicode_GET_LENGTH(string);
    return header + (length + 1) * (size_t)PyUnicode_KIND(string);
}

/* Whether CPython itself keeps the only copy: "" and "\x00" to "\xff". */
static inline bool
mo_str_is_singleton(PyObject *string)
{
    return PyUnicode_GET_LENGTH(string) <= 1 &&
           PyUnicode_KIND(string) == PyUnicode_1BYTE_KIND;
}

#endif
