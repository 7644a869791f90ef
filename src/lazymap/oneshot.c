/* oneshot.c - the type LazyMapIterator: a LazyMap over an iterator.
 *
 * It is a subtype of LazyMap with a next() of its own, so that a LazyMap that
 * can be read again is not taken for an iterator, which some libraries treat
 * differently.  Its sources become their iterators at the first next(), and
 * NULL at the end. */
#include "lazymap/internal.h"

typedef struct {
    mo_lazymap base;
    PyObject *iterator; /* owned, of iterator.c; NULL before the first next(),
                      then the same to the end */
} mo_oneshot;

static int
oneshot_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((mo_oneshot *)op)->iterator);
    return mo_lazymap_traverse_fields(op, visit, arg);
}

static int
oneshot_clear(PyObject *op)
{
    mo_oneshot *self = (mo_oneshot *)op;
    Py_CLEAR(self->iterator);
    Py_CLEAR(self->base.sources);
    return 0;
}

static void
oneshot_dealloc(PyObject *op)
{
    mo_oneshot *self = (mo_oneshot *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, oneshot_dealloc);
    PyObject_ClearWeakRefs(op);
    Py_CLEAR(self->iterator);
    mo_lazymap_release_fields(op);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyObject *
oneshot_iter(PyObject *op)
{
    PyObject *sources = mo_lazymap_sources(op);
    Py_XDECREF(sources);
    if (sources == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        "LazyMap over a one-shot iterator is exhausted; use "
                        ".cached() before the first pass to have more");
        return NULL;
    }
    return Py_NewRef(op);
}

/* A new tuple of iter(source) for each of the sources. */
static PyObject *
iterators_of(PyObject *sources)
{
    Py_ssize_t n = PyTuple_GET_SIZE(sources);
    PyObject *iterators = PyTuple_New(n);
    if (iterators == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *it = PyObject_GetIter(PyTuple_GET_ITEM(sources, i));
        if (it == NULL) {
            Py_DECREF(iterators);
            return NULL;
        }
        PyTuple_SET_ITEM(iterators, i, it);
    }
    return iterators;
}

/* Not done at construction: iter() may start work, such as processes.  Not
 * inlined, so that oneshot_next saves no registers for it. */
static MO_NOINLINE PyObject *
start_pass(mo_oneshot *self)
{
    PyObject *sources = mo_lazymap_sources((PyObject *)self);
    PyObject *iterators = sources ? iterators_of(sources) : NULL;
    Py_XDECREF(sources);
    if (iterators == NULL) {
        return NULL;
    }
    PyObject *iterator =
        mo_iterator_new(self->base.state, NULL, self->base.chain, iterators,
                        NULL, self->base.strict);
    if (iterator == NULL) {
        Py_DECREF(iterators);
        return NULL;
    }
    /* Unless an __iter__, or another thread, has called next(self). */
    MO_BEGIN_CRITICAL_SECTION(self);
    if (self->iterator == NULL) {
        PyObject *before = self->base.sources;
        self->base.sources = iterators;
        iterators = before;
        MO_STORE_POINTER(&self->iterator, Py_NewRef(iterator));
    }
    MO_END_CRITICAL_SECTION();
    Py_XDECREF(iterators);
    Py_DECREF(iterator);
    return MO_LOAD_POINTER(&self->iterator);
}

/* Lets go of the sources at the end.  Not inlined, as start_pass. */
static MO_NOINLINE void
end_pass(PyObject *op)
{
    PyObject *sources;
    MO_BEGIN_CRITICAL_SECTION(op);
    sources = ((mo_lazymap *)op)->sources;
    ((mo_lazymap *)op)->sources = NULL;
    MO_END_CRITICAL_SECTION();
    Py_XDECREF(sources);
}

static PyObject *
oneshot_next(PyObject *op)
{
    mo_oneshot *self = (mo_oneshot *)op;
    PyObject *iterator = MO_LOAD_POINTER(&self->iterator);
    if (MO_UNLIKELY(iterator == NULL)) {
        iterator = start_pass(self);
        if (iterator == NULL) {
            return NULL;
        }
    }
    PyObject *value = mo_iterator_next(iterator);
    if (value == NULL && mo_iterator_ended(iterator)) {
        end_pass(op);
    }
    return value;
}

/* The least hint of the sources: -1 if one has none, -2 with an exception. */
static Py_ssize_t
remaining_before_start(const mo_lazymap *self, PyObject *sources)
{
    Py_ssize_t least = PY_SSIZE_T_MAX;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sources) && least >= 0; i++) {
        Py_ssize_t n = PyObject_LengthHint(PyTuple_GET_ITEM(sources, i), -1);
        if (n < 0) {
            n = PyErr_Occurred() ? -2 : -1;
        }
        least = n < least ? n : least;
    }
    return self->chain->filters && least >= 0 ? -1 : least;
}

static PyObject *
oneshot_length_hint(PyObject *op, PyObject *ignored)
{
    mo_oneshot *self = (mo_oneshot *)op;
    PyObject *iterator = MO_LOAD_POINTER(&self->iterator);
    PyObject *sources = mo_lazymap_sources(op);
    Py_ssize_t n = 0;
    if (iterator != NULL) {
        n = mo_iterator_remaining(iterator);
    }
    else if (sources != NULL) {
        n = remaining_before_start(&self->base, sources);
    }
    Py_XDECREF(sources);
    if (n == -1) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(oneshot_doc,
"LazyMapIterator(func, iterable, /, *iterables, strict=False)\n--\n\n"
"A LazyMap good for one pass: what LazyMap() returns over an iterator.\n\n"
"It is its own iterator, as map() is.  len(), indices, slices and reversed()\n"
"raise TypeError, and iter() after the last value raises RuntimeError where\n"
"map() would silently give nothing; .cached() makes a Sequence of it.\n\n"
">>> lengths = memopt.LazyMap(len, iter(['a', 'bcd']))\n"
">>> next(lengths), list(lengths)\n"
"(1, [3])");

static PyMethodDef oneshot_methods[] = {
    {"__length_hint__", oneshot_length_hint, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot oneshot_slots[] = {
    {Py_tp_doc, (void *)oneshot_doc},   {Py_tp_dealloc, oneshot_dealloc},
    {Py_tp_traverse, oneshot_traverse}, {Py_tp_clear, oneshot_clear},
    {Py_tp_iter, oneshot_iter},         {Py_tp_iternext, oneshot_next},
    {Py_tp_methods, oneshot_methods},   {0, NULL},
};

static PyType_Spec oneshot_spec = {
    .name = "memopt.LazyMapIterator",
    .basicsize = sizeof(mo_oneshot),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = oneshot_slots,
};

int
mo_oneshot_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &oneshot_spec,
                                              (PyObject *)state->lazymap_type);
    state->oneshot_type = (PyTypeObject *)type;
    return type == NULL ? -1 : PyModule_AddType(module, state->oneshot_type);
}
