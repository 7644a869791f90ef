/* lookup.c - InternPool's methods that take one string.
 *
 * Arguments are checked and hashed before the lock is taken, since a legacy
 * string of CPython 3.11 may have to be converted first. */
#include "internpool/internal.h"

const char mo_internpool_intern_doc[] = PyDoc_STR(
    "intern($self, string, /)\n--\n\n"
    "The one string of the pool that equals `string`.\n\n"
    "That is the resident one if there is one (a hit); else `string` itself\n"
    "becomes resident and is returned (a miss), which may evict others.  It is\n"
    "returned without becoming resident (bypassed) if it is longer than\n"
    "max_length, larger than a tenth of max_bytes, if there is no room beside\n"
    "pinned strings, or if the pool is full and hardly any string of late has\n"
    "come twice (see `adaptive`).  The empty string and one-character Latin-1\n"
    "strings are CPython's own singletons: returned as such, never resident,\n"
    "counted as hits.  pool(string) does the same.\n\n"
    "Raises TypeError unless type(string) is str.  O(1).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> a = pool.intern('item ' + str(1000))\n"
    ">>> b = pool.intern('item ' + str(1000))\n"
    ">>> a is b\n"
    "True");

static void
refuse_to_intern(PyObject *arg)
{
    if (PyUnicode_Check(arg)) {
        /* As sys.intern: a subclass could redefine equality. */
        PyErr_Format(PyExc_TypeError, "can't intern %.400s",
                     Py_TYPE(arg)->tp_name);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "intern() argument must be str, not %.200s",
                     arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
    }
}

static PyObject *
bypass(PyObject *op, PyObject *string)
{
    PyObject *result;
    MO_BEGIN_CRITICAL_SECTION(op);
    result = mo_pool_bypass_lock_held(mo_pool_of(op), string);
    MO_END_CRITICAL_SECTION();
    return result;
}

/* Inlined into its two callers, of which one is a method called as often as
 * anything here. */
static inline PyObject *
intern_exact(PyObject *op, PyObject *string)
{
    mo_pool *pool = mo_pool_of(op);
    /* Before the hash, which would cost more than the copy saves. */
    if (MO_UNLIKELY(mo_pool_is_too_long(pool, string))) {
        return bypass(op, string);
    }
    uint64_t hash = mo_hash_str(pool->key, string);
    PyObject *result;
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    result = mo_pool_intern_lock_held(pool, string, hash, &victims);
    MO_END_CRITICAL_SECTION();
    mo_victims_release(&victims);
    return MO_LIKELY(result != NULL) ? result : PyErr_NoMemory();
}

PyObject *
mo_internpool_intern_exact(PyObject *op, PyObject *string)
{
    return intern_exact(op, string);
}

PyObject *
mo_internpool_intern(PyObject *op, PyObject *string)
{
    if (MO_UNLIKELY(!PyUnicode_CheckExact(string))) {
        refuse_to_intern(string);
        return NULL;
    }
    if (MO_UNLIKELY(MO_STR_READY(string) < 0)) {
        return NULL;
    }
    return intern_exact(op, string);
}

PyObject *
mo_internpool_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf,
                         PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "InternPool.__call__() takes no keyword arguments");
        return NULL;
    }
    if (nargs != 1) {
        PyErr_Format(PyExc_TypeError,
                     "InternPool.__call__() takes exactly one argument "
                     "(%zd given)",
                     nargs);
        return NULL;
    }
    return mo_internpool_intern(op, args[0]);
}

/* --- lookups that add nothing ------------------------------------------- */

/* Readies and hashes the argument of a lookup: 1, or 0 if it is too long to be
 * resident, or -1 with an exception set. */
static int
hash_lookup(PyObject *op, PyObject *string, uint64_t *hash)
{
    if (!PyUnicode_CheckExact(string)) {
        PyErr_Format(PyExc_TypeError,
                     "InternPool holds exact str objects only, not %.200s",
                     Py_TYPE(string)->tp_name);
        return -1;
    }
    if (MO_STR_READY(string) < 0) {
        return -1;
    }
    mo_pool *pool = mo_pool_of(op);
    if (mo_pool_is_too_long(pool, string)) {
        return 0;
    }
    *hash = mo_hash_str(pool->key, string);
    return 1;
}

/* 1 and the equal resident, a new reference; 0 and NULL if there is none; -1
 * with an exception set. */
static int
find(PyObject *op, PyObject *string, PyObject **resident)
{
    uint64_t hash;
    int status = hash_lookup(op, string, &hash);
    *resident = NULL;
    if (status <= 0) {
        return status;
    }
    MO_BEGIN_CRITICAL_SECTION(op);
    *resident =
        Py_XNewRef(mo_pool_find_lock_held(mo_pool_of(op), string, hash));
    MO_END_CRITICAL_SECTION();
    return *resident != NULL;
}

const char mo_internpool_get_doc[] = PyDoc_STR(
    "get($self, string, default=None, /)\n--\n\n"
    "The resident string that equals `string`, else `default`.\n\n"
    "Adds nothing, counts nothing, and does not delay eviction.  Raises\n"
    "TypeError unless type(string) is str.  O(1).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> _ = pool.intern('north')\n"
    ">>> pool.get('north'), pool.get('south'), pool.get('south', '?')\n"
    "('north', None, '?')");

PyObject *
mo_internpool_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError,
                     "InternPool.get() takes 1 or 2 arguments (%zd given)",
                     nargs);
        return NULL;
    }
    PyObject *resident;
    int found = find(op, args[0], &resident);
    if (found != 0) {
        return found < 0 ? NULL : resident;
    }
    return Py_NewRef(nargs == 2 ? args[1] : Py_None);
}

int
mo_internpool_contains(PyObject *op, PyObject *string)
{
    PyObject *resident;
    int found = find(op, string, &resident);
    Py_XDECREF(resident);
    return found;
}

/* --- one string out, or kept in ------------------------------------------ */

const char mo_internpool_discard_doc[] = PyDoc_STR(
    "discard($self, string, /)\n--\n\n"
    "Remove the resident string that equals `string`; whether there was one.\n\n"
    "Even if it is pinned.  Raises TypeError unless type(string) is str.  O(1).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> _ = pool.intern('north')\n"
    ">>> pool.discard('north'), pool.discard('north')\n"
    "(True, False)");

PyObject *
mo_internpool_discard(PyObject *op, PyObject *string)
{
    uint64_t hash;
    PyObject *resident = NULL;
    int status = hash_lookup(op, string, &hash);
    if (status > 0) {
        MO_BEGIN_CRITICAL_SECTION(op);
        resident = mo_pool_discard_lock_held(mo_pool_of(op), string, hash);
        MO_END_CRITICAL_SECTION();
        Py_XDECREF(resident);
    }
    return status < 0 ? NULL : PyBool_FromLong(resident != NULL);
}

const char mo_internpool_pin_doc[] = PyDoc_STR(
    "pin($self, string, /)\n--\n\n"
    "As intern(), and keep the resident until unpin(), discard() or clear().\n\n"
    "Pinned strings count within both bounds, but are never evicted or trimmed.\n"
    "Pinning twice is pinning once.  A singleton of CPython is returned as such.\n\n"
    "Raises TypeError as intern() does, and ValueError if the string cannot\n"
    "become resident: longer than max_length, or no room within the bounds\n"
    "beside what is pinned already.  O(1).\n\n"
    ">>> pool = memopt.InternPool(max_entries=10)\n"
    ">>> north = pool.pin('north')\n"
    ">>> for i in range(1000):\n"
    "...     _ = pool.intern(f'item {i}')\n"
    ">>> pool.get('north') is north\n"
    "True");

static PyObject *
pin_exact(PyObject *op, PyObject *string)
{
    mo_pool *pool = mo_pool_of(op);
    uint64_t hash = mo_hash_str(pool->key, string);
    PyObject *resident = NULL;
    mo_pin_result result;
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    result = mo_pool_pin_lock_held(pool, string, hash, &victims, &resident);
    MO_END_CRITICAL_SECTION();
    mo_victims_release(&victims);
    if (result == MO_PIN_NO_ROOM) {
        PyErr_SetString(PyExc_ValueError,
                        "cannot pin: no room beside what is pinned already");
    }
    else if (result == MO_PIN_NO_MEMORY) {
        PyErr_NoMemory();
    }
    return resident;
}

PyObject *
mo_internpool_pin(PyObject *op, PyObject *string)
{
    if (!PyUnicode_CheckExact(string)) {
        refuse_to_intern(string);
        return NULL;
    }
    if (MO_STR_READY(string) < 0) {
        return NULL;
    }
    if (mo_str_is_singleton(string)) {
        return intern_exact(op, string);
    }
    if (mo_pool_is_too_long(mo_pool_of(op), string)) {
        PyErr_Format(PyExc_ValueError,
                     "cannot pin: longer than max_length, %zd characters",
                     (Py_ssize_t)mo_pool_of(op)->max_length);
        return NULL;
    }
    return pin_exact(op, string);
}

const char mo_internpool_unpin_doc[] = PyDoc_STR(
    "unpin($self, string, /)\n--\n\n"
    "Let a pinned string be evicted again; whether it was pinned.\n\n"
    "It stays resident for now.  Raises TypeError unless type(string) is str.\n"
    "O(1).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> _ = pool.pin('north')\n"
    ">>> pool.unpin('north'), pool.unpin('north'), 'north' in pool\n"
    "(True, False, True)");

PyObject *
mo_internpool_unpin(PyObject *op, PyObject *string)
{
    uint64_t hash;
    bool was_pinned = false;
    int status = hash_lookup(op, string, &hash);
    if (status > 0) {
        MO_BEGIN_CRITICAL_SECTION(op);
        was_pinned = mo_pool_unpin_lock_held(mo_pool_of(op), string, hash);
        MO_END_CRITICAL_SECTION();
    }
    return status < 0 ? NULL : PyBool_FromLong(was_pinned);
}
