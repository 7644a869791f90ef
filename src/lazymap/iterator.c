/* iterator.c - one pass over a LazyMap: what its iter() returns.
 *
 * Owns a cursor for each source, its chain, and the LazyMap that it was made
 * by, until it is exhausted; then nothing.  next() may be called again from
 * the functions and sources that it runs, and by other threads: each call takes
 * its items, moving the cursors on, in the iterator's critical section, before
 * it runs the chain on them outside. */
#include "lazymap/cursor.h"
#include "lazymap/internal.h"
#include "lazymap/native.h"

typedef struct {
    PyVarObject ob_base;     /* ob_size: how many sources, at least 1 */
    mo_lazymap_state *state; /* borrowed from the module */
    mo_chain *chain;         /* owned; NULL once exhausted */
    PyObject *owner;         /* owned: the LazyMap, or NULL */
    mo_native *native;       /* owned: what saves the calls; or NULL */
    bool strict;             /* the sources must end together */
    bool aligned;            /* an item that one source fails to give is
                                passed over in the others too */
    mo_cursor cursor[];
} mo_iterator;

static int
iterator_traverse(PyObject *op, visitproc visit, void *arg)
{
    mo_iterator *self = (mo_iterator *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->chain);
    Py_VISIT(self->owner);
    for (Py_ssize_t i = 0; i < Py_SIZE(op); i++) {
        int stop = mo_cursor_traverse(&self->cursor[i], visit, arg);
        if (stop) {
            return stop;
        }
    }
    return 0;
}

static int
iterator_clear(PyObject *op)
{
    mo_iterator *self = (mo_iterator *)op;
    Py_CLEAR(self->chain);
    for (Py_ssize_t i = 0; i < Py_SIZE(op); i++) {
        mo_cursor_end(&self->cursor[i]);
    }
    Py_CLEAR(self->owner);
    if (self->native != NULL && !self->native->busy) {
        mo_native_free(self->native);
        self->native = NULL;
    }
    return 0;
}

static void
iterator_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, iterator_dealloc);
    (void)iterator_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

/* An untracked iterator with all its cursors ended. */
static mo_iterator *
iterator_alloc(mo_lazymap_state *state, PyObject *owner, mo_chain *chain,
               Py_ssize_t n, bool strict)
{
    mo_iterator *self =
        PyObject_GC_NewVar(mo_iterator, state->iterator_type, n);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->chain = (mo_chain *)Py_NewRef(chain);
    self->owner = Py_XNewRef(owner);
    self->native = NULL;
    self->strict = strict;
    self->aligned = true;
    for (Py_ssize_t i = 0; i < n; i++) {
        self->cursor[i] = (mo_cursor){.kind = MO_CURSOR_ENDED};
    }
    return self;
}

PyObject *
mo_iterator_new(mo_lazymap_state *state, PyObject *owner, mo_chain *chain,
                PyObject *sources, const mo_window *window, bool strict)
{
    Py_ssize_t n = PyTuple_GET_SIZE(sources);
    mo_iterator *self = iterator_alloc(state, owner, chain, n, strict);
    if (self == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *source = PyTuple_GET_ITEM(sources, i);
        if (mo_cursor_open(state, &self->cursor[i], source, window) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    }
    /* Of iterators no one knows whether an error has cost them an item. */
    self->aligned = owner != NULL && n > 1;
    if (mo_native_new(state, chain, self->cursor, n, &self->native) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* The chain, a new reference; NULL once exhausted. */
static inline mo_chain *
chain_of(mo_iterator *self)
{
    mo_chain *chain;
    MO_BEGIN_CRITICAL_SECTION(self);
    chain = (mo_chain *)Py_XNewRef(self->chain);
    MO_END_CRITICAL_SECTION();
    return chain;
}

bool
mo_iterator_ended(PyObject *op)
{
    mo_chain *chain = chain_of((mo_iterator *)op);
    Py_XDECREF(chain);
    return chain == NULL;
}

/* Source number `ended` has no more items: with strict, none may have.
 * Without an exception if all is well. */
static void
check_all_end(mo_iterator *self, Py_ssize_t ended)
{
    if (ended > 0) {
        mo_raise_unequal(ended, false);
        return;
    }
    for (Py_ssize_t i = 1; i < Py_SIZE(self); i++) {
        PyObject *item = mo_cursor_next(&self->cursor[i]);
        if (item != NULL) {
            Py_DECREF(item);
            mo_raise_unequal(i, true);
            return;
        }
        if (PyErr_Occurred()) {
            return;
        }
    }
}

/* Source number `failed` raised an exception instead of giving an item: those
 * after it move on too, so that the next items belong together again. */
static void
pass_over(mo_iterator *self, Py_ssize_t failed)
{
    PyObject *error = PyErr_GetRaisedException();
    for (Py_ssize_t i = failed + 1; i < Py_SIZE(self); i++) {
        PyObject *item = mo_cursor_next(&self->cursor[i]);
        Py_XDECREF(item);
        if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) {
            Py_DECREF(error); /* KeyboardInterrupt and its like come first */
            return;
        }
        PyErr_Clear(); /* what is passed over may fail as well */
    }
    PyErr_SetRaisedException(error);
}

/* Source number `ended` gave no item: at its end, or because it failed.  Not
 * inlined, as an item that is there should not pay for it. */
static MO_NOINLINE void
iterator_stop(mo_iterator *self, Py_ssize_t ended)
{
    if (PyErr_Occurred()) {
        if (self->aligned) {
            pass_over(self, ended);
        }
        return;
    }
    if (self->strict && self->chain != NULL) {
        check_all_end(self, ended);
    }
    (void)iterator_clear((PyObject *)self);
}

/* NULL from a chain that did not fail: the value was filtered out. */
static inline bool
was_dropped(PyObject *value)
{
    return value == NULL && !PyErr_Occurred();
}

/* A value by way of the chain's programs, whose other stages are left to be
 * run.  NULL if there is none: without an exception if all is left to be done
 * by calling. */
static MO_NOINLINE PyObject *
take_natively_lock_held(mo_iterator *self, mo_chain *chain)
{
    return mo_native_next(self->native, chain, self->cursor);
}

/* Whether the next value is to be had by calling; else it is in *value, as
 * above. */
static inline bool
must_call_lock_held(mo_iterator *self, mo_chain *chain, PyObject **value)
{
    *value = NULL;
    if (self->native == NULL) {
        return true;
    }
    if (!self->native->gives) {
        mo_native_called(self->native);
        return true;
    }
    *value = take_natively_lock_held(self, chain);
    return *value == NULL && !PyErr_Occurred();
}

/* The next item and the stage to go on from; NULL after iterator_stop. */
static inline PyObject *
take_item(mo_iterator *self, mo_chain *chain, Py_ssize_t *stage)
{
    PyObject *item;
    *stage = 0;
    MO_BEGIN_CRITICAL_SECTION(self);
    if (must_call_lock_held(self, chain, &item)) {
        item = mo_cursor_next(&self->cursor[0]);
        if (item == NULL) {
            iterator_stop(self, 0);
        }
    }
    else {
        *stage = chain->native;
    }
    MO_END_CRITICAL_SECTION();
    return item;
}

static inline PyObject *
next_of_one(mo_iterator *self, mo_chain *chain)
{
    PyObject *value;
    do {
        Py_ssize_t stage;
        PyObject *item = take_item(self, chain, &stage);
        if (item == NULL) {
            return NULL;
        }
        value = mo_chain_apply(chain, stage, item);
    } while (was_dropped(value));
    return value;
}

/* Takes an item of each source: true, or false after iterator_stop. */
static inline bool
take_items_lock_held(mo_iterator *self, mo_arguments *args)
{
    mo_cursor *cursor = self->cursor, *end = cursor + Py_SIZE(self);
    for (; cursor < end; cursor++) {
        PyObject *item = mo_cursor_next(cursor);
        if (item == NULL) {
            iterator_stop(self, args->taken);
            return false;
        }
        args->value[args->taken++] = item;
    }
    return true;
}

/* Either *value, by way of the chain's programs, or an item of each source:
 * true; or false after iterator_stop, or an error of the programs. */
static inline bool
take_several(mo_iterator *self, mo_chain *chain, PyObject **value,
             mo_arguments *args)
{
    bool taken;
    MO_BEGIN_CRITICAL_SECTION(self);
    taken = must_call_lock_held(self, chain, value)
                ? take_items_lock_held(self, args)
                : *value != NULL;
    MO_END_CRITICAL_SECTION();
    return taken;
}

/* Not inlined, so that the single source, the usual case, stays cheap. */
static MO_NOINLINE PyObject *
next_of_several(mo_iterator *self, mo_chain *chain)
{
    PyObject *value = NULL;
    bool taken;
    do {
        mo_arguments args;
        if (mo_arguments_open(&args, Py_SIZE(self)) < 0) {
            return NULL;
        }
        taken = take_several(self, chain, &value, &args);
        if (taken) {
            value = value ? mo_chain_apply(chain, chain->native, value)
                          : mo_chain_call(chain, &args);
        }
        mo_arguments_close(&args);
    } while (taken && was_dropped(value));
    return value;
}

/* Whether the programs have the next value ready; then that, or NULL with
 * MemoryError. */
static inline bool
take_ready(mo_iterator *self, PyObject **value)
{
    bool ready = false;
    MO_BEGIN_CRITICAL_SECTION(self);
    const mo_chain *chain = self->chain;
    if (self->native != NULL && chain != NULL &&
        chain->native == Py_SIZE(chain) &&
        mo_native_is_ready(self->native, chain)) {
        ready = true;
        *value = mo_native_give(self->native, self->cursor);
    }
    MO_END_CRITICAL_SECTION();
    return ready;
}

PyObject *
mo_iterator_next(PyObject *op)
{
    mo_iterator *self = (mo_iterator *)op;
    PyObject *value;
    if (take_ready(self, &value)) {
        return value;
    }
    mo_chain *chain = chain_of(self); /* another call may exhaust the pass */
    if (chain == NULL) {
        return NULL;
    }
    value = Py_SIZE(op) == 1 ? next_of_one(self, chain)
                             : next_of_several(self, chain);
    Py_DECREF(chain);
    return value;
}

static int
fold_lock_held(mo_iterator *self, mo_consumer *consumer)
{
    mo_chain *chain = self->chain;
    if (self->native == NULL || chain == NULL ||
        chain->native != Py_SIZE(chain)) {
        return 0;
    }
    Py_INCREF(chain);
    int status = mo_native_fold(self->native, chain, self->cursor, consumer);
    Py_DECREF(chain);
    return status;
}

int
mo_iterator_fold(PyObject *op, mo_consumer *consumer)
{
    int status;
    MO_BEGIN_CRITICAL_SECTION(op);
    status = fold_lock_held((mo_iterator *)op, consumer);
    MO_END_CRITICAL_SECTION();
    return status;
}

static Py_ssize_t
remaining_lock_held(mo_iterator *self)
{
    Py_ssize_t least = -1;
    if (self->chain == NULL) {
        return 0;
    }
    if (self->chain->filters) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        Py_ssize_t n = mo_cursor_remaining(self->state, &self->cursor[i]);
        if (n == -2 && Py_SIZE(self) > 1 &&
            PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear(); /* range(10**30): another source ends before */
            n = PY_SSIZE_T_MAX;
        }
        if (n < 0) {
            return n;
        }
        least = least < 0 || n < least ? n : least;
    }
    return least;
}

Py_ssize_t
mo_iterator_remaining(PyObject *op)
{
    Py_ssize_t n;
    MO_BEGIN_CRITICAL_SECTION(op);
    n = remaining_lock_held((mo_iterator *)op);
    MO_END_CRITICAL_SECTION();
    return n;
}

static PyObject *
iterator_length_hint(PyObject *op, PyObject *ignored)
{
    Py_ssize_t n = mo_iterator_remaining(op);
    if (n == -1) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

/* (restore, (stages, cursors, strict)); cursors is () once exhausted. */
static PyObject *
reduce_lock_held(mo_iterator *self)
{
    bool ended = self->chain == NULL;
    PyObject *chain = ended ? self->state->identity : (PyObject *)self->chain;
    Py_ssize_t n = ended ? 0 : Py_SIZE(self);
    Py_INCREF(chain); /* an allocation may run code that exhausts self */
    PyObject *stages = mo_chain_as_tuple((mo_chain *)chain);
    PyObject *cursors = stages ? PyTuple_New(n) : NULL;
    Py_DECREF(chain);
    if (cursors == NULL) {
        goto error;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *saved = mo_cursor_save(&self->cursor[i]);
        if (saved == NULL) {
            goto error;
        }
        PyTuple_SET_ITEM(cursors, i, saved);
    }
    return Py_BuildValue("O(NNO)", self->state->restore_iterator, stages,
                         cursors, self->strict ? Py_True : Py_False);
error:
    Py_XDECREF(stages);
    Py_XDECREF(cursors);
    return NULL;
}

static PyObject *
iterator_reduce(PyObject *op, PyObject *ignored)
{
    PyObject *reduced;
    MO_BEGIN_CRITICAL_SECTION(op);
    reduced = reduce_lock_held((mo_iterator *)op);
    MO_END_CRITICAL_SECTION();
    return reduced;
}

static mo_iterator *
restore_iterator(mo_lazymap_state *state, mo_chain *chain, PyObject *cursors,
                 bool strict)
{
    Py_ssize_t n = PyTuple_GET_SIZE(cursors);
    if (n > 1 && !mo_chain_takes_several(chain)) {
        PyErr_SetString(PyExc_ValueError,
                        "the first LazyMap stage must map several cursors");
        return NULL;
    }
    mo_iterator *self = iterator_alloc(state, NULL, chain, n, strict);
    if (self == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (mo_cursor_restore(state, &self->cursor[i],
                              PyTuple_GET_ITEM(cursors, i)) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    }
    if (n == 0) {
        (void)iterator_clear((PyObject *)self);
    }
    else if (mo_native_new(state, chain, self->cursor, n, &self->native) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    PyObject_GC_Track(self);
    return self;
}

PyObject *
mo_iterator_restore(mo_lazymap_state *state, PyObject *args)
{
    PyObject *stages, *cursors;
    int strict;
    if (!PyArg_ParseTuple(args, "OO!p:_restore_lazymap_iterator", &stages,
                          &PyTuple_Type, &cursors, &strict)) {
        return NULL;
    }
    mo_chain *chain = mo_chain_from_tuple(state, stages);
    if (chain == NULL) {
        return NULL;
    }
    mo_iterator *self = restore_iterator(state, chain, cursors, strict != 0);
    Py_DECREF(chain);
    return (PyObject *)self;
}

static PyMethodDef iterator_methods[] = {
    {"__length_hint__", iterator_length_hint, METH_NOARGS, NULL},
    {"__reduce__", iterator_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_traverse, iterator_traverse},
    {Py_tp_clear, iterator_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, mo_iterator_next},
    {Py_tp_methods, iterator_methods},
    {0, NULL},
};

static PyType_Spec iterator_spec = {
    .name = "memopt._memopt.lazymap_iterator",
    .basicsize = offsetof(mo_iterator, cursor),
    .itemsize = sizeof(mo_cursor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iterator_slots,
};

int
mo_iterator_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &iterator_spec, NULL);
    state->iterator_type = (PyTypeObject *)type;
    return type == NULL ? -1 : 0;
}
