/* slices.c - the source behind LazyMap.batched() over Sequences.
 *
 * A Sequence of slices of one LazyMap, each made when it is asked for; its
 * length follows that LazyMap's.  Owns the LazyMap, and never changes. */
#include "lazymap/internal.h"

#include "state.h"

typedef struct {
    PyObject_HEAD
    mo_lazymap *lazymap; /* owned, of kind MO_SEQUENCE */
    Py_ssize_t n;        /* items a slice, at least 1 */
    bool strict;         /* a last one of fewer is an error */
} mo_slices;

static int
slices_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((mo_slices *)op)->lazymap);
    return 0;
}

static void
slices_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, slices_dealloc);
    Py_CLEAR(((mo_slices *)op)->lazymap);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

int
mo_check_batch_size(Py_ssize_t n)
{
    if (n >= 1) {
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "n must be at least one");
    return -1;
}

void
mo_raise_incomplete_batch(void)
{
    PyErr_SetString(PyExc_ValueError, "LazyMap.batched(): incomplete batch");
}

static Py_ssize_t
saturated_product(Py_ssize_t a, Py_ssize_t b)
{
    return a > PY_SSIZE_T_MAX / b ? PY_SSIZE_T_MAX : a * b;
}

Py_ssize_t
mo_slices_length(PyObject *op, Py_ssize_t limit)
{
    mo_slices *self = (mo_slices *)op;
    Py_ssize_t items =
        mo_lazymap_length(self->lazymap, saturated_product(limit, self->n));
    return items <= 0 ? items : (items - 1) / self->n + 1;
}

static Py_ssize_t
slices_length(PyObject *op)
{
    return mo_slices_length(op, PY_SSIZE_T_MAX);
}

bool
mo_slices_may_pull(PyObject *op)
{
    return ((mo_slices *)op)->lazymap->may_pull;
}

PyObject *
mo_slices_new(mo_lazymap_state *state, PyObject *lazymap, Py_ssize_t n,
              bool strict)
{
    mo_lazymap *source = (mo_lazymap *)lazymap;
    if (mo_check_batch_size(n) < 0) {
        return NULL;
    }
    if (strict && !source->may_pull) {
        Py_ssize_t length = mo_lazymap_length(source, PY_SSIZE_T_MAX);
        if (length < 0) {
            return NULL;
        }
        if (length % n != 0) {
            mo_raise_incomplete_batch();
            return NULL;
        }
    }
    mo_slices *self = (mo_slices *)PyType_GenericAlloc(state->slices_type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->lazymap = (mo_lazymap *)Py_NewRef(lazymap);
    self->n = n;
    self->strict = strict;
    return (PyObject *)self;
}

/* A new slice object first:last, or NULL. */
static PyObject *
slice_between(Py_ssize_t first, Py_ssize_t last)
{
    PyObject *start = PyLong_FromSsize_t(first);
    PyObject *stop = PyLong_FromSsize_t(last);
    PyObject *slice = start && stop ? PySlice_New(start, stop, NULL) : NULL;
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return slice;
}

PyObject *
mo_slices_get(PyObject *op, Py_ssize_t index)
{
    mo_slices *self = (mo_slices *)op;
    if (index > PY_SSIZE_T_MAX / self->n) {
        return NULL;
    }
    Py_ssize_t first = index * self->n;
    Py_ssize_t last =
        first > PY_SSIZE_T_MAX - self->n ? PY_SSIZE_T_MAX : first + self->n;
    PyObject *slice = slice_between(first, last);
    PyObject *batch = slice ? mo_lazymap_slice(self->lazymap, slice) : NULL;
    Py_XDECREF(slice);
    if (batch == NULL) {
        return NULL;
    }
    Py_ssize_t length = mo_lazymap_length((mo_lazymap *)batch, PY_SSIZE_T_MAX);
    if (length > 0 && self->strict && length < self->n) {
        mo_raise_incomplete_batch();
        length = -1;
    }
    if (length <= 0) {
        Py_CLEAR(batch);
    }
    return batch;
}

static PyObject *
slices_item(PyObject *op, Py_ssize_t index)
{
    PyObject *batch = index < 0 ? NULL : mo_slices_get(op, index);
    if (batch == NULL && !PyErr_Occurred()) {
        mo_raise_index_error();
    }
    return batch;
}

static PyObject *
slices_repr(PyObject *op)
{
    mo_slices *self = (mo_slices *)op;
    return PyUnicode_FromFormat("%R.batched(%zd%s)", self->lazymap, self->n,
                                self->strict ? ", strict=True" : "");
}

static PyObject *
slices_reduce(PyObject *op, PyObject *ignored)
{
    mo_slices *self = (mo_slices *)op;
    return Py_BuildValue("O(OnO)", Py_TYPE(op), self->lazymap, self->n,
                         self->strict ? Py_True : Py_False);
}

/* Only for unpickling; arguments come from slices_reduce or from an enemy. */
static PyObject *
slices_new(PyTypeObject *cls, PyObject *args, PyObject *kwargs)
{
    mo_lazymap_state *state = &mo_state_of(cls)->lazymap;
    PyObject *lazymap;
    Py_ssize_t n;
    int strict;
    if (!PyArg_ParseTuple(args, "O!np:_LazyMapSlices", state->lazymap_type,
                          &lazymap, &n, &strict)) {
        return NULL;
    }
    if (((mo_lazymap *)lazymap)->kind != MO_SEQUENCE) {
        PyErr_SetString(PyExc_TypeError,
                        "_LazyMapSlices() needs a LazyMap over Sequences");
        return NULL;
    }
    return mo_slices_new(state, lazymap, n, strict != 0);
}

static PyMethodDef slices_methods[] = {
    {"__reduce__", slices_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slices_slots[] = {
    {Py_tp_new, slices_new},           {Py_tp_dealloc, slices_dealloc},
    {Py_tp_traverse, slices_traverse}, {Py_tp_repr, slices_repr},
    {Py_sq_length, slices_length},     {Py_sq_item, slices_item},
    {Py_tp_methods, slices_methods},   {0, NULL},
};

static PyType_Spec slices_spec = {
    .name = "memopt._memopt._LazyMapSlices",
    .basicsize = sizeof(mo_slices),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_SEQUENCE,
    .slots = slices_slots,
};

int
mo_slices_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &slices_spec, NULL);
    state->slices_type = (PyTypeObject *)type;
    return type == NULL ? -1 : PyModule_AddType(module, state->slices_type);
}
