/* compare.c - == and the searches of a sequence: in, count, index.
 *
 * A matrix compares as the nested list it replaces, but for two things: a
 * tuple may stand for a list, and a NaN is never equal, not even to itself.
 * Items of lists are compared by their own ==, whose Python code may change
 * the list or grow the matrix, so both are looked up anew for each item. */
#include "floatmatrix/internal.h"

static inline bool
is_list_or_tuple(PyObject *obj)
{
    return PyList_Check(obj) || PyTuple_Check(obj);
}

/* Whether x == item: 1, 0, or -1 with an exception set.  The caller owns a
 * reference to the item. */
static int
equals_item(double x, PyObject *item)
{
    if (PyFloat_CheckExact(item)) {
        return x == PyFloat_AS_DOUBLE(item);
    }
    PyObject *number = PyFloat_FromDouble(x);
    if (number == NULL) {
        return -1;
    }
    int equal = PyObject_RichCompareBool(number, item, Py_EQ);
    Py_DECREF(number);
    return equal;
}

/* The items of a vector against those of a list or tuple. */
static int
equals_list(const mo_view *vector, PyObject *seq)
{
    const Py_ssize_t n = vector->shape[1];
    for (Py_ssize_t j = 0; j < n; j++) {
        bool fits = PySequence_Fast_GET_SIZE(seq) == n;
        PyObject *item = fits ? mo_sequence_item(seq, j) : NULL;
        if (item == NULL) {
            return 0;
        }
        int equal = equals_item(mo_view_load(vector, 0, j), item);
        Py_DECREF(item);
        if (equal <= 0) {
            return equal;
        }
    }
    return PySequence_Fast_GET_SIZE(seq) == n;
}

/* A vector against one row of a list of rows. */
static int
equals_row(const mo_view *vector, PyObject *row)
{
    if (is_list_or_tuple(row)) {
        return equals_list(vector, row);
    }
    PyObject *op = mo_view_subobject(vector);
    if (op == NULL) {
        return -1;
    }
    int equal = PyObject_RichCompareBool(op, row, Py_EQ);
    Py_DECREF(op);
    return equal;
}

static int
equals_rows(const mo_view *matrix, PyObject *rows)
{
    const Py_ssize_t n = matrix->shape[0];
    for (Py_ssize_t i = 0; i < n; i++) {
        bool fits = PySequence_Fast_GET_SIZE(rows) == n;
        PyObject *row = fits ? mo_sequence_item(rows, i) : NULL;
        if (row == NULL) {
            return 0;
        }
        mo_view vector = mo_view_row(matrix, i);
        int equal = equals_row(&vector, row);
        Py_DECREF(row);
        if (equal <= 0) {
            return equal;
        }
    }
    return PySequence_Fast_GET_SIZE(rows) == n;
}

PyObject *
mo_view_richcompare(PyObject *op, PyObject *other, int operation)
{
    const mo_view view = mo_view_of(op);
    int equal;
    if (operation != Py_EQ && operation != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (Py_IS_TYPE(other, Py_TYPE(op))) {
        const mo_view others = mo_view_of(other);
        equal = mo_view_equal(&view, &others);
    }
    else if (is_list_or_tuple(other)) {
        equal = view.ndim == 1 ? equals_list(&view, other)
                               : equals_rows(&view, other);
    }
    else {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (equal < 0) {
        return NULL;
    }
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

/* Whether item `index` of a matrix or vector == value. */
static int
item_equals(PyObject *op, Py_ssize_t index, PyObject *value)
{
    const mo_view view = mo_view_of(op);
    if (view.ndim == 1) {
        return equals_item(mo_view_load(&view, 0, index), value);
    }
    mo_view row = mo_view_row(&view, index);
    return equals_row(&row, value);
}

/* The index of the first item from start on, before stop, that equals value;
 * -1 if there is none, -2 with an exception set. */
static Py_ssize_t
find(PyObject *op, PyObject *value, Py_ssize_t start, Py_ssize_t stop)
{
    for (Py_ssize_t i = start; i < stop && i < mo_view_length(op); i++) {
        int equal = item_equals(op, i, value);
        if (equal != 0) {
            return equal < 0 ? -2 : i;
        }
    }
    return -1;
}

int
mo_view_contains(PyObject *op, PyObject *value)
{
    Py_ssize_t found = find(op, value, 0, PY_SSIZE_T_MAX);
    return found == -2 ? -1 : found >= 0;
}

PyObject *
mo_view_count(PyObject *op, PyObject *value)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < mo_view_length(op); i++) {
        int equal = item_equals(op, i, value);
        if (equal < 0) {
            return NULL;
        }
        count += equal;
    }
    return PyLong_FromSsize_t(count);
}

/* As list.index() reads start and stop: any integer, clipped. */
static int
parse_bound(PyObject *bound, Py_ssize_t *result)
{
    if (bound == NULL) {
        return 0;
    }
    if (!PyIndex_Check(bound)) {
        PyErr_SetString(PyExc_TypeError,
                        "index() bounds must be integers or have an "
                        "__index__ method");
        return -1;
    }
    *result = PyNumber_AsSsize_t(bound, NULL);
    return *result == -1 && PyErr_Occurred() ? -1 : 0;
}

PyObject *
mo_view_index(PyObject *op, PyObject *args)
{
    PyObject *value, *low = NULL, *high = NULL;
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if (!PyArg_ParseTuple(args, "O|OO:index", &value, &low, &high) ||
        parse_bound(low, &start) < 0 || parse_bound(high, &stop) < 0) {
        return NULL;
    }
    const Py_ssize_t n = mo_view_length(op);
    start = start < 0 ? Py_MAX(start + n, 0) : start;
    stop = stop < 0 ? Py_MAX(stop + n, 0) : stop;
    Py_ssize_t found = find(op, value, start, stop);
    if (found == -1) {
        PyErr_Format(PyExc_ValueError, "%R is not in %s", value,
                     mo_view_name(op));
    }
    return found < 0 ? NULL : PyLong_FromSsize_t(found);
}
