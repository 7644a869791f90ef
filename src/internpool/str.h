/* str.h - the few facts about an exact str that the pool works with, read
 * straight from its PEP 393 fields.
 *
 * Every argument is an exact str that MO_STR_READY accepted.  Nothing here
 * fails, runs Python code or takes ownership. */
#ifndef MO_INTERNPOOL_STR_H
#define MO_INTERNPOOL_STR_H

#include "compat.h"

#include <string.h>

/* Text in the form that an equal str has, see PEP 393, wherever it may lie. */
typedef struct {
    const void *data; /* borrowed */
    size_t length;    /* code points */
    unsigned kind;    /* bytes for each: 1, 2 or 4; the fewest that suffice */
} mo_text;

/* Fetches what a comparison reads into the processor's cache: the header and
 * the beginning of the text. */
static inline void
mo_str_fetch(PyObject *string)
{
    MO_PREFETCH(string);
    MO_PREFETCH((const char *)string + 64);
}

/* Bytes of the text, without the terminator. */
static inline size_t
mo_str_nbytes(PyObject *string)
{
    return (size_t)PyUnicode_GET_LENGTH(string) *
           (size_t)PyUnicode_KIND(string);
}

/* Equal strings have the same kind: PEP 393 keeps each in its narrowest. */
static inline bool
mo_str_equal(PyObject *a, PyObject *b)
{
    return a == b || (PyUnicode_GET_LENGTH(a) == PyUnicode_GET_LENGTH(b) &&
                      PyUnicode_KIND(a) == PyUnicode_KIND(b) &&
                      memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b),
                             mo_str_nbytes(a)) == 0);
}

static inline bool
mo_str_equal_text(PyObject *string, const mo_text *text)
{
    return (size_t)PyUnicode_GET_LENGTH(string) == text->length &&
           (unsigned)PyUnicode_KIND(string) == text->kind &&
           memcmp(PyUnicode_DATA(string), text->data,
                  text->length * text->kind) == 0;
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
    return header + mo_str_nbytes(string) + (size_t)PyUnicode_KIND(string);
}

/* Whether CPython itself keeps the only copy: "" and "\x00" to "\xff". */
static inline bool
mo_str_is_singleton(PyObject *string)
{
    return PyUnicode_GET_LENGTH(string) <= 1 &&
           PyUnicode_KIND(string) == PyUnicode_1BYTE_KIND;
}

static inline bool
mo_text_is_singleton(const mo_text *text)
{
    return text->length <= 1 && text->kind == 1;
}

/* A str of the text, CPython's own if it is a singleton. */
static inline PyObject *
mo_text_as_str(const mo_text *text)
{
    return PyUnicode_FromKindAndData((int)text->kind, text->data,
                                     (Py_ssize_t)text->length);
}

#endif
