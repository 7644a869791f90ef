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
#include <stdio.h>

/* Bytes that a processor reads from memory at once, or half of them. */
#define MO_CACHE_LINE 64

/* Structure members for type objects: Python.h has them from 3.12 on. */
#include <structmember.h>

/* Checks too slow for release builds, such as walking a whole table.  They
 * are on with MEMOPT_DEBUG=1 (see setup.py), beside plain assert(). */
#ifdef MO_DEBUG
# define MO_CHECK(expression) assert(expression)
#else
# define MO_CHECK(expression) ((void)0)
#endif

/* clang-cl defines _MSC_VER too, but compiles everything that clang does. */
#if defined(_MSC_VER) && !defined(__clang__)
# define MO_MSVC 1
# include <intrin.h>
# include <stdlib.h>
#else
# define MO_MSVC 0
#endif

#if defined(__GNUC__) || defined(__clang__)
# define MO_LIKELY(x) __builtin_expect(!!(x), 1)
# define MO_UNLIKELY(x) __builtin_expect(!!(x), 0)
# define MO_NOINLINE __attribute__((noinline))
# define MO_ALWAYS_INLINE inline __attribute__((always_inline))
/* A hint that the cache line at p will be read soon; never faults. */
# define MO_PREFETCH(p) __builtin_prefetch(p)
/* The bytes of an integer in the opposite order. */
# define MO_SWAP_BYTES_16(x) __builtin_bswap16(x)
# define MO_SWAP_BYTES_32(x) __builtin_bswap32(x)
# define MO_SWAP_BYTES_64(x) __builtin_bswap64(x)
#else
# define MO_LIKELY(x) (x)
# define MO_UNLIKELY(x) (x)
# if MO_MSVC
#  define MO_NOINLINE __declspec(noinline)
#  define MO_ALWAYS_INLINE __forceinline
#  define MO_SWAP_BYTES_16(x) _byteswap_ushort(x)
#  define MO_SWAP_BYTES_32(x) _byteswap_ulong(x)
#  define MO_SWAP_BYTES_64(x) _byteswap_uint64(x)
# else
#  define MO_NOINLINE
#  define MO_ALWAYS_INLINE inline
# endif
# if defined(_M_X64) || defined(_M_IX86)
#  define MO_PREFETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
# elif defined(_M_ARM64)
#  define MO_PREFETCH(p) __prefetch(p)
# else
#  define MO_PREFETCH(p) ((void)(p))
# endif
#endif

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
# define MO_X86_64 1
#else
# define MO_X86_64 0
#endif

#if defined(__aarch64__) || (defined(_M_ARM64) && !defined(_M_ARM64EC))
# define MO_AARCH64 1
#else
# define MO_AARCH64 0
#endif

/* Where the floating-point environment can be controlled in full, see
 * platform/fpenv.h, and results be proved by it. */
#define MO_HAS_KERNELS (MO_X86_64 || MO_AARCH64)

/* Functions between MO_TARGET_BEGIN("avx2,fma") and MO_TARGET_END are compiled
 * for that instruction set, so that no file needs flags of its own; MSVC takes
 * every intrinsic everywhere.  Include <immintrin.h> before. */
#define MO_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
# define MO_TARGET_BEGIN(isa)                                     \
     MO_PRAGMA(clang attribute push(__attribute__((target(isa))), \
                                    apply_to = function))
# define MO_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
# define MO_TARGET_BEGIN(isa) \
     _Pragma("GCC push_options") MO_PRAGMA(GCC target(isa))
# define MO_TARGET_END _Pragma("GCC pop_options")
#else
# define MO_TARGET_BEGIN(isa)
# define MO_TARGET_END
#endif

/* Whether plain loops there are compiled for it, too: not by MSVC, and gcc for
 * Windows does not align what it spills of wide registers (its bug 54412). */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(__MINGW32__)
# define MO_HAS_TARGETS 1
#else
# define MO_HAS_TARGETS 0
#endif

#if MO_X86_64
# if !MO_MSVC
#  include <cpuid.h>
# endif

/* EAX, EBX, ECX and EDX of a CPUID leaf, of its subleaf 0; all zero if this
 * processor has no such leaf. */
static inline void
mo_cpuid(uint32_t leaf, uint32_t out[4])
{
    memset(out, 0, 4 * sizeof out[0]);
# if MO_MSVC
    int registers[4];
    __cpuid(registers, 0);
    if ((uint32_t)registers[0] >= leaf) {
        __cpuidex(registers, (int)leaf, 0);
        memcpy(out, registers, sizeof registers);
    }
# else
    (void)__get_cpuid_count(leaf, 0, &out[0], &out[1], &out[2], &out[3]);
# endif
}

/* Register XCR0; CPUID must have said that there is one. */
static inline uint64_t
mo_xgetbv(void)
{
# if MO_MSVC
    return _xgetbv(0);
# else
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
# endif
}
#endif

#if MO_AARCH64
/* The control and the status register of floating-point arithmetic. */
# if MO_MSVC
#  define MO_READ_FPCR() ((uint64_t)_ReadStatusReg(0x5a20))
#  define MO_READ_FPSR() ((uint64_t)_ReadStatusReg(0x5a21))
#  define MO_WRITE_FPCR(value) _WriteStatusReg(0x5a20, (__int64)(value))
#  define MO_WRITE_FPSR(value) _WriteStatusReg(0x5a21, (__int64)(value))
# else
static inline uint64_t
mo_read_fpcr(void)
{
    uint64_t value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}

static inline uint64_t
mo_read_fpsr(void)
{
    uint64_t value;
    __asm__ volatile("mrs %0, fpsr" : "=r"(value));
    return value;
}

#  define MO_READ_FPCR() mo_read_fpcr()
#  define MO_READ_FPSR() mo_read_fpsr()
#  define MO_WRITE_FPCR(value) \
      __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)(value)))
#  define MO_WRITE_FPSR(value) \
      __asm__ volatile("msr fpsr, %0" : : "r"((uint64_t)(value)))
# endif
#endif

/* For files whose results hang on each rounding: no contraction of a * b + c,
 * no arithmetic moved to where the floating-point flags differ.  gcc and clang
 * get the first from setup.py, and the second is seen to at each place. */
#if MO_MSVC
# define MO_STRICT_FLOATS                                            \
     __pragma(float_control(precise, on)) __pragma(fp_contract(off)) \
         __pragma(fenv_access(on))
#else
# define MO_STRICT_FLOATS
#endif

/* No memory access moves across it, hence no arithmetic on what is loaded
 * after it, and none whose result is stored before it. */
#if defined(__GNUC__) || defined(__clang__)
# define MO_COMPILER_BARRIER() __asm__ volatile("" ::: "memory")
#elif MO_MSVC
# define MO_COMPILER_BARRIER() _ReadWriteBarrier()
#else
# define MO_COMPILER_BARRIER() ((void)0)
#endif

/* What p points to is in memory here, even if only this function knows of it:
 * a barrier does not hold what the compiler may keep in registers. */
#if defined(__GNUC__) || defined(__clang__)
# define MO_KEEP_IN_MEMORY(p) __asm__ volatile("" : : "r"(p) : "memory")
#elif MO_MSVC
# define MO_KEEP_IN_MEMORY(p)              \
     do {                                  \
         const void *volatile seen_ = (p); \
         (void)seen_;                      \
         _ReadWriteBarrier();              \
     } while (0)
#else
# define MO_KEEP_IN_MEMORY(p) ((void)(p))
#endif

/* A counter that threads share: *counter += 1, and what it was before. */
#if MO_MSVC
typedef volatile __int64 mo_atomic;
# define MO_ATOMIC_NEXT(counter) (_InterlockedIncrement64(counter) - 1)
#else
typedef int64_t mo_atomic;
# define MO_ATOMIC_NEXT(counter) \
     __atomic_fetch_add((counter), 1, __ATOMIC_RELAXED)
#endif

/* *product = a * b; true if that overflows, *product then being anything. */
#if defined(__GNUC__) || defined(__clang__)
static inline bool
mo_multiply_overflows(int64_t a, int64_t b, int64_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}
#else
static inline bool
mo_multiply_overflows(int64_t a, int64_t b, int64_t *product)
{
    /* The quotients of the limits by a bound b; -1 alone could trap. */
    int64_t low = INT64_MIN, high = INT64_MAX;
    if (a == 0 || a == -1) {
        *product = a == 0 ? 0 : (int64_t)(0 - (uint64_t)b);
        return a == -1 && b == low;
    }
    *product = (int64_t)((uint64_t)a * (uint64_t)b);
    return a > 0 ? b > high / a || b < low / a : b > low / a || b < high / a;
}
#endif

/* The value of an exact int as int64_t: true, or false if it does not fit.
 * Runs no Python code and sets no exception. */
static inline bool
mo_int_as_int64(PyObject *number, int64_t *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    if (PyUnstable_Long_IsCompact((PyLongObject *)number)) {
        *value = PyUnstable_Long_CompactValue((PyLongObject *)number);
        return true;
    }
#else
    Py_ssize_t size = Py_SIZE(number); /* in digits, negated for its sign */
    if (size >= -1 && size <= 1) {
        *value = size * (int64_t)((PyLongObject *)number)->ob_digit[0];
        return true;
    }
#endif
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(number, &overflow);
    return overflow == 0;
}

/* Ints up to this magnitude may be objects that CPython shares: -5 to 256, or
 * to 1024 from 3.15 on. */
#define MO_SHARED_INTS 1024

/* The digits of an int and what says how many they are. */
#if PY_VERSION_HEX >= 0x030C0000
# define MO_INT_FIRST_DIGIT long_value.ob_digit
# define MO_INT_DIGITS(number) ((number)->long_value.ob_digit)
# define MO_INT_SIZE(number) \
     ((Py_ssize_t)((number)->long_value.lv_tag >> _PyLong_NON_SIZE_BITS))
# define MO_INT_SET_SIZE(number, size, negative) \
     ((number)->long_value.lv_tag =              \
          (uintptr_t)(size) << _PyLong_NON_SIZE_BITS | ((negative) ? 2 : 0))
#else
# define MO_INT_FIRST_DIGIT ob_digit
# define MO_INT_DIGITS(number) ((number)->ob_digit)
# define MO_INT_SIZE(number) Py_ABS(Py_SIZE(number))
# define MO_INT_SET_SIZE(number, size, negative) \
     Py_SET_SIZE(number, (negative) ? -(size) : (size))
#endif

/* Whether nobody but the caller, who owns a reference, can reach an object
 * that has no weak references and that no collector tracks. */
#ifdef Py_GIL_DISABLED
# define MO_IS_UNSHARED(op) ((void)(op), false)
#else
# define MO_IS_UNSHARED(op) (Py_REFCNT(op) == 1)
#endif

/* Makes an exact int that MO_IS_UNSHARED another one in place: true; or false,
 * with it as it was, if that takes more or fewer digits or may be an int that
 * CPython shares. */
static inline bool
mo_int_become(PyObject *op, int64_t value)
{
    PyLongObject *number = (PyLongObject *)op;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t high = magnitude >> PyLong_SHIFT;
    Py_ssize_t size = high == 0 ? 1 : 2;
    if (magnitude <= MO_SHARED_INTS || high >> PyLong_SHIFT != 0 ||
        MO_INT_SIZE(number) != size) {
        return false;
    }
    MO_INT_DIGITS(number)[0] = (digit)(magnitude & PyLong_MASK);
    if (size == 2) {
        MO_INT_DIGITS(number)[1] = (digit)high;
    }
    MO_INT_SET_SIZE(number, size, value < 0);
    return true;
}

/* The same for an exact float. */
static inline void
mo_float_become(PyObject *op, double value)
{
    ((PyFloatObject *)op)->ob_fval = value;
}

/* Whether a thread runs a function set by sys.settrace or sys.setprofile (or
 * their C equivalents): fields that 3.11 to 3.13 have in common. */
static inline bool
mo_has_tracer(const PyThreadState *thread)
{
    return thread->c_tracefunc != NULL || thread->c_profilefunc != NULL;
}

/* Whether this thread does. */
static inline bool
mo_thread_is_traced(void)
{
    return mo_has_tracer(PyThreadState_Get());
}

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

/* CPython's keyed hash of bytes, the one str uses: public from 3.14 on. */
#if PY_VERSION_HEX < 0x030E0000
static inline Py_hash_t
Py_HashBuffer(const void *bytes, Py_ssize_t n)
{
    if (n == 0) {
        return 0;
    }
    Py_hash_t hash = PyHash_GetFuncDef()->hash(bytes, n);
    return hash == -1 ? -2 : hash;
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

/* ---- threads ---------------------------------------------------------------
 *
 * On a free-threaded CPython (from 3.13 on) threads run at once, and an object
 * has a lock of its own, its critical section, which CPython lets go of while
 * the thread waits for anything else: whatever may run Python code may let
 * other threads in, as the GIL does.  A function that runs inside one ends in
 * _lock_held.  Elsewhere all this costs nothing. */
#if PY_VERSION_HEX >= 0x030D0000
# define MO_BEGIN_CRITICAL_SECTION(op) Py_BEGIN_CRITICAL_SECTION(op)
# define MO_END_CRITICAL_SECTION() Py_END_CRITICAL_SECTION()
# define MO_BEGIN_CRITICAL_SECTION2(a, b) Py_BEGIN_CRITICAL_SECTION2(a, b)
# define MO_END_CRITICAL_SECTION2() Py_END_CRITICAL_SECTION2()
#else
# define MO_BEGIN_CRITICAL_SECTION(op) {
# define MO_END_CRITICAL_SECTION() }
# define MO_BEGIN_CRITICAL_SECTION2(a, b) {
# define MO_END_CRITICAL_SECTION2() }
#endif

#ifdef Py_GIL_DISABLED
# define MO_FREE_THREADED 1
#else
# define MO_FREE_THREADED 0
#endif

/* The last slots of the module, with what it promises: that it needs no GIL,
 * and that interpreters may each have one of their own: from 3.13 on, as
 * several at once did not end in 3.12.1, for a reason not found yet. */
#if PY_VERSION_HEX >= 0x030D0000
# define MO_LAST_SLOTS                           \
     {Py_mod_gil, Py_MOD_GIL_NOT_USED},          \
         {Py_mod_multiple_interpreters,          \
          Py_MOD_PER_INTERPRETER_GIL_SUPPORTED}, \
     {                                           \
         0, NULL                                 \
     }
#else
# define MO_LAST_SLOTS {0, NULL}
#endif

/* A borrowed reference that only another thread could end, while a critical
 * section is let go of. */
#if MO_FREE_THREADED
# define MO_KEEP(op) Py_INCREF(op)
# define MO_LET_GO(op) Py_DECREF(op)
#else
# define MO_KEEP(op) ((void)0)
# define MO_LET_GO(op) ((void)0)
#endif

/* What threads read, or count, without a lock.  A pointer that was loaded
 * shows all that was written before it was stored.  A total is a uintptr_t; to
 * swap it fails, and *expected is what it is, if it was not that. */
#if MO_FREE_THREADED
# define MO_LOAD_SIZE(place) _Py_atomic_load_ssize_relaxed(place)
# define MO_STORE_SIZE(place, size) _Py_atomic_store_ssize_relaxed(place, size)
# define MO_LOAD_INT8(place) _Py_atomic_load_int8(place)
# define MO_STORE_INT8(place, value) _Py_atomic_store_int8(place, value)
# define MO_LOAD_INT64(place) _Py_atomic_load_int64_relaxed(place)
# define MO_ADD_INT64(place, n) ((void)_Py_atomic_add_int64(place, n))
# define MO_LOAD_POINTER(place) _Py_atomic_load_ptr_acquire(place)
# define MO_STORE_POINTER(place, p) \
     _Py_atomic_store_ptr_release(place, (void *)(p))
# define MO_LOAD_TOTAL(place) _Py_atomic_load_uintptr_relaxed(place)
# define MO_ADD_TOTAL(place, n) ((void)_Py_atomic_add_uintptr(place, n))
# define MO_SWAP_TOTAL(place, expected, value) \
     _Py_atomic_compare_exchange_uintptr(place, expected, value)
#else
# define MO_LOAD_SIZE(place) (*(place))
# define MO_STORE_SIZE(place, size) ((void)(*(place) = (size)))
# define MO_LOAD_INT8(place) (*(place))
# define MO_STORE_INT8(place, value) ((void)(*(place) = (value)))
# define MO_LOAD_INT64(place) (*(place))
# define MO_ADD_INT64(place, n) ((void)(*(place) += (n)))
# define MO_LOAD_POINTER(place) (*(place))
# define MO_STORE_POINTER(place, p) ((void)(*(place) = (p)))
# define MO_LOAD_TOTAL(place) (*(place))
# define MO_ADD_TOTAL(place, n) ((void)(*(place) += (n)))
# define MO_SWAP_TOTAL(place, expected, value) \
     ((void)(expected), *(place) = (value), true)
#endif

/* struct _dictkeysobject, which CPython keeps to itself, as its sources have it
 * (Include/internal/pycore_dict.h), the same from 3.11 to 3.15. */
typedef struct {
    Py_ssize_t refcnt;
    uint8_t log2_size;        /* of the hash table, in slots */
    uint8_t log2_index_bytes; /* of dk_indices */
    uint8_t kind;
    uint32_t version;
    Py_ssize_t usable;   /* entries that still fit */
    Py_ssize_t nentries; /* entries used, deleted ones included */
    char indices[];      /* then the entries */
} mo_dict_keys;

enum { /* DictKeysKind */
    MO_KEYS_GENERAL,
    MO_KEYS_UNICODE,
    MO_KEYS_SPLIT
};

/* Whether all keys of a dict are exact strs, so that to look one up runs no
 * code; locked by the caller.  False of some that had others once. */
static inline bool
mo_dict_has_str_keys(PyObject *dict)
{
    const void *keys = ((PyDictObject *)dict)->ma_keys;
    return ((const mo_dict_keys *)keys)->kind != MO_KEYS_GENERAL;
}

/* The i-th entry of a dict's table, in the order of insertion: its key, and
 * behind that its value, both NULL if they were deleted.  NULL if there is none,
 * or if instances of a class have the keys in common.  Locked by the caller. */
static inline PyObject **
mo_dict_entry(PyObject *dict, Py_ssize_t i)
{
    mo_dict_keys *keys = (mo_dict_keys *)((PyDictObject *)dict)->ma_keys;
    if (keys->kind == MO_KEYS_SPLIT || i >= keys->nentries) {
        return NULL;
    }
    const Py_ssize_t hash = keys->kind == MO_KEYS_GENERAL; /* comes first */
    char *entries = keys->indices + ((size_t)1 << keys->log2_index_bytes);
    return (PyObject **)entries + i * (hash + 2) + hash;
}

/* What a class has under a name: a new reference, or NULL without an exception.
 * Not by getattr(), which a metaclass could answer with code. */
static inline PyObject *
mo_type_lookup(PyTypeObject *type, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030D0000
    return _PyType_LookupRef(type, name);
#else
    return Py_XNewRef(_PyType_Lookup(type, name));
#endif
}

/* Fills a place that is filled once and then only read: takes over `value`,
 * which is dropped if another thread was faster.  What is there, borrowed;
 * NULL if value is NULL, an error. */
static inline PyObject *
mo_fill_once(PyObject **place, PyObject *value)
{
    if (value == NULL) {
        return NULL;
    }
#if MO_FREE_THREADED
    PyObject *there = NULL;
    if (_Py_atomic_compare_exchange_ptr(place, &there, value)) {
        return value;
    }
#else
    PyObject *there = *place;
    if (there == NULL) {
        return *place = value;
    }
#endif
    Py_DECREF(value);
    return there;
}

/* Item i of a list, i >= 0: a new reference, or NULL without an exception
 * behind its end.  Any thread may change the list meanwhile. */
static inline PyObject *
mo_list_item(PyObject *list, Py_ssize_t i)
{
    if (i >= PyList_GET_SIZE(list)) {
        return NULL;
    }
#if MO_FREE_THREADED
    Py_INCREF(list); /* whoever waits for it may lose it */
    PyObject *item = PyList_GetItemRef(list, i);
    if (item == NULL) {
        PyErr_Clear(); /* the list has become shorter */
    }
    Py_DECREF(list);
    return item;
#else
    return Py_NewRef(PyList_GET_ITEM(list, i));
#endif
}

/* The same of a list or a tuple. */
static inline PyObject *
mo_sequence_item(PyObject *sequence, Py_ssize_t i)
{
    if (PyList_Check(sequence)) {
        return mo_list_item(sequence, i);
    }
    return i < PyTuple_GET_SIZE(sequence)
               ? Py_NewRef(PyTuple_GET_ITEM(sequence, i))
               : NULL;
}

/* Whether an object is never freed, so that its reference count says nothing
 * about who holds it.  3.11 starts those at 999999999 references. */
#if PY_VERSION_HEX >= 0x030E0000
# define MO_IS_IMMORTAL(op) PyUnstable_IsImmortal(op)
#elif PY_VERSION_HEX >= 0x030C0000
# define MO_IS_IMMORTAL(op) _Py_IsImmortal(op)
#else
# define MO_IS_IMMORTAL(op) (Py_REFCNT(op) >= 999999999 / 2)
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

/* Flags of types whose instances have two pointers before the GC header. */
#if PY_VERSION_HEX < 0x030C0000
# define MO_TPFLAGS_PREHEADER Py_TPFLAGS_MANAGED_DICT
#else
# define MO_TPFLAGS_PREHEADER Py_TPFLAGS_PREHEADER
#endif

/* An instance that nobody asked for its __dict__ has its attributes in an
 * array of their own (3.11, 3.12) or behind its header (3.13), later behind
 * all that its class gives it: CPython's
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
    return ((PyObject **)obj)[MO_FREE_THREADED ? -1 : -3];
}

static inline PyObject **
mo_managed_values(PyObject *obj)
{
    const PyTypeObject *type = Py_TYPE(obj);
    const uint8_t *header = (const uint8_t *)obj + type->tp_basicsize;
    bool has = (type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0;
    bool valid = has && header[3] != 0; /* capacity, size, embedded, valid */
    return valid ? (PyObject **)(header + sizeof(PyObject *)) : NULL;
}
#endif

/* 3.15 has a dict that cannot be changed, and is none. */
static inline bool
mo_is_frozendict(PyObject *obj)
{
#if PY_VERSION_HEX >= 0x030F0000
    return PyFrozenDict_Check(obj);
#else
    (void)obj;
    return false;
#endif
}

/* What a bytearray's content takes beside itself, from 3.15 on a bytes object. */
static inline size_t
mo_bytearray_content_bytes(PyObject *obj)
{
    size_t room = (size_t)((PyByteArrayObject *)obj)->ob_alloc;
#if PY_VERSION_HEX >= 0x030F0000
    return room != 0 ? offsetof(PyBytesObject, ob_sval) + room + 1 : 0;
#else
    return room;
#endif
}

/* The attributes that an instance keeps in itself, in the order in which its
 * class's instances were first given them: *values is borrowed, as are those;
 * what it lacks is NULL.  How many; 0 for any other object. */
static inline Py_ssize_t
mo_inline_values(PyObject *obj, PyObject ***values)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (!PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT)) {
        return 0;
    }
    mo_dict_keys *names =
        (mo_dict_keys *)((PyHeapTypeObject *)type)->ht_cached_keys;
    *values = names != NULL ? mo_managed_values(obj) : NULL;
    return *values != NULL ? MO_LOAD_SIZE(&names->nentries) : 0;
}

/* The same of an instance that has no dict for them (yet). */
static inline Py_ssize_t
mo_inline_attributes(PyObject *obj, PyObject ***values)
{
    return PyType_HasFeature(Py_TYPE(obj), Py_TPFLAGS_MANAGED_DICT) &&
                   mo_managed_dict(obj) == NULL
               ? mo_inline_values(obj, values)
               : 0;
}

/* The dict that an instance has already, borrowed, or NULL. */
static inline PyObject *
mo_dict_of_instance(PyObject *obj)
{
    if (PyType_HasFeature(Py_TYPE(obj), Py_TPFLAGS_MANAGED_DICT)) {
        return mo_managed_dict(obj);
    }
    PyObject **place = _PyObject_GetDictPtr(obj);
    return place != NULL ? *place : NULL;
}

/* Prints pymalloc's figures to a FILE: 1; 0 if it is not in use, but mimalloc's
 * if that is; -1 if this CPython cannot.  Exported by 3.11 to 3.13 for
 * sys._debugmallocstats, but declared in headers that cannot be included here. */
#if PY_VERSION_HEX < 0x030E0000
PyAPI_FUNC(int) _PyObject_DebugMallocStats(FILE *out);
# define MO_PRINT_PYMALLOC(file) _PyObject_DebugMallocStats(file)
#else
# define MO_PRINT_PYMALLOC(file) ((void)(file), -1)
#endif

/* Where a frame that runs, of this code, has what it is working on, which no other
 * object refers to; returns for how many there is room.  What lies there may be of
 * before, and freed: addresses to compare with.  They may move whenever something
 * runs; a frame that has ended has as much room. */
#if PY_VERSION_HEX < 0x030E0000
/* The begin of struct _frame, the same from 3.11 to 3.13
 * (Include/internal/pycore_frame.h).  In a generator, what its frame has beside
 * variables and stack lies between gi_iframe and the end of the basic size. */
typedef struct {
    PyObject_HEAD
    PyObject *back;
    const char *frame;
} mo_frame_object;

static inline Py_ssize_t
mo_value_stack(PyFrameObject *frame, const PyCodeObject *code,
               const uintptr_t **slots)
{
    size_t own =
        (size_t)PyGen_Type.tp_basicsize - offsetof(PyGenObject, gi_iframe);
    const void *variables = ((const mo_frame_object *)frame)->frame + own;
    *slots = (const uintptr_t *)variables + code->co_nlocalsplus;
    return code->co_stacksize;
}
#else
static inline Py_ssize_t
mo_value_stack(PyFrameObject *frame, const PyCodeObject *code,
               const uintptr_t **slots)
{
    (void)frame, (void)code;
    *slots = NULL;
    return 0;
}
#endif

/* The code of a generator, coroutine or asynchronous generator, borrowed; of one
 * that has ended NULL from 3.14 on.  A frame, which theirs is within them, begins
 * with its code (Include/internal/pycore_frame.h), since 3.12. */
#if PY_VERSION_HEX < 0x030C0000
static inline PyCodeObject *
mo_generator_code(PyObject *generator)
{
    return ((PyGenObject *)generator)->gi_code;
}
#elif PY_VERSION_HEX < 0x030E0000
static inline PyCodeObject *
mo_generator_code(PyObject *generator)
{
    return (PyCodeObject *)((PyGenObject *)generator)->gi_iframe[0];
}
#else
static inline int
mo_find_code(PyObject *obj, void *argument)
{
    PyCodeObject **found = argument;
    if (!PyCode_Check(obj)) {
        return 0;
    }
    *found = (PyCodeObject *)obj;
    return 1; /* a variable may be another */
}

static inline PyCodeObject *
mo_generator_code(PyObject *generator)
{
    PyCodeObject *code = NULL;
    (void)Py_TYPE(generator)->tp_traverse(generator, mo_find_code, &code);
    return code;
}
#endif

/* mo_gc_visit calls visit(obj, arg) with every object that the collector tracks,
 * frozen ones included, until it returns 0.  `lists` is what mo_gc_lists() gave
 * before: that is 0, or -1 without memory, and may run the collector; the visit
 * does not.
 * To follow a list takes a wait for memory at each object, so that a list is
 * followed from both ends at once: of the second half, postpone(obj, arg) is
 * called, last object first, and then resume(arg), which is to visit those. */
typedef struct {
    int (*visit)(PyObject *, void *);
    int (*postpone)(PyObject *, void *);
    int (*resume)(void *);
    void *arg;
} mo_gc_visitor;

#if PY_VERSION_HEX < 0x030E0000 && !MO_FREE_THREADED
/* PyGC_Head, struct gc_generation, and a part of struct _gc_runtime_state, the
 * same from 3.11 to 3.13 (Include/internal/pycore_gc.h). */
typedef struct mo_gc_head {
    struct mo_gc_head *next;
    uintptr_t previous;
} mo_gc_head;

typedef struct {
    mo_gc_head head;
    int threshold, count;
} mo_gc_generation;

typedef struct {
    mo_gc_generation generations[3];
    mo_gc_head *youngest; /* the first of them */
    mo_gc_generation permanent;
} mo_gc_state;

/* A new object is the last of the youngest generation, whose head follows it in
 * the ring.  (gc.get_objects() refers to each object, which took a twelfth of
 * the time of a scan, and like PyUnstable_GC_VisitObjects() of 3.12 and 3.13.0
 * leaves out those of gc.freeze().) */
static inline int
mo_gc_lists(void **lists)
{
    PyObject *last = PyList_New(0);
    if (last == NULL) {
        return -1;
    }
    *lists = ((mo_gc_head *)last)[-1].next;
    Py_DECREF(last);
    return 0;
}

static inline bool
mo_gc_visit_list(mo_gc_head *head, const mo_gc_visitor *visitor)
{
    mo_gc_head *first = head->next, *last = head;
    while (first != last) {
        if (!visitor->visit((PyObject *)(first + 1), visitor->arg)) {
            return false;
        }
        first = first->next;
        if (first == last) {
            break;
        }
        last = (mo_gc_head *)(last->previous & ~(uintptr_t)3); /* two flags */
        if (!visitor->postpone((PyObject *)(last + 1), visitor->arg)) {
            return false;
        }
    }
    return visitor->resume(visitor->arg) != 0;
}

static inline void
mo_gc_visit(void *lists, const mo_gc_visitor *visitor)
{
    mo_gc_state *gc = lists;
    /* The oldest first: what is being made before what goes into it. */
    mo_gc_head *head[] = {&gc->permanent.head, &gc->generations[2].head,
                          &gc->generations[1].head, &gc->generations[0].head};
    for (int i = 0; i < 4 && mo_gc_visit_list(head[i], visitor); i++) {
    }
}
#else
static inline int
mo_gc_lists(void **lists)
{
    *lists = NULL; /* CPython's own business */
    return 0;
}

static inline void
mo_gc_visit(void *lists, const mo_gc_visitor *visitor)
{
    (void)lists;
    PyUnstable_GC_VisitObjects(visitor->visit, visitor->arg);
}
#endif

#endif
