/* buffer.c - see buffer.h. */
#include "exactsum/buffer.h"

#include <string.h>

#include "platform/fpenv.h"

/* One of the struct module's codes, not '\0'.  Letters that differ only in
 * their width (i, l, q, n) are told apart by the size, which exporters get
 * right where standard and native sizes are confused. */
static bool
parse_code(char code, size_t size, mo_item_kind *kind)
{
    if (strchr("efd", code) != NULL) {
        *kind = MO_ITEM_FLOAT;
        return (code == 'e' && size == 2) || (code == 'f' && size == 4) ||
               (code == 'd' && size == 8);
    }
    if (strchr("bhilqn", code) != NULL) {
        *kind = MO_ITEM_SIGNED;
    }
    else if (strchr("BHILQN", code) != NULL) {
        *kind = MO_ITEM_UNSIGNED;
    }
    else if (code == '?') {
        *kind = MO_ITEM_BOOL;
        return size == 1;
    }
    else {
        return false;
    }
    return size == 1 || size == 2 || size == 4 || size == 8;
}

/* False if the items are not real numbers of at most 64 bits. */
static bool
parse_format(const Py_buffer *view, mo_item *item)
{
    const char *code = view->format != NULL ? view->format : "B";
    item->size = (size_t)view->itemsize;
    item->swapped = false;
    switch (*code) {
        case '@':
        case '=':
            code++;
            break;
        case '<':
            item->swapped = PY_BIG_ENDIAN;
            code++;
            break;
        case '>':
        case '!':
            item->swapped = PY_LITTLE_ENDIAN;
            code++;
            break;
    }
    return *code != '\0' && code[1] == '\0' &&
           parse_code(*code, item->size, &item->kind);
}

/* Every item below `axis` of the part of a buffer that starts at p.  An axis
 * with a suboffset is a table of pointers to follow (as in PIL). */
static void
read_axis(const Py_buffer *view, const char *p, int axis, mo_intake *intake)
{
    const Py_ssize_t n = view->shape[axis], stride = view->strides[axis];
    const Py_ssize_t suboffset = view->suboffsets[axis];
    const bool innermost = axis == view->ndim - 1;
    if (innermost && suboffset < 0) {
        mo_intake_add(intake, p, (size_t)n, stride);
        return;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *part = p + i * stride;
        if (suboffset >= 0) {
            memcpy(&part, (const void *)part, sizeof part);
            part += suboffset;
        }
        if (innermost) {
            mo_intake_add(intake, part, 1, 0);
        }
        else {
            read_axis(view, part, axis + 1, intake);
        }
    }
}

static void
sum_indirect(mo_plan *plan, const Py_buffer *view, mo_item item,
             mo_accumulator *total)
{
    mo_ladder ladder;
    mo_intake intake;
    mo_ladder_init(&ladder, plan->kernel);
    mo_intake_init(&intake, &ladder, item, total);
    mo_fpenv environment = mo_fpenv_enter();
    read_axis(view, view->buf, 0, &intake);
    mo_intake_finish(&intake);
    mo_fpenv_leave(&environment);
    mo_usage_add(&plan->usage, &ladder.usage);
}

/* Part after part; *count grows with what is done. */
static int
sum_layout(mo_plan *plan, const mo_layout *layout, mo_progress *progress,
           mo_accumulator *total, int64_t *count)
{
    const size_t part = (size_t)MO_REPORT;
    for (size_t from = 0; from < layout->count; from += part) {
        const size_t n = Py_MIN(layout->count - from, part);
        if (n < MO_WITHOUT_GIL) {
            mo_sum_layout(plan, layout, from, n, total);
        }
        else {
            Py_BEGIN_ALLOW_THREADS
            mo_sum_layout(plan, layout, from, n, total);
            Py_END_ALLOW_THREADS
        }
        *count += (int64_t)n;
        if (mo_progress_is_due(progress, *count) &&
            mo_progress_report(progress, *count) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
sum_buffer(mo_plan *plan, const Py_buffer *view, mo_item item,
           mo_progress *progress, mo_accumulator *total, int64_t *count)
{
    mo_layout layout;
    if (view->suboffsets != NULL) {
        sum_indirect(plan, view, item, total);
        *count += view->len / view->itemsize;
        return 0;
    }
    mo_layout_init(&layout, item, view->buf, view->ndim, view->shape,
                   view->strides);
    return sum_layout(plan, &layout, progress, total, count);
}

/* Buffers that do not hold what the object means: NumPy exports a datetime64
 * scalar as its bytes, and a masked array as what lies under its mask. */
static const char *const misleading_types[] = {
    "numpy.datetime64",
    "numpy.timedelta64",
    "MaskedArray",
};

static bool
has_misleading_name(const PyTypeObject *type)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(misleading_types); i++) {
        if (strcmp(type->tp_name, misleading_types[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Looks at the bases of Python classes only: walking those of each NumPy
 * scalar in a list took as long as reading it. */
bool
mo_buffer_misleads(PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return has_misleading_name(type);
    }
    PyObject *mro = type->tp_mro; /* borrowed; a tuple of types */
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        if (has_misleading_name((PyTypeObject *)PyTuple_GET_ITEM(mro, i))) {
            return true;
        }
    }
    return false;
}

/* obj.dtype, or NULL with an exception set. */
static PyObject *
get_dtype(PyObject *obj)
{
    PyObject *name = PyUnicode_InternFromString("dtype");
    if (name == NULL) {
        return NULL;
    }
    PyObject *dtype = PyObject_GetAttr(obj, name);
    Py_DECREF(name);
    return dtype;
}

#define NEEDED "real numbers of at most 64 bits are needed"

/* Steals dtype, a NumPy array's or scalar's. */
static void
refuse_dtype(PyObject *dtype)
{
    PyErr_Format(PyExc_TypeError, "cannot sum items of dtype %S: " NEEDED,
                 dtype);
    Py_DECREF(dtype);
}

/* TypeError for obj, naming its dtype if it has one, else its format. */
static void
refuse_items(PyObject *obj, const char *format)
{
    PyObject *dtype = get_dtype(obj);
    if (dtype != NULL) {
        refuse_dtype(dtype);
    }
    else if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Format(PyExc_TypeError,
                     "cannot sum buffer items of format '%s': " NEEDED,
                     format);
    }
}

/* PyObject_GetBuffer; NumPy's ValueError for dtypes that the protocol cannot
 * express (such as datetime64) becomes a TypeError. */
static int
acquire(PyObject *obj, Py_buffer *view)
{
    if (mo_buffer_misleads(Py_TYPE(obj))) {
        PyErr_Format(PyExc_TypeError,
                     "cannot sum %.200s, whose buffer is not what it means; "
                     "pass plain numbers (of a masked array, compressed())",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(obj, view, PyBUF_FULL_RO) == 0) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyObject *cause = PyErr_GetRaisedException();
        PyObject *dtype = get_dtype(obj);
        if (dtype == NULL) {
            PyErr_SetRaisedException(cause);
            return -1;
        }
        Py_DECREF(cause);
        refuse_dtype(dtype);
    }
    return -1;
}

/* Releasing may run Python code, which must not see the exception. */
static void
release_after_error(Py_buffer *view)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyBuffer_Release(view);
    PyErr_SetRaisedException(exception);
}

int
mo_buffer_read(PyObject *obj, int max_ndim, mo_plan *plan,
               mo_progress *progress, mo_accumulator *total, int64_t *count)
{
    Py_buffer view;
    mo_item item;
    if (acquire(obj, &view) < 0) {
        return -1;
    }
    bool fits = view.ndim <= max_ndim;
    bool numeric = parse_format(&view, &item);
    int failed = 0;
    char format[100] = "B"; /* a copy that outlives the view */
    if (fits && numeric) {
        if (progress->total == MO_TOTAL_OF_BUFFER) {
            progress->total = view.len / view.itemsize;
        }
        failed = sum_buffer(plan, &view, item, progress, total, count);
    }
    else if (view.format != NULL) {
        PyOS_snprintf(format, sizeof format, "%s", view.format);
    }
    if (failed) {
        release_after_error(&view);
        return -1;
    }
    /* Before any exception is set: releasing may run Python code. */
    PyBuffer_Release(&view);
    if (!fits) {
        PyErr_Format(PyExc_TypeError, "must be real number, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    if (!numeric) {
        refuse_items(obj, format);
        return -1;
    }
    return 0;
}
