/* mask.c - see mask.h. */
#include "floatmatrix/mask.h"

static const char no = 0, yes = 1;

/* --- from one bool ---------------------------------------------------- */

/* Whether the buffer holds bools of one byte each. */
static bool
holds_bools(const Py_buffer *buffer)
{
    const char *format = buffer->format;
    return format != NULL && format[strspn(format, "@=<>!")] == '?' &&
           buffer->itemsize == 1;
}

/* 1 or 0 for a bool or an object with a buffer of one, such as NumPy's; else
 * -1 with TypeError set. */
static int
read_bool(PyObject *obj)
{
    Py_buffer buffer;
    int result = -1;
    if (PyBool_Check(obj)) {
        return obj == Py_True;
    }
    if (PyObject_CheckBuffer(obj)) {
        if (PyObject_GetBuffer(obj, &buffer, PyBUF_FULL_RO) < 0) {
            return -1;
        }
        if (buffer.ndim == 0 && holds_bools(&buffer)) {
            result = *(const char *)buffer.buf != 0;
        }
        PyBuffer_Release(&buffer);
    }
    if (result < 0) {
        PyErr_Format(PyExc_TypeError, "where must hold bools, not %.200s",
                     Py_TYPE(obj)->tp_name);
    }
    return result;
}

/* --- shapes ----------------------------------------------------------- */

/* Sets the strides of a mask of `ndim` axes, aligned with the view's last, or
 * raises ValueError. */
static int
broadcast(mo_mask *mask, const mo_view *view, int ndim,
          const Py_ssize_t *shape, const Py_ssize_t *strides)
{
    bool fits = ndim <= view->ndim;
    for (int i = 0; i < 2; i++) {
        const int axis = ndim - 2 + i; /* of the mask */
        mask->strides[i] = 0;
        if (fits && axis >= 0 && shape[axis] != 1) {
            fits = shape[axis] == view->shape[i];
            mask->strides[i] = strides[axis];
        }
    }
    if (!fits) {
        PyErr_Format(PyExc_ValueError,
                     "where has a shape that does not broadcast to that of "
                     "the %s, %zd x %zd",
                     view->ndim == 2 ? "FloatMatrix" : "FloatVector",
                     view->shape[0], view->shape[1]);
        return -1;
    }
    return 0;
}

/* --- from a buffer ---------------------------------------------------- */

static int
mask_from_buffer(mo_mask *mask, PyObject *where, const mo_view *view)
{
    if (PyObject_GetBuffer(where, &mask->buffer, PyBUF_RECORDS_RO) < 0) {
        return -1;
    }
    const Py_buffer *buffer = &mask->buffer;
    mask->bytes = buffer->buf;
    if (holds_bools(buffer) &&
        broadcast(mask, view, buffer->ndim, buffer->shape, buffer->strides) ==
            0) {
        return 0;
    }
    PyBuffer_Release(&mask->buffer);
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError,
                     "where must hold bools; the buffer of this %.200s does "
                     "not",
                     Py_TYPE(where)->tp_name);
    }
    return -1;
}

/* --- from nested sequences -------------------------------------------- */

static bool
is_nested(PyObject *obj)
{
    return PyList_Check(obj) || PyTuple_Check(obj);
}

static int
read_flags(char *out, PyObject *row)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(row); i++) {
        int flag = read_bool(PyTuple_GET_ITEM(row, i));
        if (flag < 0) {
            return -1;
        }
        out[i] = (char)flag;
    }
    return 0;
}

/* Row i of a sequence of rows as a tuple, which no code can change while it is
 * read, of *n items. */
static PyObject *
get_row(PyObject *rows, Py_ssize_t i, Py_ssize_t n)
{
    PyObject *obj = PyTuple_GET_ITEM(rows, i);
    if (!is_nested(obj)) {
        PyErr_Format(PyExc_TypeError,
                     "row %zd of where must be a list or tuple, not %.200s", i,
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    PyObject *row = PySequence_Tuple(obj);
    if (row != NULL && PyTuple_GET_SIZE(row) != n) {
        PyErr_Format(PyExc_ValueError,
                     "row %zd of where has %zd items, but row 0 has %zd", i,
                     PyTuple_GET_SIZE(row), n);
        Py_CLEAR(row);
    }
    return row;
}

static int
read_rows(char *out, PyObject *rows, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(rows); i++, out += n) {
        PyObject *row = get_row(rows, i, n);
        if (row == NULL) {
            return -1;
        }
        int failed = read_flags(out, row);
        Py_DECREF(row);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

/* `items` is a tuple of bools, or of rows of them. */
static int
mask_from_tuple(mo_mask *mask, PyObject *items, const mo_view *view)
{
    Py_ssize_t shape[2] = {1, PyTuple_GET_SIZE(items)};
    const bool flat = shape[1] == 0 || !is_nested(PyTuple_GET_ITEM(items, 0));
    if (!flat) {
        shape[0] = shape[1];
        shape[1] = PySequence_Fast_GET_SIZE(PyTuple_GET_ITEM(items, 0));
    }
    const Py_ssize_t strides[2] = {shape[1], 1};
    if (broadcast(mask, view, flat ? 1 : 2, flat ? shape + 1 : shape,
                  flat ? strides + 1 : strides) < 0) {
        return -1;
    }
    Py_ssize_t bytes = mo_block_bytes(shape[0], shape[1], 1);
    if (bytes < 0) {
        return -1;
    }
    mask->copy = PyMem_Malloc((size_t)bytes);
    mask->bytes = mask->copy;
    if (mask->copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int failed = flat ? read_flags(mask->copy, items)
                      : read_rows(mask->copy, items, shape[1]);
    if (failed) {
        PyMem_Free(mask->copy);
    }
    return failed;
}

int
mo_mask_from(mo_mask *mask, PyObject *where, const mo_view *view)
{
    memset(mask, 0, sizeof *mask);
    if (is_nested(where)) {
        PyObject *items = PySequence_Tuple(where);
        if (items == NULL) {
            return -1;
        }
        int status = mask_from_tuple(mask, items, view);
        Py_DECREF(items);
        return status;
    }
    if (PyObject_CheckBuffer(where)) {
        return mask_from_buffer(mask, where, view);
    }
    int flag = read_bool(where);
    mask->bytes = flag > 0 ? &yes : &no;
    return flag < 0 ? -1 : 0;
}

void
mo_mask_release(mo_mask *mask)
{
    PyMem_Free(mask->copy);
    PyBuffer_Release(&mask->buffer); /* does nothing if there is none */
}
