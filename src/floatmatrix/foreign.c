/* foreign.c - makes views of other objects' memory; see foreign.h.
 *
 * Native doubles and floats are shared where copy= allows it; every other
 * real type is converted, each item once, to the nearest double. */
#include "floatmatrix/foreign.h"

void
mo_foreign_release(mo_foreign *foreign)
{
    if (foreign->buffer.obj != NULL) {
        PyBuffer_Release(&foreign->buffer);
    }
    Py_CLEAR(foreign->owner);
}

int
mo_foreign_set_type(mo_foreign *foreign, char kind, Py_ssize_t itemsize,
                    const char *format)
{
    bool is_wide = itemsize == 2 || itemsize == 4 || itemsize == 8;
    bool is_known = kind == 'f'                  ? is_wide
                    : kind == 'i' || kind == 'u' ? is_wide || itemsize == 1
                    : kind == 'b'                ? itemsize == 1
                                                 : false;
    if (!is_known) {
        PyErr_Format(PyExc_TypeError,
                     "cannot read items of format '%.100s' as real numbers",
                     format);
        return -1;
    }
    foreign->kind = kind;
    foreign->itemsize = (int)itemsize;
    return 0;
}

int
mo_foreign_set_layout(mo_foreign *foreign, int ndim, const Py_ssize_t *shape,
                      const Py_ssize_t *strides)
{
    if (ndim < 0 || ndim > 2) {
        PyErr_Format(PyExc_ValueError, "expected 2 dimensions, not %d", ndim);
        return -1;
    }
    foreign->ndim = ndim;
    for (int axis = 0; axis < 2; axis++) {
        int given = axis - (2 - ndim); /* the axis of shape and strides */
        Py_ssize_t n = given < 0 ? 1 : shape[given];
        if (n < 0) {
            PyErr_SetString(PyExc_ValueError, "a dimension is negative");
            return -1;
        }
        foreign->shape[axis] = n;
        foreign->strides[axis] =
            given >= 0 && strides != NULL ? strides[given] : 0;
    }
    Py_ssize_t bytes = mo_block_bytes(foreign->shape[0], foreign->shape[1],
                                      foreign->itemsize);
    if (bytes < 0) {
        return -1;
    }
    if (strides == NULL || bytes == 0) { /* as in mo_view_cover() */
        const Py_ssize_t rows = foreign->shape[0];
        foreign->strides[0] = rows > 0 ? bytes / rows : foreign->itemsize;
        foreign->strides[1] = foreign->itemsize;
    }
    return 0;
}

/* The item's bytes as an integer, whatever the byte order. */
static uint64_t
load_bits(const mo_foreign *foreign, const char *p)
{
    const int n = foreign->itemsize;
    const bool is_big_endian = PY_BIG_ENDIAN != foreign->is_swapped;
    uint64_t bits = 0;
    for (int i = 0; i < n; i++) {
        bits = bits << 8 | (unsigned char)p[is_big_endian ? i : n - 1 - i];
    }
    return bits;
}

static double
load_float(const mo_foreign *foreign, const char *p)
{
    const int is_little_endian = PY_LITTLE_ENDIAN != foreign->is_swapped;
    switch (foreign->itemsize) {
        case 2:
            return PyFloat_Unpack2(p, is_little_endian);
        case 4:
            return PyFloat_Unpack4(p, is_little_endian);
        default:
            return PyFloat_Unpack8(p, is_little_endian);
    }
}

static double
load_number(const mo_foreign *foreign, const char *p)
{
    if (foreign->kind == 'f') {
        return load_float(foreign, p);
    }
    uint64_t bits = load_bits(foreign, p);
    if (foreign->kind == 'b') {
        return bits != 0;
    }
    if (foreign->kind == 'u') {
        return (double)bits;
    }
    uint64_t sign = UINT64_C(1) << (8 * foreign->itemsize - 1);
    return (double)(int64_t)((bits ^ sign) - sign);
}

static char
native_typecode(const mo_foreign *foreign)
{
    if (foreign->kind != 'f' || foreign->is_swapped) {
        return 0;
    }
    return foreign->itemsize == 8   ? MO_FLOAT64
           : foreign->itemsize == 4 ? MO_FLOAT32
                                    : 0;
}

/* Moves what keeps the memory alive from foreign into a storage. */
static int
share(mo_view *view, mo_floatmatrix_state *room, mo_foreign *foreign, int ndim)
{
    Py_buffer *buffer = foreign->buffer.obj == NULL ? NULL : &foreign->buffer;
    StorageObject *storage =
        mo_storage_foreign(room, native_typecode(foreign), foreign->first,
                           foreign->readonly, buffer, foreign->owner);
    foreign->buffer.obj = NULL;
    foreign->owner = NULL;
    if (storage == NULL) {
        return -1;
    }
    mo_view_cover(view, storage, ndim, 0, 0);
    memcpy(view->shape, foreign->shape, sizeof view->shape);
    memcpy(view->strides, foreign->strides, sizeof view->strides);
    view->is_owner = false;
    return 0;
}

static int
convert(mo_view *view, mo_floatmatrix_state *room, const mo_foreign *foreign,
        int ndim, char typecode)
{
    if (mo_view_new(view, room, typecode, ndim, foreign->shape[0],
                    foreign->shape[1], false) < 0) {
        return -1;
    }
    char *out = view->storage->data;
    if (mo_view_is_empty(view)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < foreign->shape[0]; i++) {
        const char *p = foreign->first + i * foreign->strides[0];
        for (Py_ssize_t j = 0; j < foreign->shape[1]; j++) {
            mo_store(out, typecode, load_number(foreign, p));
            out += mo_itemsize(typecode);
            p += foreign->strides[1];
        }
    }
    return 0;
}

/* A native block is shared and, to copy it, duplicated from there. */
int
mo_foreign_take(mo_view *view, mo_floatmatrix_state *room, mo_foreign *foreign,
                int ndim, char typecode, mo_copy_mode mode)
{
    const char native = native_typecode(foreign);
    const bool is_shareable =
        native != 0 && (typecode == 0 || typecode == native);
    if (mode == MO_COPY_NEVER && !is_shareable) {
        PyErr_SetString(PyExc_ValueError,
                        "copy=False, but items of this type must be "
                        "converted; use copy=None");
        return -1;
    }
    if (native == 0) {
        return convert(view, room, foreign, ndim,
                       typecode ? typecode : MO_FLOAT64);
    }
    if (share(view, room, foreign, ndim) < 0) {
        return -1;
    }
    if (mode != MO_COPY_ALWAYS && is_shareable) {
        return 0;
    }
    StorageObject *storage = view->storage;
    int status = mo_view_duplicate(view, view, typecode ? typecode : native);
    Py_DECREF(storage);
    return status;
}

/* 1 if opened, 0 if obj has no memory to offer, or only a scalar's. */
static int
foreign_open(mo_foreign *foreign, PyObject *obj)
{
    int found = mo_foreign_from_buffer(foreign, obj);
    if (found == 0) {
        found = mo_foreign_from_interface(foreign, obj);
    }
    if (found == 0) {
        found = mo_foreign_from_dlpack(foreign, obj);
    }
    return found;
}

static int
check_ndim(const mo_foreign *foreign, int ndim)
{
    if (ndim < 0 || foreign->ndim == ndim) {
        return 0;
    }
    if (ndim == 2) {
        PyErr_Format(PyExc_ValueError,
                     "expected 2 dimensions, not %d; for a matrix of flat "
                     "data use FloatMatrix.from_iterable(rows, columns, data)",
                     foreign->ndim);
    }
    else {
        PyErr_Format(PyExc_ValueError, "expected 1 dimension, not %d",
                     foreign->ndim);
    }
    return -1;
}

int
mo_view_from_foreign(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
                     int ndim, char typecode, mo_copy_mode mode)
{
    mo_foreign foreign = {0};
    int status = foreign_open(&foreign, obj);
    if (status > 0 && foreign.ndim == 0 && ndim > 0) {
        status = 0; /* such as numpy.float64: not a sequence of anything */
    }
    if (status > 0) {
        int logical = ndim < 0 ? foreign.ndim : ndim;
        if (check_ndim(&foreign, ndim) < 0 ||
            mo_foreign_take(view, room, &foreign, logical, typecode, mode) <
                0) {
            status = -1;
        }
    }
    mo_foreign_release(&foreign);
    return status;
}
