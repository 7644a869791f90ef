/* pickle.c - pickling and copying.
 *
 * A matrix is pickled as its bytes in C order, its shape and its type with
 * the byte order.  With protocol 5 the bytes are a PickleBuffer, which a
 * buffer_callback takes out of the stream without a copy.  A vector is
 * pickled as row 0 of a matrix. */
#include "floatmatrix/foreign.h"
#include "state.h"

/* Bytes of the view's items, in a form that `protocol` can pickle. */
static PyObject *
payload(const mo_view *view, long protocol)
{
    PyObject *op;
    if (mo_view_is_contiguous(view)) {
        op = mo_view_subobject(view);
    }
    else {
        mo_view copy;
        const char typecode = view->storage->typecode;
        if (mo_view_duplicate(&copy, view, typecode) < 0) {
            return NULL;
        }
        op = mo_view_object(&copy);
    }
    if (op == NULL) {
        return NULL;
    }
    PyObject *bytes =
        protocol >= 5 ? PyPickleBuffer_FromObject(op) : PyBytes_FromObject(op);
    Py_DECREF(op);
    return bytes;
}

static PyObject *
restorer(void)
{
    PyObject *module = PyImport_ImportModule("memopt._memopt");
    if (module == NULL) {
        return NULL;
    }
    PyObject *function = PyObject_GetAttrString(module, "_restore_matrix");
    Py_DECREF(module);
    return function;
}

static PyObject *
reduce_matrix(const mo_view *view, long protocol)
{
    const char format[] = {PY_BIG_ENDIAN ? '>' : '<', view->storage->typecode,
                           '\0'};
    PyObject *function = restorer();
    if (function == NULL) {
        return NULL;
    }
    PyObject *bytes = payload(view, protocol);
    if (bytes == NULL) {
        Py_DECREF(function);
        return NULL;
    }
    return Py_BuildValue("N(nnsN)", function, view->shape[0], view->shape[1],
                         format, bytes);
}

/* operator.getitem(matrix, 0) */
static PyObject *
reduce_vector(const mo_view *view)
{
    PyObject *operators = PyImport_ImportModule("operator");
    if (operators == NULL) {
        return NULL;
    }
    PyObject *getitem = PyObject_GetAttrString(operators, "getitem");
    Py_DECREF(operators);
    if (getitem == NULL) {
        return NULL;
    }
    mo_view matrix = *view;
    matrix.ndim = 2;
    PyObject *op = mo_view_subobject(&matrix);
    if (op == NULL) {
        Py_DECREF(getitem);
        return NULL;
    }
    return Py_BuildValue("N(Ni)", getitem, op, 0);
}

PyObject *
mo_view_reduce_ex(PyObject *op, PyObject *protocol)
{
    const mo_view view = mo_view_of(op);
    long number = PyLong_AsLong(protocol);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return view.ndim == 2 ? reduce_matrix(&view, number)
                          : reduce_vector(&view);
}

/* --- loading ---------------------------------------------------------- */

static int
set_format(mo_foreign *foreign, const char *format)
{
    const char native = PY_BIG_ENDIAN ? '>' : '<';
    if (strlen(format) != 2 || strchr("<>", format[0]) == NULL ||
        strchr("df", format[1]) == NULL) {
        PyErr_Format(PyExc_ValueError, "bad format in pickle: '%.20s'",
                     format);
        return -1;
    }
    foreign->is_swapped = format[0] != native;
    return mo_foreign_set_type(foreign, 'f', mo_itemsize(format[1]), format);
}

static int
set_data(mo_foreign *foreign, PyObject *data, Py_ssize_t expected)
{
    if (PyObject_GetBuffer(data, &foreign->buffer, PyBUF_SIMPLE) < 0) {
        foreign->buffer.obj = NULL;
        return -1;
    }
    if (foreign->buffer.len != expected) {
        PyErr_Format(PyExc_ValueError,
                     "bad data in pickle: %zd bytes, not %zd",
                     foreign->buffer.len, expected);
        return -1;
    }
    foreign->first = foreign->buffer.buf;
    foreign->readonly = foreign->buffer.readonly;
    return 0;
}

/* bytes and bytearray come from the stream itself and are copied, into
 * memory of the matrix's own that append() can grow.  Anything else was
 * handed over out of band, in order to be shared. */
static PyObject *
restore(mo_floatmatrix_state *room, mo_foreign *foreign,
        const Py_ssize_t shape[2], const char *format, PyObject *data)
{
    const bool is_in_band =
        PyBytes_CheckExact(data) || PyByteArray_CheckExact(data);
    mo_view view;
    if (shape[0] < 0 || shape[1] < 0) {
        PyErr_Format(PyExc_ValueError, "bad shape in pickle: (%zd, %zd)",
                     shape[0], shape[1]);
        return NULL;
    }
    if (set_format(foreign, format) < 0 ||
        mo_foreign_set_layout(foreign, 2, shape, NULL) < 0) {
        return NULL;
    }
    Py_ssize_t bytes = shape[0] * shape[1] * foreign->itemsize;
    if (set_data(foreign, data, bytes) < 0 ||
        mo_foreign_take(&view, room, foreign, 2, format[1],
                        is_in_band ? MO_COPY_ALWAYS : MO_COPY_IF_NEEDED) < 0) {
        return NULL;
    }
    return mo_view_object(&view);
}

PyObject *
mo_restore_matrix(PyObject *module, PyObject *args)
{
    mo_state *state = PyModule_GetState(module);
    mo_foreign foreign = {0};
    Py_ssize_t shape[2];
    const char *format;
    PyObject *data;
    if (!PyArg_ParseTuple(args, "nnsO:_restore_matrix", &shape[0], &shape[1],
                          &format, &data)) {
        return NULL;
    }
    PyObject *matrix =
        restore(&state->floatmatrix, &foreign, shape, format, data);
    mo_foreign_release(&foreign);
    return matrix;
}

/* --- copying ---------------------------------------------------------- */

/* copy(), __copy__() and __deepcopy__(memo): items are numbers, so that all
 * copies are alike. */
PyObject *
mo_view_clone(PyObject *op, PyObject *unused)
{
    mo_view copy = mo_view_of(op);
    if (mo_view_duplicate(&copy, &copy, copy.storage->typecode) < 0) {
        return NULL;
    }
    return mo_view_object(&copy);
}
