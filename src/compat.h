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
    PyErr_Clear();
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
# define MO_STR_IS_READY(string) PyUnicode_IS_READY(string)
#else
# define MO_STR_IS_READY(string) ((void)(string), 1)
# define MO_STR_READY(string) ((void)(string), 0)
#endif

/* ---- the heap scan's view of CPython's objects --------------------------- */

/* Bits of an int's magnitude. */
#if PY_VERSION_HEX < 0x030E0000
# define MO_LONG_NUM_BITS(number) _PyLong_NumBits(number)
#else
# define MO_LONG_NUM_BITS(number) ((size_t)_PyLong_NumBits(number))
#endif

/* Flags of types whose instances have two pointers before the GC header. */
#if PY_VERSION_HEX < 0x030C0000
# define MO_TPFLAGS_PREHEADER Py_TPFLAGS_MANAGED_DICT
#else
# define MO_TPFLAGS_PREHEADER Py_TPFLAGS_PREHEADER
#endif

/* An instance that nobody asked for its __dict__ has its attributes in an
 * array of their own (3.11, 3.12) or behind its header (3.13 on): CPython's
 * Include/internal/pycore_object.h and pycore_dict.h, which cannot be included
 * beside Python.h in all of these versions.  `mo_managed_*` are for types with
 * Py_TPFLAGS_MANAGED_DICT. */
#if PY_VERSION_HEX < 0x030D0000
# define MO_VALUES_ARE_EMBEDDED 0
# define MO_TPFLAGS_INLINE_VALUES 0
/* Values, and before them one byte each for their order and two more. */
# define MO_INLINE_VALUES_BYTES(room) \
     ((((room) + 2 + 7) / 8 + (room)) * sizeof(PyObject *))
#else
# define MO_VALUES_ARE_EMBEDDED 1
# define MO_TPFLAGS_INLINE_VALUES Py_TPFLAGS_INLINE_VALUES
/* Four bytes' header, padded; the values; one byte each for their order. */
# define MO_INLINE_VALUES_BYTES(room) \
     (((room) + 7) / 8 * 8 + ((room) + 1) * sizeof(PyObject *))
#endif

/* The dict, borrowed, or NULL; the attributes, borrowed, or NULL. */
#if PY_VERSION_HEX < 0x030C0000
static inline PyObject *
mo_managed_dict(PyObject *obj)
{
    return ((PyObject **)obj)[-3];
}

static inline PyObject **
mo_managed_values(PyObject *obj)
{
    return ((PyObject ***)obj)[-4];
}
#elif PY_VERSION_HEX < 0x030D0000
static inline PyObject *
mo_managed_dict(PyObject *obj)
{
    uintptr_t either = ((uintptr_t *)obj)[-3]; /* odd: one before the values */
    return either & 1 ? NULL : (PyObject *)either;
}

static inline PyObject **
mo_managed_values(PyObject *obj)
{
    uintptr_t either = ((uintptr_t *)obj)[-3];
    return either & 1 ? (PyObject **)(either + 1) : NULL;
}
#else
static inline PyObject *
mo_managed_dict(PyObject *obj)
{
    return ((PyObject **)obj)[-3];
}

static inline PyObject **
mo_managed_values(PyObject *obj)
{
    const uint8_t *header = (const uint8_t *)obj + sizeof(PyObject);
    bool has = (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0;
    bool valid = has && header[3] != 0; /* capacity, size, embedded, valid */
    return valid ? (PyObject **)(header + sizeof(PyObject *)) : NULL;
}
#endif

/* Calls visit(obj, arg) with every object that the collector tracks, until it
 * returns 0.  `tracked` is what mo_gc_tracked() returned before: NULL where
 * CPython walks its own lists, else gc.get_objects(). */
#if PY_VERSION_HEX < 0x030C0000
static inline int
mo_gc_tracked(PyObject **tracked)
{
    PyObject *gc = PyImport_ImportModule("gc");
    *tracked =
        gc != NULL ? PyObject_CallMethod(gc, "get_objects", NULL) : NULL;
    Py_XDECREF(gc);
    return *tracked != NULL ? 0 : -1;
}

static inline void
mo_gc_visit(PyObject *tracked, int (*visit)(PyObject *, void *), void *arg)
{
    Py_ssize_t n = PyList_GET_SIZE(tracked), i = 0;
    while (i < n && visit(PyList_GET_ITEM(tracked, i), arg)) {
        i++;
    }
}
#else
static inline int
mo_gc_tracked(PyObject **tracked)
{
    *tracked = NULL;
    return 0;
}

static inline void
mo_gc_visit(PyObject *tracked, int (*visit)(PyObject *, void *), void *arg)
{
    PyUnstable_GC_VisitObjects(visit, arg);
}
#endif

#endif
