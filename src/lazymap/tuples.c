/* tuples.c - the source behind LazyMap.batched() over anything but Sequences.
 *
 * An iterable of tuples of one LazyMap's values, and its iterator, which is
 * itself the source if that LazyMap is good for one pass only.  They own what
 * they read; the iterator lets go of it at the end. */
#include "lazymap/internal.h"

#include "state.h"

/* Both types; they differ in what `source` is. */
typedef struct {
    PyObject_HEAD
    PyObject *source; /* owned: a LazyMap, or an iterator; the latter is
                         NULL once exhausted */
    Py_ssize_t n;     /* items a tuple, at least 1 */
    bool strict;      /* a last one of fewer is an error */
} mo_tuples;

static int
tuples_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((mo_tuples *)op)->source);
    return 0;
}

/* A new reference, or NULL once exhausted. */
static PyObject *
source_of(PyObject *op)
{
    PyObject *source;
    MO_BEGIN_CRITICAL_SECTION(op);
    source = Py_XNewRef(((mo_tuples *)op)->source);
    MO_END_CRITICAL_SECTION();
    return source;
}

static int
tuple_iterator_clear(PyObject *op)
{
    PyObject *source;
    MO_BEGIN_CRITICAL_SECTION(op);
    source = ((mo_tuples *)op)->source;
    ((mo_tuples *)op)->source = NULL;
    MO_END_CRITICAL_SECTION();
    Py_XDECREF(source);
    return 0;
}

static void
tuples_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, tuples_dealloc);
    (void)tuple_iterator_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyObject *
tuples_alloc(PyTypeObject *type, PyObject *source, Py_ssize_t n, bool strict)
{
    mo_tuples *self = (mo_tuples *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->source = Py_NewRef(source);
    self->n = n;
    self->strict = strict;
    return (PyObject *)self;
}

/* The same batches, of a pass over the source. */
static PyObject *
tuple_iterator_over(mo_lazymap_state *state, PyObject *source, Py_ssize_t n,
                    bool strict)
{
    PyObject *iterator = PyObject_GetIter(source);
    if (iterator == NULL) {
        return NULL;
    }
    PyObject *op =
        tuples_alloc(state->tuple_iterator_type, iterator, n, strict);
    Py_DECREF(iterator);
    return op;
}

PyObject *
mo_tuples_new(mo_lazymap_state *state, PyObject *lazymap, Py_ssize_t n,
              bool strict)
{
    if (mo_check_batch_size(n) < 0) {
        return NULL;
    }
    if (((mo_lazymap *)lazymap)->kind == MO_ONE_SHOT) {
        return tuple_iterator_over(state, lazymap, n, strict);
    }
    return tuples_alloc(state->tuples_type, lazymap, n, strict);
}

static PyObject *
tuples_iter(PyObject *op)
{
    mo_tuples *self = (mo_tuples *)op;
    mo_lazymap_state *state = &mo_state_of(Py_TYPE(op))->lazymap;
    return tuple_iterator_over(state, self->source, self->n, self->strict);
}

/* A new list of the next n items at most, or NULL with an exception. */
static PyObject *
take(PyObject *iterator, Py_ssize_t n)
{
    PyObject *items = PyList_New(0);
    while (items != NULL && PyList_GET_SIZE(items) < n) {
        PyObject *item = PyIter_Next(iterator);
        if (item == NULL) {
            if (PyErr_Occurred()) {
                Py_CLEAR(items);
            }
            break;
        }
        if (PyList_Append(items, item) < 0) {
            Py_CLEAR(items);
        }
        Py_DECREF(item);
    }
    return items;
}

/* A list first, as n may be far more than there is. */
static PyObject *
tuple_iterator_next(PyObject *op)
{
    mo_tuples *self = (mo_tuples *)op;
    PyObject *iterator = source_of(op);
    if (iterator == NULL) {
        return NULL;
    }
    PyObject *items = take(iterator, self->n);
    Py_DECREF(iterator);
    if (items == NULL) {
        return NULL;
    }
    PyObject *batch = NULL;
    Py_ssize_t taken = PyList_GET_SIZE(items);
    if (taken < self->n) {
        (void)tuple_iterator_clear(op);
    }
    if (taken > 0 && taken < self->n && self->strict) {
        mo_raise_incomplete_batch();
    }
    else if (taken > 0) {
        batch = PyList_AsTuple(items);
    }
    Py_DECREF(items);
    return batch;
}

static PyObject *
tuples_repr(PyObject *op)
{
    mo_tuples *self = (mo_tuples *)op;
    PyObject *source = source_of(op);
    if (source == NULL) {
        return PyUnicode_FromString("<exhausted>.batched()");
    }
    PyObject *text = PyUnicode_FromFormat("%R.batched(%zd%s)", source, self->n,
                                          self->strict ? ", strict=True" : "");
    Py_DECREF(source);
    return text;
}

static PyObject *
tuples_reduce(PyObject *op, PyObject *ignored)
{
    mo_tuples *self = (mo_tuples *)op;
    PyObject *source = source_of(op);
    if (source == NULL && (source = PyTuple_New(0)) == NULL) {
        return NULL;
    }
    return Py_BuildValue("O(NnO)", Py_TYPE(op), source, self->n,
                         self->strict ? Py_True : Py_False);
}

/* Only for unpickling; arguments come from tuples_reduce or from an enemy. */
static PyObject *
tuples_new(PyTypeObject *cls, PyObject *args, PyObject *kwargs)
{
    mo_lazymap_state *state = &mo_state_of(cls)->lazymap;
    PyObject *source;
    Py_ssize_t n;
    int strict;
    if (!PyArg_ParseTuple(args, "Onp:batched", &source, &n, &strict) ||
        mo_check_batch_size(n) < 0) {
        return NULL;
    }
    if (cls == state->tuple_iterator_type) {
        return tuple_iterator_over(state, source, n, strict != 0);
    }
    if (!PyObject_TypeCheck(source, state->lazymap_type)) {
        PyErr_SetString(PyExc_TypeError, "_LazyMapTuples() needs a LazyMap");
        return NULL;
    }
    return tuples_alloc(cls, source, n, strict != 0);
}

static PyMethodDef tuples_methods[] = {
    {"__reduce__", tuples_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* --- The iterable: never changes, hence no tp_clear ------------------------ */

static PyType_Slot tuples_slots[] = {
    {Py_tp_new, tuples_new},
    {Py_tp_dealloc, tuples_dealloc},
    {Py_tp_traverse, tuples_traverse},
    {Py_tp_repr, tuples_repr},
    {Py_tp_iter, tuples_iter},
    {Py_tp_methods, tuples_methods},
    {0, NULL},
};

static PyType_Spec tuples_spec = {
    .name = "memopt._memopt._LazyMapTuples",
    .basicsize = sizeof(mo_tuples),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tuples_slots,
};

/* --- The iterator ----------------------------------------------------------- */

static PyType_Slot tuple_iterator_slots[] = {
    {Py_tp_new, tuples_new},
    {Py_tp_dealloc, tuples_dealloc},
    {Py_tp_traverse, tuples_traverse},
    {Py_tp_clear, tuple_iterator_clear},
    {Py_tp_repr, tuples_repr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, tuple_iterator_next},
    {Py_tp_methods, tuples_methods},
    {0, NULL},
};

static PyType_Spec tuple_iterator_spec = {
    .name = "memopt._memopt._LazyMapTupleIterator",
    .basicsize = sizeof(mo_tuples),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tuple_iterator_slots,
};

int
mo_tuples_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &tuples_spec, NULL);
    state->tuples_type = (PyTypeObject *)type;
    if (type == NULL || PyModule_AddType(module, state->tuples_type) < 0) {
        return -1;
    }
    type = PyType_FromModuleAndSpec(module, &tuple_iterator_spec, NULL);
    state->tuple_iterator_type = (PyTypeObject *)type;
    if (type == NULL) {
        return -1;
    }
    return PyModule_AddType(module, state->tuple_iterator_type);
}
