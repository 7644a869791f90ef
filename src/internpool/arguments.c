/* arguments.c - the arguments of methods that are called too often for
 * PyArg_ParseTupleAndKeywords, which takes longer than a lookup. */
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
