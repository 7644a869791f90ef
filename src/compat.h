/* compat.h - one face for every compiler and CPython that memopt supports.
 *
 * Compilers: gcc, clang, mingw-w64, MSVC (C11).  CPython: 3.11 and later.
 * Anything a compiler offers beyond C11 is wrapped here, each with a twin
 * for the others; no other file tests a compiler or Python version.
 * Owns no memory and no state. */
#ifndef MO_COMPAT_H
#define MO_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Structure members for type objects: Python.h has them from 3.12 on. */
#include <structmember.h>

/* Checks too slow for release builds, such as walking a whole table.  They
 * are on with MEMOPT_DEBUG=1 (see setup.py), beside plain assert(). */
#ifdef MO_DEBUG
# define MO_CHECK(expression) assert(expression)
#else
# define MO_CHECK(expression) ((void)0)
#endif

#if defined(__GNUC__) || defined(__clang__)
# define MO_LIKELY(x) __builtin_expect(!!(x), 1)
# define MO_UNLIKELY(x) __builtin_expect(!!(x), 0)
# define MO_NOINLINE __attribute__((noinline))
/* A hint that the cache line at p will be read soon; never faults. */
# define MO_PREFETCH(p) __builtin_prefetch(p)
#else
# define MO_LIKELY(x) (x)
# define MO_UNLIKELY(x) (x)
# if defined(_MSC_VER)
#  define MO_NOINLINE __declspec(noinline)
# else
#  define MO_NOINLINE
# endif
# define MO_PREFETCH(p) ((void)(p))
#endif

/* The exception being raised as one object: CPython's own from 3.12 on. */
#if PY_VERSION_HEX < 0x030C0000
static inline PyObject *
PyErr_GetRaisedException(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static inline void
PyErr_SetRaisedException(PyObject *exception)
{
    PyObject *type = Py_NewRef((PyObject *)Py_TYPE(exception));
    PyErr_Restore(type, exception, PyException_GetTraceback(exception));
}
#endif

/* 1 and a new reference; 0 and NULL if there is no such attribute; -1 and NULL
 * with an exception set: CPython's own from 3.13 on. */
#if PY_VERSION_HEX < 0x030D0000
static inline int
PyObject_GetOptionalAttrString(PyObject *obj, const char *name,
                               PyObject **result)
{
    *result = PyObject_GetAttrString(obj, name);
    if (*result != NULL) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear(); /* there is none, which the result says */
    return 0;
}
#endif

/* Per-object locks: real from CPython 3.13 on free-threaded builds, nothing
 * under the GIL.  A function that runs inside one ends in _lock_held. */
#if PY_VERSION_HEX >= 0x030D0000
# define MO_BEGIN_CRITICAL_SECTION(op) Py_BEGIN_CRITICAL_SECTION(op)
# define MO_END_CRITICAL_SECTION() Py_END_CRITICAL_SECTION()
#else
# define MO_BEGIN_CRITICAL_SECTION(op) {
# define MO_END_CRITICAL_SECTION() }
#endif

/* Makes the fields of an exact str usable; 0, or -1 with MemoryError set.
 * Only 3.11 still has strings that are not ready from the start. */
#if PY_VERSION_HEX < 0x030C0000
# define MO_STR_READY(string) PyUnicode_READY(string)
#else
# define MO_STR_READY(string) ((void)(string), 0)
#endif

#endif
