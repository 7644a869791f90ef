/* index.c - subscripts of FloatMatrix and FloatVector, to read and to write.
 *
 * Both steps of a subscript can run Python code: __index__ of its parts, and
 * reading the value to be assigned.  A matrix may grow meanwhile, so parts
 * are all evaluated before the shape is looked at, and a value is complete
 * before the first item changes: assignment is all or nothing. */
#include "floatmatrix/internal.h"

/* One axis of a subscript, evaluated. */
typedef struct {
    bool is_slice;
    Py_ssize_t start; /* the index itself if not a slice */
    Py_ssize_t stop, step;
} part;

static int
evaluate(part *p, PyObject *key, PyObject *op)
{
    p->is_slice = PySlice_Check(key);
    if (p->is_slice) {
        return PySlice_Unpack(key, &p->start, &p->stop, &p->step);
    }
    if (!PyIndex_Check(key)) {
        PyErr_Format(PyExc_TypeError,
                     "%s indices must be integers or slices%s, not %.200s",
                     mo_view_name(op),
                     View_CAST(op)->view.ndim == 2 ? " or a pair of them" : "",
                     Py_TYPE(key)->tp_name);
        return -1;
    }
    p->start = PyNumber_AsSsize_t(key, PyExc_IndexError);
    return p->start == -1 && PyErr_Occurred() ? -1 : 0;
}

/* With no items there are no addresses, and sizes beyond any offset. */
static int
narrow_to_index(mo_view *view, int axis, Py_ssize_t index)
{
    const Py_ssize_t n = view->shape[axis];
    Py_ssize_t i = index < 0 ? index + n : index;
    if (i < 0 || i >= n) {
        PyErr_Format(PyExc_IndexError,
                     "index %zd is out of bounds for axis %d with size %zd",
                     index, axis - (2 - view->ndim), n);
        return -1;
    }
    if (!mo_view_is_empty(view)) {
        view->offset += i * view->strides[axis];
    }
    view->shape[axis] = 1;
    return 0;
}

static void
narrow_to_slice(mo_view *view, int axis, part p)
{
    Py_ssize_t n =
        PySlice_AdjustIndices(view->shape[axis], &p.start, &p.stop, p.step);
    if (n > 0 && !mo_view_is_empty(view)) {
        view->offset += p.start * view->strides[axis];
        if (n > 1) { /* so that |step| < shape[axis]: it stays in memory */
            view->strides[axis] *= p.step;
        }
    }
    view->shape[axis] = n;
}

/* What op[key] refers to.  The storage is borrowed; ndim 0 is one item, at
 * [0, 0]. */
static int
select_items(mo_view *selected, PyObject *op, PyObject *key)
{
    const int ndim = View_CAST(op)->view.ndim, first = 2 - ndim;
    const bool is_tuple = PyTuple_Check(key);
    const Py_ssize_t count = is_tuple ? PyTuple_GET_SIZE(key) : 1;
    part parts[2];
    if (count > ndim) {
        PyErr_Format(PyExc_IndexError,
                     "too many indices: %s has %d dimension%s, but %zd were "
                     "given",
                     mo_view_name(op), ndim, ndim == 1 ? "" : "s", count);
        return -1;
    }
    for (int i = 0; i < (int)count; i++) {
        PyObject *item = is_tuple ? PyTuple_GET_ITEM(key, i) : key;
        if (evaluate(&parts[i], item, op) < 0) {
            return -1;
        }
    }
    *selected = mo_view_of(op);
    int kept = ndim;
    for (int i = 0; i < (int)count; i++) {
        if (parts[i].is_slice) {
            narrow_to_slice(selected, first + i, parts[i]);
            continue;
        }
        if (narrow_to_index(selected, first + i, parts[i].start) < 0) {
            return -1;
        }
        kept--;
    }
    if (ndim == 2 && kept == 1 && count == 2 && parts[0].is_slice) {
        *selected = mo_view_transpose(selected); /* a column, as a vector */
    }
    selected->ndim = kept;
    return 0;
}

PyObject *
mo_view_subscript(PyObject *op, PyObject *key)
{
    mo_view selected;
    if (select_items(&selected, op, key) < 0) {
        return NULL;
    }
    if (selected.ndim == 0) {
        return PyFloat_FromDouble(mo_view_load(&selected, 0, 0));
    }
    return mo_view_subobject(&selected);
}

PyObject *
mo_view_item(PyObject *op, Py_ssize_t index)
{
    const mo_view view = mo_view_of(op);
    const Py_ssize_t n = *mo_view_shape(&view);
    if (index < 0 || index >= n) {
        PyErr_Format(PyExc_IndexError, "%s index out of range",
                     mo_view_name(op));
        return NULL;
    }
    if (view.ndim == 1) {
        return PyFloat_FromDouble(mo_view_load(&view, 0, index));
    }
    mo_view row = mo_view_row(&view, index);
    return mo_view_subobject(&row);
}

static int
assign_item(const mo_view *selected, PyObject *value)
{
    double x = PyFloat_AsDouble(value);
    if (x == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    MO_BEGIN_CRITICAL_SECTION(selected->storage);
    mo_store(mo_view_at(selected, 0, 0), selected->storage->typecode, x);
    MO_END_CRITICAL_SECTION();
    return 0;
}

static int
raise_wrong_shape(const mo_view *selected, const mo_view *value)
{
    if (selected->ndim == 1) {
        PyErr_Format(PyExc_ValueError, "cannot assign %zd items to %zd",
                     value->shape[1], selected->shape[1]);
    }
    else {
        PyErr_Format(PyExc_ValueError,
                     "cannot assign shape (%zd, %zd) to shape (%zd, %zd)",
                     value->shape[0], value->shape[1], selected->shape[0],
                     selected->shape[1]);
    }
    return -1;
}

/* Lists cannot tell the width of no rows, so that [] fits it all the same. */
static bool
fits(const mo_view *selected, const mo_view *value)
{
    return mo_same_shape(selected, value) ||
           (selected->shape[0] == 0 && value->shape[0] == 0);
}

static int
assign_items(const mo_view *selected, PyObject *value)
{
    StorageObject *storage = selected->storage;
    mo_view from;
    int status = selected->ndim == 1
                     ? mo_vector_from(&from, storage->room, value,
                                      storage->typecode, -1)
                     : mo_matrix_from(&from, storage->room, value, 0,
                                      MO_COPY_IF_NEEDED);
    if (status < 0) {
        return -1;
    }
    status = fits(selected, &from) ? mo_view_copy(selected, &from)
                                   : raise_wrong_shape(selected, &from);
    Py_DECREF(from.storage);
    return status;
}

int
mo_view_ass_subscript(PyObject *op, PyObject *key, PyObject *value)
{
    mo_view selected;
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "'%s' object doesn't support item deletion",
                     mo_view_name(op));
        return -1;
    }
    if (View_CAST(op)->view.storage->readonly) {
        PyErr_Format(PyExc_TypeError,
                     "this %s shares read-only memory; assign to a copy()",
                     mo_view_name(op));
        return -1;
    }
    if (select_items(&selected, op, key) < 0) {
        return -1;
    }
    return selected.ndim == 0 ? assign_item(&selected, value)
                              : assign_items(&selected, value);
}
