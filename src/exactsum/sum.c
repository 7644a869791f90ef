/* sum.c - an exact sum with its count, and what it becomes as a float.
 *
 * See mo_sum and mo_special in exactsum.h: the caller owns every struct. */
#include "exactsum/exactsum.h"

#include <limits.h>

void
mo_sum_init(mo_sum *sum)
{
    mo_accumulator_init(&sum->total);
    sum->count = 0;
}

/* *count += terms, or false if that does not fit. */
static bool
add_terms(int64_t *count, int64_t terms)
{
    if (terms > 0 ? *count > INT64_MAX - terms : *count < INT64_MIN - terms) {
        return false;
    }
    *count += terms;
    return true;
}

static bool
subtract_terms(int64_t *count, int64_t terms)
{
    if (terms > 0 ? *count < INT64_MIN + terms : *count > INT64_MAX + terms) {
        return false;
    }
    *count -= terms;
    return true;
}

static int
count_overflow(void)
{
    PyErr_SetString(PyExc_OverflowError,
                    "the number of terms does not fit in 64 bits");
    return -1;
}

static int
total_overflow(void)
{
    PyErr_SetString(PyExc_OverflowError,
                    "the exact sum exceeds 2**75 times the greatest float");
    return -1;
}

int
mo_sum_count(mo_sum *sum, int64_t terms)
{
    return add_terms(&sum->count, terms) ? 0 : count_overflow();
}

int
mo_sum_merge(mo_sum *sum, const mo_sum *other)
{
    int64_t count = sum->count;
    if (!add_terms(&count, other->count)) {
        return count_overflow();
    }
    if (mo_accumulator_merge(&sum->total, &other->total) < 0) {
        return total_overflow();
    }
    sum->count = count;
    return 0;
}

int
mo_sum_subtract(mo_sum *sum, const mo_sum *other)
{
    int64_t count = sum->count;
    if (!subtract_terms(&count, other->count)) {
        return count_overflow();
    }
    if (mo_accumulator_subtract(&sum->total, &other->total) < 0) {
        return total_overflow();
    }
    sum->count = count;
    return 0;
}

int
mo_special_parse(PyObject *argument, mo_special *special)
{
    *special = MO_SPECIAL_PROPAGATE;
    if (argument == NULL) {
        return 0;
    }
    if (PyUnicode_Check(argument)) {
        if (PyUnicode_CompareWithASCIIString(argument, "propagate") == 0) {
            return 0;
        }
        if (PyUnicode_CompareWithASCIIString(argument, "raise") == 0) {
            *special = MO_SPECIAL_RAISE;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "special must be 'propagate' or 'raise', not %R", argument);
    return -1;
}

int
mo_threads_parse(PyObject *argument, int *threads)
{
    *threads = MO_THREADS_AUTO;
    if (argument == NULL || argument == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(argument)) {
        PyErr_Format(PyExc_TypeError,
                     "threads must be None or an int, not %.200s",
                     Py_TYPE(argument)->tp_name);
        return -1;
    }
    Py_ssize_t value = PyNumber_AsSsize_t(argument, NULL); /* clipped */
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value < 1) {
        PyErr_Format(PyExc_ValueError,
                     "threads must be at least 1, or None, not %S", argument);
        return -1;
    }
    *threads = (int)Py_MIN(value, INT_MAX);
    return 0;
}

PyObject *
mo_sum_result(double value, mo_sum_kind kind, mo_special special)
{
    if (special == MO_SPECIAL_RAISE && kind == MO_SUM_INVALID) {
        PyErr_SetString(PyExc_ValueError, "-inf + inf in fsum");
        return NULL;
    }
    if (special == MO_SPECIAL_RAISE && kind == MO_SUM_OVERFLOW) {
        PyErr_SetString(PyExc_OverflowError, "intermediate overflow in fsum");
        return NULL;
    }
    return PyFloat_FromDouble(value);
}
