/* bounds.c - how much an InternPool may hold: its options, resize(), trim().
 *
 * Arguments are converted before the lock is taken, since that may run Python
 * code, and before anything changes. */
#include "internpool/internal.h"

/* --- conversions -------------------------------------------------------- */

/* Converts an int from `least` to `most`. */
static int
convert_bound(PyObject *value, const char *name, const char *wanted,
              long long least, long long most, size_t *bound)
{
    if (!PyIndex_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be %s, not %.200s", name,
                     wanted, Py_TYPE(value)->tp_name);
        return -1;
    }
    PyObject *number = PyNumber_Index(value);
    if (number == NULL) {
        return -1;
    }
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow > 0 || n > most) {
        PyErr_Format(PyExc_OverflowError, "%s must be at most %lld", name,
                     most);
        return -1;
    }
    if (overflow < 0 || n < least) {
        PyErr_Format(PyExc_ValueError, "%s must be at least %lld", name,
                     least);
        return -1;
    }
    *bound = (size_t)n;
    return 0;
}

static int
convert_max_entries(PyObject *value, uint32_t *max_entries)
{
    size_t bound;
    if (convert_bound(value, "max_entries", "an int", 1, MO_MAX_ENTRIES,
                      &bound) < 0) {
        return -1;
    }
    *max_entries = (uint32_t)bound;
    return 0;
}

static int
convert_limit(PyObject *value, const char *name, long long least,
              size_t *limit)
{
    if (value == Py_None) {
        *limit = MO_NO_LIMIT;
        return 0;
    }
    return convert_bound(value, name, "an int or None", least, PY_SSIZE_T_MAX,
                         limit);
}

PyObject *
mo_limit_as_object(size_t limit)
{
    return limit == MO_NO_LIMIT ? Py_NewRef(Py_None)
                                : PyLong_FromSize_t(limit);
}

static const char *const policy_names[] = {
    [MO_S3FIFO] = "s3fifo",
    [MO_LRU] = "lru",
};

const char *
mo_policy_name(mo_policy policy)
{
    return policy_names[policy];
}

static int
convert_policy(PyObject *value, mo_policy *policy)
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "policy must be a str, not %.200s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    for (int i = MO_S3FIFO; i <= MO_LRU; i++) {
        if (PyUnicode_CompareWithASCIIString(value, policy_names[i]) == 0) {
            *policy = (mo_policy)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "policy must be 's3fifo' or 'lru', not %R",
                 value);
    return -1;
}

int
mo_parse_pool_options(PyObject *args, PyObject *kwargs,
                      mo_pool_options *options)
{
    static char *names[] = {"max_entries", "max_bytes", "max_length",
                            "policy",      "adaptive",  NULL};
    PyObject *entries = NULL, *bytes = NULL, *length = NULL, *policy = NULL;
    int adaptive = 1;
    *options = (mo_pool_options){
        .max_entries = 16384,
        .max_bytes = MO_NO_LIMIT,
        .max_length = 1024,
        .policy = MO_S3FIFO,
    };
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOOp:InternPool", names,
                                     &entries, &bytes, &length, &policy,
                                     &adaptive)) {
        return -1;
    }
    options->adaptive = adaptive != 0;
    if ((entries && convert_max_entries(entries, &options->max_entries) < 0) ||
        (bytes &&
         convert_limit(bytes, "max_bytes", 1, &options->max_bytes) < 0) ||
        (length &&
         convert_limit(length, "max_length", 1, &options->max_length) < 0) ||
        (policy && convert_policy(policy, &options->policy) < 0)) {
        return -1;
    }
    return 0;
}

/* --- the methods -------------------------------------------------------- */

const char mo_internpool_resize_doc[] = PyDoc_STR(
    "resize($self, max_entries=..., max_bytes=...)\n--\n\n"
    "Change the bounds given; those left out (or ...) stay.\n\n"
    "Evicts what exceeds the new bounds, counted as evictions, and gives spare\n"
    "memory back; a larger bound keeps everything.  max_bytes=None lifts that\n"
    "bound.  Raises as the constructor does, and ValueError if what is pinned\n"
    "exceeds a new bound, before anything changes.  O(entries).\n\n"
    ">>> pool = memopt.InternPool(1000)\n"
    ">>> for i in range(100):\n"
    "...     _ = pool.intern(f'item {i}')\n"
    ">>> pool.resize(max_entries=10)\n"
    ">>> len(pool), pool.max_entries\n"
    "(10, 10)");

PyObject *
mo_internpool_resize(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"max_entries", "max_bytes", NULL};
    mo_pool *pool = mo_pool_of(op);
    PyObject *entries = Py_Ellipsis, *bytes = Py_Ellipsis;
    uint32_t max_entries = 0;
    size_t max_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:resize", names,
                                     &entries, &bytes)) {
        return NULL;
    }
    if (entries != Py_Ellipsis &&
        convert_max_entries(entries, &max_entries) < 0) {
        return NULL;
    }
    if (bytes != Py_Ellipsis &&
        convert_limit(bytes, "max_bytes", 1, &max_bytes) < 0) {
        return NULL;
    }
    int status;
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    status = mo_pool_resize_lock_held(
        pool, entries == Py_Ellipsis ? pool->max_entries : max_entries,
        bytes == Py_Ellipsis ? pool->max_bytes : max_bytes, &victims);
    MO_END_CRITICAL_SECTION();
    mo_victims_release(&victims);
    if (status < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "pinned strings exceed the new bounds: unpin some");
        return NULL;
    }
    Py_RETURN_NONE;
}

const char mo_internpool_trim_doc[] = PyDoc_STR(
    "trim($self, *, unused_only=False, max_bytes=None)\n--\n\n"
    "Remove residents now, and give spare memory back; how many were removed.\n\n"
    "With unused_only=True, those that nobody else holds.  With max_bytes, in\n"
    "the order of eviction until at most so many bytes of strings are left.\n"
    "With both, unused ones until so many are left; with neither, none.  Pinned\n"
    "strings stay.  Nothing is counted, and the bounds remain as they are.\n\n"
    "For programs that are told when memory runs low.  Raises TypeError,\n"
    "ValueError or OverflowError if max_bytes is not None or an int of 0 or\n"
    "more.  O(entries).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> held = [pool.intern(f'item {i}') for i in range(100)]\n"
    ">>> del held[10:]\n"
    ">>> pool.trim(unused_only=True), len(pool)\n"
    "(90, 10)");

PyObject *
mo_internpool_trim(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"unused_only", "max_bytes", NULL};
    PyObject *bytes = Py_None;
    int unused_only = 0;
    size_t max_bytes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$pO:trim", names,
                                     &unused_only, &bytes) ||
        convert_limit(bytes, "max_bytes", 0, &max_bytes) < 0) {
        return NULL;
    }
    if (unused_only && bytes == Py_None) {
        max_bytes = 0;
    }
    uint32_t removed;
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    removed = mo_pool_trim_lock_held(mo_pool_of(op), unused_only != 0,
                                     max_bytes, &victims);
    MO_END_CRITICAL_SECTION();
    mo_victims_release(&victims);
    return PyLong_FromSize_t(removed);
}

/* --- the attributes ----------------------------------------------------- */

static PyObject *
get_max_entries(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(mo_pool_of(op)->max_entries);
}

static PyObject *
get_max_bytes(PyObject *op, void *Py_UNUSED(closure))
{
    return mo_limit_as_object(mo_pool_of(op)->max_bytes);
}

static PyObject *
get_max_length(PyObject *op, void *Py_UNUSED(closure))
{
    return mo_limit_as_object(mo_pool_of(op)->max_length);
}

static PyObject *
get_policy(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(mo_policy_name(mo_pool_of(op)->policy));
}

static PyObject *
get_adaptive(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(mo_pool_of(op)->gate.adaptive);
}

PyGetSetDef mo_internpool_getset[] = {
    {"max_entries", get_max_entries, NULL,
     PyDoc_STR("The most strings that may be resident, at least 1."), NULL},
    {"max_bytes", get_max_bytes, NULL,
     PyDoc_STR("The most bytes that residents may take together, or None."),
     NULL},
    {"max_length", get_max_length, NULL,
     PyDoc_STR("The most characters that a resident may have, or None."),
     NULL},
    {"policy", get_policy, NULL,
     PyDoc_STR("How residents are chosen to leave: 's3fifo' or 'lru'."), NULL},
    {"adaptive", get_adaptive, NULL,
     PyDoc_STR("Whether a full pool keeps new strings out while hardly any "
               "comes twice."),
     NULL},
    {NULL},
};
