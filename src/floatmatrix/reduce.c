/* reduce.c - sum and mean, of everything or along an axis.
 *
 * What the arguments mean; the sums themselves are those of the exactsum
 * room.  While one takes long the GIL is released, the storage pinned. */
#include "floatmatrix/internal.h"
#include "floatmatrix/mask.h"
#include "state.h"

#include <math.h>

#define BOTH_AXES 2

typedef struct {
    mo_state *state; /* borrowed */
    mo_view view;    /* borrowed storage */
    int axis;        /* of the view, to sum over: 0, 1 or BOTH_AXES */
    mo_outcome outcome;
    bool keepdims;
    int threads;   /* see mo_plan */
    PyObject *out; /* borrowed; or NULL */
    /* Neither mask nor skip_nan: filter.mask is NULL. */
    mo_mask mask;
    mo_filter filter;
} reduction;

/* The lines of the view along `axis`. */
static mo_lines
lines_along(const reduction *r, int axis)
{
    const mo_view *view = &r->view;
    return (mo_lines){
        .first = mo_view_at(view, 0, 0),
        .itemsize = (size_t)mo_itemsize(view->storage->typecode),
        .count = (size_t)view->shape[1 - axis],
        .length = (size_t)view->shape[axis],
        .line_stride = view->strides[1 - axis],
        .item_stride = view->strides[axis],
        .filter = r->filter.mask != NULL ? &r->filter : NULL,
    };
}

static void
set_filter(reduction *r, int axis)
{
    r->filter.line_stride = r->mask.strides[1 - axis];
    r->filter.item_stride = r->mask.strides[axis];
}

static size_t
magnitude_of_stride(Py_ssize_t stride)
{
    return stride < 0 ? (size_t)0 - (size_t)stride : (size_t)stride;
}

/* The axis along which neighbours are nearer; of a single row or column, the
 * one that there is to go along. */
static int
inner_axis(const mo_view *view)
{
    if (view->shape[0] == 1 || view->shape[1] == 1) {
        return view->shape[0] == 1;
    }
    return magnitude_of_stride(view->strides[0]) >=
           magnitude_of_stride(view->strides[1]);
}

/* All items that count into *total; how many. */
static uint64_t
sum_everything(reduction *r, mo_plan *plan, mo_accumulator *total)
{
    const mo_view *view = &r->view;
    const int axis = inner_axis(view);
    if (r->filter.mask != NULL) {
        set_filter(r, axis);
        const mo_lines lines = lines_along(r, axis);
        return mo_sum_filtered(plan, &lines, r->outcome.is_mean, total);
    }
    const size_t size = (size_t)mo_itemsize(view->storage->typecode);
    mo_layout layout;
    mo_layout_init(&layout, (mo_item){MO_ITEM_FLOAT, size, false},
                   mo_view_at(view, 0, 0), 2, view->shape, view->strides);
    mo_sum_layout(plan, &layout, 0, layout.count, total);
    return layout.count;
}

/* *sum = that of few items, of a whole row or matrix; or false. */
static bool
sum_few(const reduction *r, const mo_plan *plan, double *sum)
{
    const mo_view *view = &r->view;
    return r->filter.mask == NULL && !r->outcome.is_mean &&
           r->outcome.initial == 0.0 && mo_view_is_contiguous(view) &&
           mo_sum_few(plan->kernel, mo_view_at(view, 0, 0),
                      (size_t)(view->shape[0] * view->shape[1]),
                      (size_t)mo_itemsize(view->storage->typecode),
                      plan->ahead, sum);
}

static double
reduce_all(reduction *r, mo_plan *plan)
{
    mo_accumulator total;
    double sum;
    if (sum_few(r, plan, &sum)) {
        return sum;
    }
    mo_accumulator_init(&total);
    uint64_t n = sum_everything(r, plan, &total);
    if (r->outcome.is_mean) {
        return n > 0 ? mo_accumulator_mean(&total, n, NULL) : (double)NAN;
    }
    mo_accumulator_add(&total, r->outcome.initial);
    return mo_accumulator_round(&total, NULL);
}

static void
reduce_axis(reduction *r, mo_plan *plan, double *results)
{
    if (r->axis == BOTH_AXES) {
        results[0] = reduce_all(r, plan);
        return;
    }
    set_filter(r, r->axis);
    const mo_lines lines = lines_along(r, r->axis);
    mo_sum_lines(plan, &lines, &r->outcome, results);
}

/* The results, one or a line of them.  Cannot fail. */
static void
reduce_to(reduction *r, double *results)
{
    const mo_view *view = &r->view;
    mo_plan plan = mo_plan_begin(r->state, r->threads);
    mo_storage_export(view->storage);
    if (mo_view_is_empty(view) ||
        view->shape[0] < MO_WITHOUT_GIL / view->shape[1]) {
        reduce_axis(r, &plan, results);
    }
    else {
        Py_BEGIN_ALLOW_THREADS
        reduce_axis(r, &plan, results);
        Py_END_ALLOW_THREADS
    }
    mo_storage_unexport(view->storage);
    mo_plan_end(r->state, &plan);
}

/* The results as a new view: one item for both axes, else a line of them. */
static int
reduce(mo_view *result, reduction *r)
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
    reduce_to(r, (double *)(void *)result->storage->data);
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
reduce_to_object(reduction *r)
{
    const mo_view *view = &r->view;
    const int dropped = r->axis == BOTH_AXES ? view->ndim : 1;
    const int ndim = r->keepdims ? view->ndim : view->ndim - dropped;
    mo_view result;
    if (ndim == 0 && r->out == NULL) {
        double value;
        reduce_to(r, &value);
        return PyFloat_FromDouble(value);
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

/* What where= and skipna= leave to count. */
static int
parse_filter(reduction *r, PyObject *where, int skipna)
{
    const bool everything = where == NULL || where == Py_True;
    if (everything && !skipna) {
        return 0;
    }
    if (mo_mask_from(&r->mask, everything ? Py_True : where, &r->view) < 0) {
        return -1;
    }
    r->filter.mask = r->mask.bytes;
    r->filter.skip_nan = skipna;
    return 0;
}

/* A vector has one axis: the sum over it is that over both of its view's.
 * The filter comes last, as only it holds something. */
static int
parse_arguments(reduction *r, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"axis",     "dtype",   "out",
                            "keepdims", "where",   "skipna",
                            "threads",  "initial", NULL};
    static char *mean_names[] = {"axis",  "dtype",  "out",     "keepdims",
                                 "where", "skipna", "threads", NULL};
    const bool is_mean = r->outcome.is_mean;
    PyObject *axis = NULL, *dtype = NULL, *out = NULL, *where = NULL;
    PyObject *threads = NULL, *initial = NULL;
    int keepdims = 0, skipna = 0, logical;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, is_mean ? "|O$OOpOpO:mean" : "|O$OOpOpOO:sum",
            is_mean ? mean_names : names, &axis, &dtype, &out, &keepdims,
            &where, &skipna, &threads, &initial) ||
        mo_parse_axis(axis, r->view.ndim, &logical) < 0 ||
        check_dtype(dtype) < 0 || mo_threads_parse(threads, &r->threads) < 0 ||
        (initial != NULL &&
         mo_parse_number(initial, "initial", &r->outcome.initial) < 0)) {
        return -1;
    }
    r->axis = r->view.ndim == 2 ? logical : BOTH_AXES;
    r->keepdims = keepdims;
    r->out = out == Py_None ? NULL : out;
    return parse_filter(r, where, skipna);
}

static PyObject *
reduce_with_arguments(PyObject *op, PyObject *args, PyObject *kwargs,
                      bool is_mean)
{
    PyObject *result = NULL;
    reduction r = {
        .state = mo_state_of(Py_TYPE(op)),
        .view = mo_view_of(op),
        .axis = BOTH_AXES,
        .outcome = {.is_mean = is_mean},
        .threads = MO_THREADS_AUTO,
    };
    if ((PyTuple_GET_SIZE(args) > 0 || kwargs != NULL) &&
        parse_arguments(&r, args, kwargs) < 0) {
        return NULL;
    }
    if (is_mean && mean_divides_by_zero(&r)) {
        PyErr_Format(PyExc_ZeroDivisionError, "mean of an empty %s",
                     mo_view_name(op));
    }
    else {
        result = reduce_to_object(&r);
    }
    mo_mask_release(&r.mask);
    return result;
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
