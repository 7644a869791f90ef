/* view.c - see view.h. */
#include "floatmatrix/view.h"

Py_ssize_t
mo_block_bytes(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t itemsize)
{
    assert(rows >= 0 && columns >= 0 && itemsize > 0);
    if (rows > 0 && columns > PY_SSIZE_T_MAX / itemsize / rows) {
        PyErr_NoMemory();
        return -1;
    }
    return rows * columns * itemsize;
}

void
mo_view_cover(mo_view *view, StorageObject *storage, int ndim, Py_ssize_t rows,
              Py_ssize_t columns)
{
    Py_ssize_t size = mo_itemsize(storage->typecode);
    *view = (mo_view){
        .storage = storage,
        .shape = {rows, columns},
        /* With no rows, columns may be any number: then no stride is used. */
        .strides = {rows > 0 ? columns * size : size, size},
        .ndim = ndim,
        .is_owner = true,
    };
}

int
mo_view_new(mo_view *view, mo_floatmatrix_state *room, char typecode, int ndim,
            Py_ssize_t rows, Py_ssize_t columns, bool zeroed)
{
    Py_ssize_t bytes = mo_block_bytes(rows, columns, mo_itemsize(typecode));
    if (bytes < 0) {
        return -1;
    }
    StorageObject *storage = mo_storage_new(room, typecode, bytes, zeroed);
    if (storage == NULL) {
        return -1;
    }
    mo_view_cover(view, storage, ndim, rows, columns);
    return 0;
}

PyObject *
mo_view_object(const mo_view *view)
{
    mo_floatmatrix_state *room = view->storage->room;
    PyTypeObject *type =
        view->ndim == 2 ? room->FloatMatrixType : room->FloatVectorType;
    PyObject *op = type->tp_alloc(type, 0);
    if (op == NULL) {
        Py_DECREF(view->storage);
        return NULL;
    }
    View_CAST(op)->view = *view;
    return op;
}

PyObject *
mo_view_subobject(const mo_view *view)
{
    mo_view part = *view;
    part.is_owner = false;
    Py_INCREF(part.storage);
    return mo_view_object(&part);
}

mo_view
mo_view_row(const mo_view *view, Py_ssize_t index)
{
    mo_view row = *view;
    row.offset += index * view->strides[0];
    row.shape[0] = 1;
    row.ndim = 1;
    row.is_owner = false;
    return row;
}

mo_view
mo_view_transpose(const mo_view *view)
{
    mo_view turned = *view;
    for (int axis = 0; axis < 2; axis++) {
        turned.shape[axis] = view->shape[1 - axis];
        turned.strides[axis] = view->strides[1 - axis];
    }
    turned.is_owner = false;
    return turned;
}

bool
mo_view_flatten(mo_view *view)
{
    const Py_ssize_t *shape = view->shape, *strides = view->strides;
    if (!mo_view_is_empty(view) && shape[0] > 1 && shape[1] > 1 &&
        strides[0] != shape[1] * strides[1]) {
        return false;
    }
    if (shape[1] == 1) {
        view->strides[1] = strides[0]; /* a column */
    }
    view->shape[1] = shape[0] * shape[1];
    view->shape[0] = 1;
    view->ndim = 1;
    view->is_owner = false;
    return true;
}

bool
mo_view_is_contiguous(const mo_view *view)
{
    Py_ssize_t size = mo_itemsize(view->storage->typecode);
    const Py_ssize_t *shape = view->shape, *strides = view->strides;
    return mo_view_is_empty(view) ||
           ((shape[1] == 1 || strides[1] == size) &&
            (shape[0] == 1 || strides[0] == shape[1] * size));
}

/* The addresses [low, high) that a view with items lies in. */
static void
extent(const mo_view *view, uintptr_t *low, uintptr_t *high)
{
    *low = *high = (uintptr_t)mo_view_at(view, 0, 0);
    for (int axis = 0; axis < 2; axis++) {
        Py_ssize_t span = (view->shape[axis] - 1) * view->strides[axis];
        uintptr_t *end = span < 0 ? low : high;
        *end += (uintptr_t)span;
    }
    *high += (uintptr_t)mo_itemsize(view->storage->typecode);
}

/* By address, since two storages may share one foreign buffer. */
static bool
may_overlap(const mo_view *a, const mo_view *b)
{
    uintptr_t a_low, a_high, b_low, b_high;
    extent(a, &a_low, &a_high);
    extent(b, &b_low, &b_high);
    return a_low < b_high && b_low < a_high;
}

/* One row, between views that do not overlap.  Equal types are copied as
 * bytes, which keeps the payload of every NaN. */
static void
copy_row(const mo_view *to, const mo_view *from, Py_ssize_t row)
{
    const char to_type = to->storage->typecode;
    const char from_type = from->storage->typecode;
    const size_t size = (size_t)mo_itemsize(to_type);
    const Py_ssize_t columns = to->shape[1];
    const bool is_dense = to->strides[1] == (Py_ssize_t)size &&
                          from->strides[1] == (Py_ssize_t)size;
    if (to_type == from_type && is_dense) {
        memcpy(mo_view_at(to, row, 0), mo_view_at(from, row, 0),
               (size_t)columns * size);
        return;
    }
    char *target = mo_view_at(to, row, 0);
    const char *source = mo_view_at(from, row, 0);
    for (Py_ssize_t j = 0; j < columns; j++) {
        if (to_type == from_type) {
            memcpy(target, source, size);
        }
        else {
            mo_store(target, to_type, mo_load(source, from_type));
        }
        target += to->strides[1];
        source += from->strides[1];
    }
}

void
mo_view_copy_lock_held(const mo_view *to, const mo_view *from)
{
    if (mo_view_is_empty(to)) {
        return;
    }
    assert(mo_same_shape(to, from));
    for (Py_ssize_t i = 0; i < to->shape[0]; i++) {
        copy_row(to, from, i);
    }
}

/* False, and nothing copied, if the views overlap. */
static bool
copy_apart(const mo_view *to, const mo_view *from)
{
    bool apart;
    MO_BEGIN_CRITICAL_SECTION2(to->storage, from->storage);
    apart = mo_view_is_empty(to) || !may_overlap(to, from);
    if (apart) {
        mo_view_copy_lock_held(to, from);
    }
    MO_END_CRITICAL_SECTION2();
    return apart;
}

int
mo_view_copy(const mo_view *to, const mo_view *from)
{
    mo_view between;
    if (copy_apart(to, from)) {
        return 0;
    }
    if (mo_view_duplicate(&between, from, from->storage->typecode) < 0) {
        return -1;
    }
    (void)copy_apart(to, &between);
    Py_DECREF(between.storage);
    return 0;
}

int
mo_view_duplicate(mo_view *copy, const mo_view *view, char typecode)
{
    const mo_view from = *view; /* copy and view may be one */
    if (mo_view_new(copy, from.storage->room, typecode, from.ndim,
                    from.shape[0], from.shape[1], false) < 0) {
        return -1;
    }
    (void)copy_apart(copy, &from); /* new memory cannot overlap */
    return 0;
}

static bool
equal_lock_held(const mo_view *a, const mo_view *b)
{
    if (!mo_same_shape(a, b) || mo_view_is_empty(a)) {
        return mo_same_shape(a, b);
    }
    const char a_type = a->storage->typecode, b_type = b->storage->typecode;
    for (Py_ssize_t i = 0; i < a->shape[0]; i++) {
        for (Py_ssize_t j = 0; j < a->shape[1]; j++) {
            if (mo_load(mo_view_at(a, i, j), a_type) !=
                mo_load(mo_view_at(b, i, j), b_type)) {
                return false;
            }
        }
    }
    return true;
}

bool
mo_view_equal(const mo_view *a, const mo_view *b)
{
    bool equal;
    MO_BEGIN_CRITICAL_SECTION2(a->storage, b->storage);
    equal = equal_lock_held(a, b);
    MO_END_CRITICAL_SECTION2();
    return equal;
}
