/* reduce.c - sum and mean, of everything or along an axis.
 *
 * Every result is the infinitely precise sum (or quotient), rounded once, so
 * the order of additions is free: memory is always read along its shorter
 * stride.  Accumulators and rounding are those of exactsum/accumulator.h. */
#include "exactsum/exactsum.h"
#include "floatmatrix/internal.h"

/* Sums kept side by side when memory runs across them; 256 accumulators are
 * 141 kB, of which data of like magnitude touches a few lines each.  Summing
 * the columns of 1000 x 1000 takes 5.4 ms with 256, 7 ms with 16 or 64, and no
 * less with 512 or 1024 (Zen 4, gcc 12, 2025). */
#define TILE 256

#define BOTH_AXES 2

typedef struct {
    mo_view view; /* borrowed storage */
    int axis;     /* of the view, to sum over: 0, 1 or BOTH_AXES */
    bool is_mean;
    bool keepdims;
    PyObject *out; /* borrowed; or NULL */
} reduction;

static void
add_line(mo_accumulator *sum, const mo_view *view, const char *first,
         Py_ssize_t n, Py_ssize_t stride)
{
    if (view->storage->typecode == MO_FLOAT64) {
        mo_accumulator_add_f64(sum, first, (size_t)n, stride);
    }
    else {
        mo_accumulator_add_f32(sum, first, (size_t)n, stride);
    }
}

static double
round_sum(const mo_accumulator *sum, bool is_mean, Py_ssize_t n)
{
    return is_mean ? mo_accumulator_mean(sum, (uint64_t)n, NULL)
                   : mo_accumulator_round(sum, NULL);
}

static size_t
magnitude_of_stride(Py_ssize_t stride)
{
    return stride < 0 ? (size_t)0 - (size_t)stride : (size_t)stride;
}

/* The axis along which neighbours are further apart; of a single row or
 * column, the one with nothing to go along. */
static int
outer_axis(const mo_view *view)
{
    if (view->shape[0] == 1 || view->shape[1] == 1) {
        return view->shape[0] != 1;
    }
    return magnitude_of_stride(view->strides[0]) <
           magnitude_of_stride(view->strides[1]);
}

static double
reduce_all(const mo_view *view, bool is_mean)
{
    const int outer = outer_axis(view), inner = 1 - outer;
    const Py_ssize_t n = view->shape[inner];
    const Py_ssize_t lines = n > 0 ? view->shape[outer] : 0;
    mo_accumulator sum;
    mo_accumulator_init(&sum);
    for (Py_ssize_t i = 0; i < lines; i++) {
        const char *line = mo_view_at(view, 0, 0) + i * view->strides[outer];
        add_line(&sum, view, line, n, view->strides[inner]);
    }
    return round_sum(&sum, is_mean, lines * n);
}

/* One sum after another, each along memory. */
static void
reduce_lines(const mo_view *view, int axis, bool is_mean, double *results)
{
    const int kept = 1 - axis;
    const Py_ssize_t n = view->shape[axis];
    for (Py_ssize_t i = 0; i < view->shape[kept]; i++) {
        const char *line = mo_view_at(view, 0, 0) + i * view->strides[kept];
        mo_accumulator sum;
        mo_accumulator_init(&sum);
        add_line(&sum, view, line, n, view->strides[axis]);
        results[i] = round_sum(&sum, is_mean, n);
    }
}

/* Up to TILE sums at once, memory running across them. */
static void
reduce_tile(const mo_view *view, int axis, bool is_mean, double *results,
            Py_ssize_t first, Py_ssize_t width, mo_accumulator *sums)
{
    const int kept = 1 - axis;
    const Py_ssize_t n = view->shape[axis], stride = view->strides[kept];
    for (Py_ssize_t j = 0; j < width; j++) {
        mo_accumulator_init(&sums[j]);
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *p =
            mo_view_at(view, 0, 0) + i * view->strides[axis] + first * stride;
        for (Py_ssize_t j = 0; j < width; j++, p += stride) {
            add_line(&sums[j], view, p, 1, 0);
        }
    }
    for (Py_ssize_t j = 0; j < width; j++) {
        results[first + j] = round_sum(&sums[j], is_mean, n);
    }
}

/* shape[1 - axis] sums along `axis`. */
static int
reduce_axis(const mo_view *view, int axis, bool is_mean, double *results)
{
    const Py_ssize_t n = view->shape[1 - axis];
    if (outer_axis(view) != axis || n == 1) {
        reduce_lines(view, axis, is_mean, results);
        return 0;
    }
    mo_accumulator *sums = PyMem_New(mo_accumulator, Py_MIN(n, TILE));
    if (sums == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t first = 0; first < n; first += TILE) {
        reduce_tile(view, axis, is_mean, results, first,
                    Py_MIN(n - first, TILE), sums);
    }
    PyMem_Free(sums);
    return 0;
}

/* The results as a new view: one item for both axes, else a line of them. */
static int
reduce(mo_view *result, const reduction *r)
{
    const mo_view *view = &r->view;
    Py_ssize_t shape[2] = {view->shape[0], view->shape[1]};
    for (int axis = 0; axis < 2; axis++) {
        if (r->axis == axis || r->axis == BOTH_AXES) {
            shape[axis] = 1;
        }
    }
    if (mo_view_new(result, view->storage->room, MO_FLOAT64, 2, shape[0],
                    shape[1], false) < 0) {
        return -1;
    }
    double *results = (double *)(void *)result->storage->data;
    if (r->axis == BOTH_AXES) {
        results[0] = reduce_all(view, r->is_mean);
        return 0;
    }
    if (reduce_axis(view, r->axis, r->is_mean, results) < 0) {
        Py_DECREF(result->storage);
        return -1;
    }
    return 0;
}

/* --- out= ------------------------------------------------------------- */

static int
raise_bad_out(const mo_view *result)
{
    const Py_ssize_t *shape = mo_view_shape(result);
    if (result->ndim == 2) {
        PyErr_Format(PyExc_ValueError,
                     "out must be writable float64 of shape (%zd, %zd)",
                     shape[0], shape[1]);
    }
    else if (result->ndim == 1) {
        PyErr_Format(PyExc_ValueError,
                     "out must be writable float64 of shape (%zd,)", shape[0]);
    }
    else {
        PyErr_SetString(PyExc_ValueError,
                        "out must be writable float64 of shape ()");
    }
    return -1;
}

static int
copy_to_out(PyObject *out, const mo_view *result)
{
    mo_view to;
    int status = mo_view_from_foreign(&to, result->storage->room, out,
                                      result->ndim, MO_FLOAT64, MO_COPY_NEVER);
    if (status == 0) {
        PyErr_Format(PyExc_TypeError,
                     "out must be a FloatVector, a FloatMatrix or a writable "
                     "buffer, not %.200s",
                     Py_TYPE(out)->tp_name);
        return -1;
    }
    if (status < 0) {
        return PyErr_ExceptionMatches(PyExc_ValueError) ? raise_bad_out(result)
                                                        : -1;
    }
    status = to.storage->readonly || !mo_same_shape(&to, result)
                 ? raise_bad_out(result)
                 : mo_view_copy(&to, result);
    Py_DECREF(to.storage);
    return status;
}

/* --- the methods ------------------------------------------------------ */

static PyObject *
reduce_to_object(const reduction *r)
{
    const mo_view *view = &r->view;
    const int dropped = r->axis == BOTH_AXES ? view->ndim : 1;
    const int ndim = r->keepdims ? view->ndim : view->ndim - dropped;
    mo_view result;
    if (ndim == 0 && r->out == NULL) {
        return PyFloat_FromDouble(reduce_all(view, r->is_mean));
    }
    if (reduce(&result, r) < 0) {
        return NULL;
    }
    if (ndim < 2) { /* a column of results becomes a row */
        Py_ssize_t n = result.shape[0] * result.shape[1];
        mo_view_cover(&result, result.storage, ndim, 1, n);
    }
    if (r->out == NULL) {
        return mo_view_object(&result);
    }
    int status = copy_to_out(r->out, &result);
    Py_DECREF(result.storage);
    return status < 0 ? NULL : Py_NewRef(r->out);
}

static int
check_dtype(PyObject *dtype)
{
    char typecode = MO_FLOAT64;
    if (mo_parse_dtype(dtype, &typecode) < 0) {
        return -1;
    }
    if (typecode != MO_FLOAT64) {
        PyErr_SetString(
            PyExc_ValueError,
            "dtype must be 'd': sums are rounded once, to float64");
        return -1;
    }
    return 0;
}

/* Whether there is a result, and it is a mean of nothing. */
static bool
mean_divides_by_zero(const reduction *r)
{
    const Py_ssize_t *shape = r->view.shape;
    if (r->axis == BOTH_AXES) {
        return shape[0] == 0 || shape[1] == 0;
    }
    return shape[r->axis] == 0 && shape[1 - r->axis] > 0;
}

/* A vector has one axis: the sum over it is that over both of its view's. */
static int
parse_arguments(reduction *r, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"axis", "dtype", "out", "keepdims", NULL};
    PyObject *axis = NULL, *dtype = NULL, *out = NULL;
    const char *format = r->is_mean ? "|O$OOp:mean" : "|O$OOp:sum";
    int keepdims = 0, logical;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &axis,
                                     &dtype, &out, &keepdims) ||
        mo_parse_axis(axis, r->view.ndim, &logical) < 0 ||
        check_dtype(dtype) < 0) {
        return -1;
    }
    r->axis = r->view.ndim == 2 ? logical : BOTH_AXES;
    r->keepdims = keepdims;
    r->out = out == Py_None ? NULL : out;
    return 0;
}

static PyObject *
reduce_with_arguments(PyObject *op, PyObject *args, PyObject *kwargs,
                      bool is_mean)
{
    reduction r = {
        .view = View_CAST(op)->view,
        .axis = BOTH_AXES,
        .is_mean = is_mean,
    };
    if ((PyTuple_GET_SIZE(args) > 0 || kwargs != NULL) &&
        parse_arguments(&r, args, kwargs) < 0) {
        return NULL;
    }
    if (is_mean && mean_divides_by_zero(&r)) {
        PyErr_Format(PyExc_ZeroDivisionError, "mean of an empty %s",
                     mo_view_name(op));
        return NULL;
    }
    return reduce_to_object(&r);
}

PyObject *
mo_view_sum(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return reduce_with_arguments(op, args, kwargs, false);
}

PyObject *
mo_view_mean(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return reduce_with_arguments(op, args, kwargs, true);
}
