/* view.c - what every LazyMap is beneath its type: sources, chain, window.
 *
 * Makes them and reads their lengths, items and slices.  The rules of
 * ownership are lazymap.c's. */
#include "lazymap/internal.h"

/* --- Making one ------------------------------------------------------------ */

/* What sources and a chain can do together: 0 or -1. */
static int
find_abilities(mo_lazymap_state *state, const mo_chain *chain,
               PyObject *sources, mo_kind *kind, bool *may_pull)
{
    *kind = chain->filters ? MO_ITERABLE : MO_SEQUENCE;
    *may_pull = false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sources); i++) {
        PyObject *source = PyTuple_GET_ITEM(sources, i);
        int its_kind = mo_source_kind(state, source);
        if (its_kind < 0) {
            return -1;
        }
        *kind = (mo_kind)its_kind > *kind ? (mo_kind)its_kind : *kind;
        *may_pull |= mo_source_may_pull(state, source);
    }
    return 0;
}

/* A class that is not a subtype of LazyMapIterator has no next(), so that a
 * one-shot LazyMap of it wraps one that has. */
static bool
is_wrapped_oneshot(mo_lazymap_state *state, const mo_chain *chain,
                   PyObject *sources)
{
    return Py_SIZE(chain) == 0 &&
           PyObject_TypeCheck(PyTuple_GET_ITEM(sources, 0),
                              state->oneshot_type);
}

static PyObject *
wrap_oneshot(mo_lazymap_state *state, PyTypeObject *cls, mo_chain *chain,
             PyObject *sources, bool strict)
{
    PyObject *inner = mo_lazymap_make(state, state->oneshot_type, chain,
                                      sources, NULL, strict);
    if (inner == NULL) {
        return NULL;
    }
    PyObject *only = PyTuple_Pack(1, inner);
    Py_DECREF(inner);
    if (only == NULL) {
        return NULL;
    }
    PyObject *wrapped = mo_lazymap_make(
        state, cls, (mo_chain *)state->identity, only, NULL, false);
    Py_DECREF(only);
    return wrapped;
}

PyObject *
mo_lazymap_make(mo_lazymap_state *state, PyTypeObject *cls, mo_chain *chain,
                PyObject *sources, const mo_window *window, bool strict)
{
    mo_kind kind;
    bool may_pull;
    if (find_abilities(state, chain, sources, &kind, &may_pull) < 0) {
        return NULL;
    }
    if (PyType_IsSubtype(cls, state->oneshot_type)) {
        kind = MO_ONE_SHOT;
    }
    else if (kind == MO_ONE_SHOT && cls == state->lazymap_type) {
        cls = state->oneshot_type;
    }
    else if (kind == MO_ONE_SHOT &&
             !is_wrapped_oneshot(state, chain, sources)) {
        return wrap_oneshot(state, cls, chain, sources, strict);
    }
    mo_lazymap *self = (mo_lazymap *)cls->tp_alloc(cls, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->chain = (mo_chain *)Py_NewRef(chain);
    self->sources = Py_NewRef(sources);
    self->window = window ? *window : (mo_window){0, 1, 0};
    self->kind = kind;
    self->frozen = window != NULL;
    self->strict = strict;
    self->may_pull = may_pull && window == NULL;
    return (PyObject *)self;
}

/* --- Refusals ------------------------------------------------------------- */

void
mo_raise_unequal(Py_ssize_t source, bool longer)
{
    PyErr_Format(PyExc_ValueError,
                 "LazyMap() argument %zd is %s than argument%s%zd", source + 1,
                 longer ? "longer" : "shorter", source == 1 ? " " : "s 1-",
                 source);
}

/* The source, borrowed, that makes self no more than it is; or NULL with an
 * exception. */
static PyObject *
limiting_source(mo_lazymap *self)
{
    PyObject *source = NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->sources); i++) {
        source = PyTuple_GET_ITEM(self->sources, i);
        int kind = mo_source_kind(self->state, source);
        if (kind < 0) {
            return NULL;
        }
        if ((mo_kind)kind == self->kind) {
            break;
        }
    }
    return source;
}

void
mo_lazymap_refuse(mo_lazymap *self, const char *refusal)
{
    if (self->kind == MO_ONE_SHOT) {
        PyErr_Format(PyExc_TypeError,
                     "LazyMap over a one-shot iterator %s; use .cached()",
                     refusal);
    }
    else if (self->chain->filters) {
        PyErr_Format(PyExc_TypeError,
                     "LazyMap after .filter() %s; use .cached()", refusal);
    }
    else {
        PyObject *source = limiting_source(self);
        if (source != NULL) {
            PyErr_Format(
                PyExc_TypeError,
                "LazyMap over '%.200s', which is not a %s, %s; "
                "use .cached()",
                Py_TYPE(source)->tp_name,
                self->kind == MO_SIZED ? "Sequence" : "sized iterable",
                refusal);
        }
    }
}

/* --- Length and items ----------------------------------------------------- */

/* The least length of the sources that may_pull, or of those that do not. */
static Py_ssize_t
least_length(mo_lazymap *self, bool may_pull, Py_ssize_t least)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->sources); i++) {
        PyObject *source = PyTuple_GET_ITEM(self->sources, i);
        if (mo_source_may_pull(self->state, source) == may_pull) {
            Py_ssize_t n = mo_source_length(self->state, source, least);
            least = n < least ? n : least;
        }
        if (least < 0) {
            break;
        }
    }
    return least;
}

/* The least length of all sources, or `limit` if that is less. */
static Py_ssize_t
length_of_sources(mo_lazymap *self, Py_ssize_t limit)
{
    Py_ssize_t least = least_length(self, false, limit);
    if (self->may_pull && least >= 0) {
        /* Last, so as to read no further than the others reach. */
        least = least_length(self, true, least);
    }
    return least;
}

/* The same, after the OverflowError of a source such as range(10**30), which
 * does not matter if another one is shorter. */
static Py_ssize_t
length_beside_overflow(mo_lazymap *self)
{
    PyObject *overflow = PyErr_GetRaisedException();
    Py_ssize_t least = length_of_sources(self, PY_SSIZE_T_MAX - 1);
    if (least == PY_SSIZE_T_MAX - 1) {
        PyErr_SetRaisedException(overflow);
        return -1;
    }
    Py_DECREF(overflow);
    return least;
}

Py_ssize_t
mo_lazymap_length(mo_lazymap *self, Py_ssize_t limit)
{
    if (self->kind > MO_SIZED) {
        mo_lazymap_refuse(self, "has no len()");
        return -1;
    }
    if (self->frozen) {
        return self->window.length;
    }
    if (Py_EnterRecursiveCall(" in the len() of a LazyMap")) {
        return -1;
    }
    Py_ssize_t least = length_of_sources(self, limit);
    if (least < 0 && PyTuple_GET_SIZE(self->sources) > 1 &&
        PyErr_ExceptionMatches(PyExc_OverflowError)) {
        least = length_beside_overflow(self);
    }
    Py_LeaveRecursiveCall();
    return least;
}

/* The chain's value for item `index` of each source. */
static PyObject *
item_of_several(mo_lazymap *self, Py_ssize_t index)
{
    Py_ssize_t n = PyTuple_GET_SIZE(self->sources);
    PyObject *value = NULL;
    mo_arguments args;
    if (mo_arguments_open(&args, n) < 0) {
        return NULL;
    }
    while (args.taken < n) {
        PyObject *source = PyTuple_GET_ITEM(self->sources, args.taken);
        PyObject *item = mo_source_item(source, index);
        if (item == NULL) {
            break;
        }
        args.value[args.taken++] = item;
    }
    if (args.taken == n) {
        value = mo_chain_call(self->chain, &args);
    }
    mo_arguments_close(&args);
    return value;
}

PyObject *
mo_lazymap_item(mo_lazymap *self, Py_ssize_t index)
{
    if (self->frozen) {
        if (index >= self->window.length) {
            mo_raise_index_error();
            return NULL;
        }
        index = mo_window_index(&self->window, index);
    }
    if (Py_EnterRecursiveCall(" while indexing a LazyMap")) {
        return NULL;
    }
    PyObject *value;
    if (PyTuple_GET_SIZE(self->sources) == 1) {
        PyObject *source = PyTuple_GET_ITEM(self->sources, 0);
        PyObject *item = mo_source_item(source, index);
        value = item ? mo_chain_apply(self->chain, 0, item) : NULL;
    }
    else {
        value = item_of_several(self, index);
    }
    Py_LeaveRecursiveCall();
    return value;
}

/* --- Slices --------------------------------------------------------------- */

/* How many items must be counted to place a slice: a cache over an iterator
 * should not read on for cached[:10]. */
static Py_ssize_t
length_that_matters(Py_ssize_t start, Py_ssize_t stop, Py_ssize_t step)
{
    if (step > 0 && start >= 0 && stop >= 0) {
        return stop;
    }
    bool to_the_first = stop >= 0 || stop == PY_SSIZE_T_MIN;
    if (step < 0 && start >= 0 && start < PY_SSIZE_T_MAX && to_the_first) {
        return start + 1;
    }
    return PY_SSIZE_T_MAX;
}

static PyObject *
slice_of_range(mo_lazymap *self, PyObject *slice)
{
    PyObject *range = PyTuple_GET_ITEM(self->sources, 0);
    PyObject *part = PyObject_GetItem(range, slice);
    PyObject *sources = part ? PyTuple_Pack(1, part) : NULL;
    PyObject *sliced = NULL;
    if (sources != NULL) {
        sliced = mo_lazymap_make(self->state, self->state->lazymap_type,
                                 self->chain, sources, NULL, false);
    }
    Py_XDECREF(part);
    Py_XDECREF(sources);
    return sliced;
}

PyObject *
mo_lazymap_slice(mo_lazymap *self, PyObject *slice)
{
    Py_ssize_t start, stop, step;
    if (mo_lazymap_is_range(self)) {
        return slice_of_range(self, slice);
    }
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t limit = length_that_matters(start, stop, step);
    Py_ssize_t length = mo_lazymap_length(self, limit);
    if (length < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(length, &start, &stop, step);
    const mo_window *outer = self->frozen ? &self->window : NULL;
    mo_window window = mo_window_slice(outer, start, step, n);
    return mo_lazymap_make(self->state, self->state->lazymap_type, self->chain,
                           self->sources, &window, false);
}
