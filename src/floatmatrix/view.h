/* view.h - where the items of a FloatMatrix or FloatVector lie.
 *
 * A view is a storage, an offset and a stride per axis: the arithmetic of
 * NumPy's arrays and PEP 3118, always with two axes, a vector being its one
 * row.  Addresses are worked out at each access, because the storage moves
 * when the matrix grows.  Functions here run no Python code, but for the
 * allocation of objects. */
#ifndef MO_FLOATMATRIX_VIEW_H
#define MO_FLOATMATRIX_VIEW_H

#include "floatmatrix/storage.h"

#include <string.h>

typedef struct {
    /* Owned by the object that embeds the view, borrowed in a copy of it. */
    StorageObject *storage;
    Py_ssize_t offset;     /* bytes from storage->data to item [0, 0] */
    Py_ssize_t shape[2];   /* rows, columns; >= 0 */
    Py_ssize_t strides[2]; /* bytes to the next row, to the next column */
    int ndim;              /* 2: a matrix; 1: a vector, shape[0] being 1 */
    /* Made together with its storage, all of which it covers in C order:
     * it counts the memory as its own, and may grow it if a matrix. */
    bool is_owner;
} mo_view;

/* The instance of both types: FloatMatrix if view.ndim is 2, FloatVector if
 * it is 1.  Immutable but for an owner's shape and strides, which append() and
 * extend() change: the storage's critical section guards those. */
typedef struct {
    PyObject_HEAD
    mo_view view; /* owns view.storage */
    PyObject *weakrefs;
} ViewObject;

#define View_CAST(op) ((ViewObject *)(op))

static inline bool
mo_is_matrix(mo_floatmatrix_state *room, PyObject *op)
{
    return Py_IS_TYPE(op, room->FloatMatrixType);
}

static inline bool
mo_is_vector(mo_floatmatrix_state *room, PyObject *op)
{
    return Py_IS_TYPE(op, room->FloatVectorType);
}

/* The object's view as it is now, its storage borrowed from the object. */
static inline mo_view
mo_view_of(PyObject *op)
{
    mo_view view;
    MO_BEGIN_CRITICAL_SECTION(View_CAST(op)->view.storage);
    view = View_CAST(op)->view;
    MO_END_CRITICAL_SECTION();
    return view;
}

/* 8 or 4 bytes. */
static inline Py_ssize_t
mo_itemsize(char typecode)
{
    return typecode == MO_FLOAT64 ? 8 : 4;
}

static inline char *
mo_view_at(const mo_view *view, Py_ssize_t row, Py_ssize_t column)
{
    return view->storage->data + view->offset + row * view->strides[0] +
           column * view->strides[1];
}

/* Items may be unaligned where memory is shared. */
static inline double
mo_load(const char *p, char typecode)
{
    if (typecode == MO_FLOAT64) {
        double x;
        memcpy(&x, p, sizeof x);
        return x;
    }
    float y;
    memcpy(&y, p, sizeof y);
    return y;
}

/* Rounds to float where the item is one; what is too large becomes infinite,
 * as in array.array("f"). */
static inline void
mo_store(char *p, char typecode, double x)
{
    if (typecode == MO_FLOAT64) {
        memcpy(p, &x, sizeof x);
    }
    else {
        float y = (float)x;
        memcpy(p, &y, sizeof y);
    }
}

/* Item [row, column] of a view. */
static inline double
mo_view_load(const mo_view *view, Py_ssize_t row, Py_ssize_t column)
{
    double x;
    MO_BEGIN_CRITICAL_SECTION(view->storage);
    x = mo_load(mo_view_at(view, row, column), view->storage->typecode);
    MO_END_CRITICAL_SECTION();
    return x;
}

/* The logical axes of a view: rows and columns of a matrix, the columns of a
 * vector.  ndim values each. */
static inline const Py_ssize_t *
mo_view_shape(const mo_view *view)
{
    return &view->shape[2 - view->ndim];
}

static inline const Py_ssize_t *
mo_view_strides(const mo_view *view)
{
    return &view->strides[2 - view->ndim];
}

/* Loops over rows ask this first: rows without columns cost no memory, so
 * there may be more of them than anyone can wait for. */
static inline bool
mo_view_is_empty(const mo_view *view)
{
    return view->shape[0] == 0 || view->shape[1] == 0;
}

static inline bool
mo_same_shape(const mo_view *a, const mo_view *b)
{
    return a->shape[0] == b->shape[0] && a->shape[1] == b->shape[1];
}

/* rows * columns * itemsize, or -1 with MemoryError if that is too much. */
Py_ssize_t
mo_block_bytes(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t itemsize);

/* All of a storage that is the view's own.  Takes over the reference. */
void
mo_view_cover(mo_view *view, StorageObject *storage, int ndim, Py_ssize_t rows,
              Py_ssize_t columns);

/* A view over a new storage, to which it owns a reference. */
int
mo_view_new(mo_view *view, mo_floatmatrix_state *room, char typecode, int ndim,
            Py_ssize_t rows, Py_ssize_t columns, bool zeroed);

/* The FloatMatrix or FloatVector with this view.  Takes over the reference
 * to view->storage, also on failure. */
PyObject *
mo_view_object(const mo_view *view);

/* The same for a view of another object's storage. */
PyObject *
mo_view_subobject(const mo_view *view);

/* Row `index` as a vector; a borrowed storage. */
mo_view
mo_view_row(const mo_view *view, Py_ssize_t index);

mo_view
mo_view_transpose(const mo_view *view);

/* Makes it a vector of all items, row after row; false, with the view as it was,
 * if there is no one step from each to the next. */
bool
mo_view_flatten(mo_view *view);

bool
mo_view_is_contiguous(const mo_view *view);

/* Copies every item, right even if the two overlap.  Shapes are equal, or
 * neither has rows.  0, or -1 with MemoryError before anything is copied;
 * only overlapping views need memory. */
int
mo_view_copy(const mo_view *to, const mo_view *from);

/* The same for views that do not overlap, of which the caller has locked both
 * storages. */
void
mo_view_copy_lock_held(const mo_view *to, const mo_view *from);

/* A contiguous copy with a storage of its own, to which it owns a reference.
 * `copy` may be `view`. */
int
mo_view_duplicate(mo_view *copy, const mo_view *view, char typecode);

/* Whether shapes and all items are equal; a NaN equals nothing. */
bool
mo_view_equal(const mo_view *a, const mo_view *b);

#endif
