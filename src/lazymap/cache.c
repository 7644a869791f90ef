/* cache.c - the source behind LazyMap.cached(): values kept once computed.
 *
 * Over a LazyMap that is a Sequence it computes an item when that index is
 * asked for, in any order.  Over anything else it reads an iterator, in order
 * and one item at a time: under a lock, so that each value lands at its own
 * index even if other threads, or the functions that it runs, want items too.
 * It owns its values, and its source for as long as there is more to read; its
 * critical section, which is let go of while Python code runs, guards those. */
#include "lazymap/internal.h"
#include "lazymap/pages.h"

#include "state.h"

typedef struct {
    PyObject_HEAD
    mo_lazymap_state *state; /* borrowed from the module */
    PyObject *source;        /* owned.  If indexed, the LazyMap.  Else an
                                iterator, or the LazyMap to take it of at the
                                first need; NULL once it is exhausted */
    mo_pages values;         /* by index */
    Py_ssize_t pulled;       /* unless indexed: values 0..pulled-1 are there */
    bool indexed;            /* the source is a Sequence */
    PyThread_type_lock lock; /* unless indexed: held while reading */
    unsigned long holder;    /* the thread that holds it; 0 for none */
} mo_cache;

static int
cache_traverse(PyObject *op, visitproc visit, void *arg)
{
    mo_cache *self = (mo_cache *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->source);
    return mo_pages_traverse(&self->values, visit, arg);
}

static int
cache_clear(PyObject *op)
{
    mo_cache *self = (mo_cache *)op;
    Py_CLEAR(self->source);
    self->pulled = 0;
    mo_pages_clear(&self->values);
    return 0;
}

static void
cache_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, cache_dealloc);
    (void)cache_clear(op);
    if (((mo_cache *)op)->lock != NULL) {
        PyThread_free_lock(((mo_cache *)op)->lock);
    }
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

/* A cache with no values yet.  source may be NULL: nothing to read. */
static mo_cache *
cache_alloc(mo_lazymap_state *state, PyObject *source, bool indexed)
{
    mo_cache *self = (mo_cache *)PyType_GenericAlloc(state->cache_type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->source = Py_XNewRef(source);
    self->indexed = indexed;
    if (!indexed) {
        self->lock = PyThread_allocate_lock();
        if (self->lock == NULL) {
            Py_DECREF(self);
            PyErr_NoMemory();
            return NULL;
        }
    }
    return self;
}

PyObject *
mo_cache_new(mo_lazymap_state *state, PyObject *lazymap)
{
    mo_kind kind = ((mo_lazymap *)lazymap)->kind;
    if (kind != MO_ONE_SHOT) {
        return (PyObject *)cache_alloc(state, lazymap, kind == MO_SEQUENCE);
    }
    PyObject *iterator = PyObject_GetIter(lazymap); /* fails if exhausted */
    if (iterator == NULL) {
        return NULL;
    }
    mo_cache *self = cache_alloc(state, iterator, false);
    Py_DECREF(iterator);
    return (PyObject *)self;
}

bool
mo_cache_pulls(PyObject *op)
{
    return !((mo_cache *)op)->indexed;
}

bool
mo_cache_may_pull(PyObject *op)
{
    mo_cache *self = (mo_cache *)op;
    PyObject *source = MO_LOAD_POINTER(&self->source);
    return source != NULL &&
           (!self->indexed || ((mo_lazymap *)source)->may_pull);
}

/* --- Reading an iterator -------------------------------------------------- */

static int
acquire(mo_cache *self)
{
    unsigned long me = PyThread_get_thread_ident();
    if (!PyThread_acquire_lock(self->lock, NOWAIT_LOCK)) {
        if (self->holder == me) {
            PyErr_SetString(PyExc_RuntimeError,
                            "computing a value of a cached LazyMap needs "
                            "that value, or a later one");
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(self->lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
    }
    self->holder = me;
    return 0;
}

static void
release(mo_cache *self)
{
    self->holder = 0;
    PyThread_release_lock(self->lock);
}

/* Sets the source, to NULL at the end. */
static void
set_source(mo_cache *self, PyObject *source)
{
    PyObject *before = self->source;
    MO_STORE_POINTER(&self->source, source);
    Py_DECREF(before);
}

/* Reads one more item: 1, 0 at the end, or -1 with an exception. */
static int
pull_lock_held(mo_cache *self)
{
    /* Room first: an item that was read must not be lost. */
    if (mo_pages_slot(&self->values, self->pulled) == NULL) {
        return -1;
    }
    if (!PyIter_Check(self->source)) {
        PyObject *iterator = PyObject_GetIter(self->source);
        if (iterator == NULL) {
            return -1;
        }
        set_source(self, iterator);
    }
    PyObject *iterator = Py_NewRef(self->source);
    PyObject *value = PyIter_Next(iterator);
    Py_DECREF(iterator);
    if (value == NULL) {
        if (PyErr_Occurred()) {
            return -1;
        }
        set_source(self, NULL);
        return 0;
    }
    *mo_pages_slot(&self->values, self->pulled) = value;
    self->pulled++;
    return 1;
}

/* Reads until there are n items: 1, 0 if there are fewer, -1. */
static int
pull_to_lock_held(mo_cache *self, Py_ssize_t n)
{
    while (self->pulled < n) {
        if (self->source == NULL) {
            return 0;
        }
        if (acquire(self) < 0) {
            return -1;
        }
        int status = 1; /* another thread may have done it meanwhile */
        if (self->pulled < n && self->source != NULL) {
            status = pull_lock_held(self);
        }
        release(self);
        if (status < 0) {
            return -1;
        }
    }
    return 1;
}

/* The item, if it can be had by reading on. */
static PyObject *
pulled_item(mo_cache *self, Py_ssize_t index)
{
    PyObject *value = NULL;
    MO_BEGIN_CRITICAL_SECTION(self);
    if (pull_to_lock_held(self, index + 1) > 0) {
        value = Py_NewRef(mo_pages_get(&self->values, index));
    }
    MO_END_CRITICAL_SECTION();
    return value;
}

/* How many there are, having read until there are n; -1 with an exception. */
static Py_ssize_t
pulled_length(mo_cache *self, Py_ssize_t n)
{
    Py_ssize_t length;
    MO_BEGIN_CRITICAL_SECTION(self);
    length = pull_to_lock_held(self, n) < 0 ? -1 : self->pulled;
    MO_END_CRITICAL_SECTION();
    return length;
}

/* --- Items and length ------------------------------------------------------ */

/* The value that is there, a new reference, or NULL. */
static PyObject *
kept_item(mo_cache *self, Py_ssize_t index)
{
    PyObject *value;
    MO_BEGIN_CRITICAL_SECTION(self);
    value = Py_XNewRef(mo_pages_get(&self->values, index));
    MO_END_CRITICAL_SECTION();
    return value;
}

/* Keeps a value, unless there is one meanwhile, computed by the functions
 * themselves or another thread: the first stays the value.  That, a new
 * reference, or NULL with MemoryError. */
static PyObject *
keep_item(mo_cache *self, Py_ssize_t index, PyObject *value)
{
    PyObject *kept = NULL;
    MO_BEGIN_CRITICAL_SECTION(self);
    PyObject **slot = mo_pages_slot(&self->values, index);
    if (slot != NULL) {
        if (*slot == NULL) {
            *slot = Py_NewRef(value);
        }
        kept = Py_NewRef(*slot);
    }
    MO_END_CRITICAL_SECTION();
    return kept;
}

static PyObject *
computed_item(mo_cache *self, Py_ssize_t index)
{
    PyObject *value = mo_lazymap_item((mo_lazymap *)self->source, index);
    if (value == NULL) {
        return NULL;
    }
    PyObject *kept = keep_item(self, index, value);
    Py_DECREF(value);
    return kept;
}

PyObject *
mo_cache_get(PyObject *op, Py_ssize_t index)
{
    mo_cache *self = (mo_cache *)op;
    if (index == PY_SSIZE_T_MAX) {
        return NULL; /* no len() gets there */
    }
    if (!self->indexed) {
        return pulled_item(self, index);
    }
    Py_ssize_t length = mo_cache_length(op, index + 1);
    if (index >= length) {
        return NULL; /* length < 0: with an exception */
    }
    PyObject *value = kept_item(self, index);
    return value ? value : computed_item(self, index);
}

Py_ssize_t
mo_cache_length(PyObject *op, Py_ssize_t limit)
{
    mo_cache *self = (mo_cache *)op;
    if (self->indexed) {
        return self->source
                   ? mo_lazymap_length((mo_lazymap *)self->source, limit)
                   : 0;
    }
    return pulled_length(self, limit);
}

static Py_ssize_t
cache_length(PyObject *op)
{
    return mo_cache_length(op, PY_SSIZE_T_MAX);
}

static PyObject *
cache_item(PyObject *op, Py_ssize_t index)
{
    PyObject *value = index < 0 ? NULL : mo_cache_get(op, index);
    if (value == NULL && !PyErr_Occurred()) {
        mo_raise_index_error();
    }
    return value;
}

/* A new reference, or NULL once an iterator is exhausted. */
static PyObject *
source_of(mo_cache *self)
{
    PyObject *source;
    MO_BEGIN_CRITICAL_SECTION(self);
    source = Py_XNewRef(self->source);
    MO_END_CRITICAL_SECTION();
    return source;
}

static PyObject *
cache_repr(PyObject *op)
{
    mo_cache *self = (mo_cache *)op;
    PyObject *source = source_of(self);
    if (source == NULL) { /* which is why there will be no more values */
        return PyUnicode_FromFormat("<%zd values>.cached()", self->pulled);
    }
    PyObject *text = PyUnicode_FromFormat("%R.cached()", source);
    Py_DECREF(source);
    return text;
}

/* --- Pickling: (type, (source or None, values)) ---------------------------- */

static PyObject *
values_by_index(mo_cache *self, Py_ssize_t length)
{
    PyObject *values = PyDict_New();
    Py_ssize_t end;
    MO_BEGIN_CRITICAL_SECTION(self);
    end = Py_MIN(self->values.n_pages * MO_PAGE_ITEMS, length);
    MO_END_CRITICAL_SECTION();
    for (Py_ssize_t i = 0; values != NULL && i < end; i++) {
        PyObject *value = kept_item(self, i);
        if (value == NULL) {
            continue;
        }
        PyObject *key = PyLong_FromSsize_t(i);
        if (key == NULL || PyDict_SetItem(values, key, value) < 0) {
            Py_CLEAR(values);
        }
        Py_XDECREF(key);
        Py_DECREF(value);
    }
    return values;
}

static PyObject *
values_in_order(mo_cache *self)
{
    PyObject *values = PyList_New(0), *value;
    for (Py_ssize_t i = 0; values != NULL; i++) {
        value = kept_item(self, i);
        if (value == NULL) {
            break;
        }
        if (PyList_Append(values, value) < 0) {
            Py_CLEAR(values);
        }
        Py_DECREF(value);
    }
    return values;
}

static PyObject *
cache_reduce(PyObject *op, PyObject *ignored)
{
    mo_cache *self = (mo_cache *)op;
    PyObject *values;
    if (self->indexed) {
        Py_ssize_t length = cache_length(op);
        values = length < 0 ? NULL : values_by_index(self, length);
    }
    else {
        values = values_in_order(self);
    }
    if (values == NULL) {
        return NULL;
    }
    PyObject *source = source_of(self);
    return Py_BuildValue("O(NN)", Py_TYPE(op),
                         source ? source : Py_NewRef(Py_None), values);
}

/* Runs no Python code but to raise. */
static int
fill_lock_held(mo_cache *self, PyObject *values, Py_ssize_t length)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(values, &position, &key, &value)) {
        Py_ssize_t i = PyLong_CheckExact(key) ? PyLong_AsSsize_t(key) : -1;
        if (i < 0 || i >= length) {
            PyErr_Clear();  /* of an int that is too large */
            Py_INCREF(key); /* its repr() may be Python code */
            PyErr_Format(PyExc_ValueError,
                         "%R is no index of the cached LazyMap", key);
            Py_DECREF(key);
            return -1;
        }
        PyObject **slot = mo_pages_slot(&self->values, i);
        if (slot == NULL) {
            return -1;
        }
        *slot = Py_NewRef(value);
    }
    return 0;
}

static int
fill_by_index(mo_cache *self, PyObject *values)
{
    int status;
    Py_ssize_t length = cache_length((PyObject *)self);
    if (length < 0) {
        return -1;
    }
    MO_BEGIN_CRITICAL_SECTION(values);
    status = fill_lock_held(self, values, length);
    MO_END_CRITICAL_SECTION();
    return status;
}

static int
fill_in_order(mo_cache *self, PyObject *values)
{
    PyObject *value;
    for (Py_ssize_t i = 0; (value = mo_list_item(values, i)) != NULL; i++) {
        PyObject **slot = mo_pages_slot(&self->values, i);
        if (slot == NULL) {
            Py_DECREF(value);
            return -1;
        }
        *slot = value;
        self->pulled = i + 1;
    }
    return 0;
}

/* Only for unpickling; arguments come from cache_reduce or from an enemy. */
static PyObject *
cache_new(PyTypeObject *cls, PyObject *args, PyObject *kwargs)
{
    mo_lazymap_state *state = &mo_state_of(cls)->lazymap;
    PyObject *source, *values;
    if (!PyArg_ParseTuple(args, "OO:_LazyMapCache", &source, &values)) {
        return NULL;
    }
    source = source == Py_None ? NULL : source;
    bool is_lazymap =
        source != NULL && PyObject_TypeCheck(source, state->lazymap_type);
    if (source != NULL && !is_lazymap && !PyIter_Check(source)) {
        PyErr_SetString(PyExc_TypeError,
                        "a cache reads a LazyMap or an iterator");
        return NULL;
    }
    bool indexed = is_lazymap && ((mo_lazymap *)source)->kind == MO_SEQUENCE;
    if (indexed ? !PyDict_CheckExact(values) : !PyList_CheckExact(values)) {
        PyErr_Format(PyExc_TypeError, "the values of this cache are in a %s",
                     indexed ? "dict" : "list");
        return NULL;
    }
    mo_cache *self = cache_alloc(state, source, indexed);
    if (self == NULL) {
        return NULL;
    }
    int status =
        indexed ? fill_by_index(self, values) : fill_in_order(self, values);
    if (status < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *
cache_sizeof(PyObject *op, PyObject *ignored)
{
    size_t size = (size_t)Py_TYPE(op)->tp_basicsize;
    MO_BEGIN_CRITICAL_SECTION(op);
    size += mo_pages_size(&((mo_cache *)op)->values);
    MO_END_CRITICAL_SECTION();
    return PyLong_FromSize_t(size);
}

static PyMethodDef cache_methods[] = {
    {"__sizeof__", cache_sizeof, METH_NOARGS, NULL},
    {"__reduce__", cache_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cache_slots[] = {
    {Py_tp_new, cache_new},
    {Py_tp_dealloc, cache_dealloc},
    {Py_tp_traverse, cache_traverse},
    {Py_tp_clear, cache_clear},
    {Py_tp_repr, cache_repr},
    {Py_sq_length, cache_length},
    {Py_sq_item, cache_item},
    {Py_tp_methods, cache_methods},
    {0, NULL},
};

static PyType_Spec cache_spec = {
    .name = "memopt._memopt._LazyMapCache",
    .basicsize = sizeof(mo_cache),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_SEQUENCE,
    .slots = cache_slots,
};

int
mo_cache_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &cache_spec, NULL);
    state->cache_type = (PyTypeObject *)type;
    return type == NULL ? -1 : PyModule_AddType(module, state->cache_type);
}
