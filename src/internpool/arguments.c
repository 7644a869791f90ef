/* arguments.c - from what Python passes to C values, or the exception.
 *
 * Conversions may run Python code (__index__): callers convert everything
 * before they lock or change anything. */
#include "internpool/internal.h"

/* Which parameter a keyword names; -1 if none. */
static int
parameter_of(const char *const *names, int count, PyObject *keyword)
{
    for (int i = 0; i < count; i++) {
        if (PyUnicode_CompareWithASCIIString(keyword, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

/* Sorts the keyword arguments, whose values are args[0] on. */
static int
parse_keywords(const char *function, const char *const *names, int count,
               PyObject *const *args, PyObject *kwnames, PyObject **values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        int parameter = parameter_of(names, count, keyword);
        if (parameter < 0) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got an unexpected keyword argument %R",
                         function, keyword);
            return -1;
        }
        if (values[parameter] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got multiple values for argument %R", function,
                         keyword);
            return -1;
        }
        values[parameter] = args[i];
    }
    return 0;
}

int
mo_parse_fastcall(const char *function, const char *const *names, int count,
                  int required, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames, PyObject **values)
{
    if (nargs > count) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %d arguments (%zd given)", function,
                     count, nargs);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        values[i] = i < nargs ? args[i] : NULL;
    }
    if (kwnames != NULL && parse_keywords(function, names, count, args + nargs,
                                          kwnames, values) < 0) {
        return -1;
    }
    for (int i = 0; i < required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() missing required argument '%s' (pos %d)",
                         function, names[i], i + 1);
            return -1;
        }
    }
    return 0;
}

int
mo_convert_slice_index(PyObject *value, Py_ssize_t *index)
{
    if (value == NULL || value == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(value)) {
        PyErr_SetString(PyExc_TypeError,
                        "start and stop must be integers or None or have an "
                        "__index__ method");
        return -1;
    }
    *index = PyNumber_AsSsize_t(value, NULL);
    return *index == -1 && PyErr_Occurred() ? -1 : 0;
}

int
mo_convert_errors(const char *function, PyObject *value, const char **errors)
{
    *errors = NULL;
    if (value == NULL) {
        return 0;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "%s() argument 'errors' must be str, not %.200s",
                     function, Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t n;
    *errors = PyUnicode_AsUTF8AndSize(value, &n);
    if (*errors != NULL && strlen(*errors) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        *errors = NULL;
    }
    return *errors == NULL ? -1 : 0;
}

/* --- bounds and policies ------------------------------------------------- */

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

int
mo_convert_max_entries(PyObject *value, uint32_t *max_entries)
{
    size_t bound;
    if (convert_bound(value, "max_entries", "an int", 1, MO_MAX_ENTRIES,
                      &bound) < 0) {
        return -1;
    }
    *max_entries = (uint32_t)bound;
    return 0;
}

int
mo_convert_limit(PyObject *value, const char *name, long long least,
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
    if ((entries &&
         mo_convert_max_entries(entries, &options->max_entries) < 0) ||
        (bytes &&
         mo_convert_limit(bytes, "max_bytes", 1, &options->max_bytes) < 0) ||
        (length && mo_convert_limit(length, "max_length", 1,
                                    &options->max_length) < 0) ||
        (policy && convert_policy(policy, &options->policy) < 0)) {
        return -1;
    }
    return 0;
}
