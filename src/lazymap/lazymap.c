/* lazymap.c - the type LazyMap.
 *
 * A LazyMap owns its chain and its sources and never changes, so that slices,
 * longer chains and iterators share them.  Reading it runs its functions and
 * its sources' methods, which may do anything. */
#include "lazymap/internal.h"

#include "state.h"

static inline mo_lazymap *
as_lazymap(PyObject *op)
{
    return (mo_lazymap *)op;
}

/* --- Life and death ------------------------------------------------------ */

int
mo_lazymap_traverse_fields(PyObject *op, visitproc visit, void *arg)
{
    mo_lazymap *self = as_lazymap(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->chain);
    Py_VISIT(self->sources);
    return 0;
}

void
mo_lazymap_release_fields(PyObject *op)
{
    mo_lazymap *self = as_lazymap(op);
    Py_CLEAR(self->chain);
    Py_CLEAR(self->sources);
}

/* There is no tp_clear, for the reason given at chain_traverse. */
static void
lazymap_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, lazymap_dealloc);
    PyObject_ClearWeakRefs(op);
    mo_lazymap_release_fields(op);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

/* --- Construction -------------------------------------------------------- */

/* Complains about the source that an iteration would complain about. */
static int
check_equal_lengths(mo_lazymap *self)
{
    Py_ssize_t n = PyTuple_GET_SIZE(self->sources);
    Py_ssize_t first = -1, least = PY_SSIZE_T_MAX, shortest = 0, longer = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *source = PyTuple_GET_ITEM(self->sources, i);
        /* What is too long for len(), as range(10**30), is the longest. */
        Py_ssize_t length =
            mo_source_length(self->state, source, PY_SSIZE_T_MAX - 1);
        if (length < 0) {
            return -1;
        }
        first = first < 0 ? length : first;
        if (length < least) {
            least = length;
            shortest = i;
        }
        longer = longer == 0 && length > first ? i : longer;
    }
    if (shortest == 0 && longer == 0) {
        return 0;
    }
    mo_raise_unequal(shortest ? shortest : longer, shortest == 0);
    return -1;
}

/* The same sources after one more stage.  An iterator is not taken apart:
 * it can be read both by itself and through what is made of it. */
static PyObject *
lazymap_extend(mo_lazymap *self, mo_stage_kind kind, PyObject *callable,
               bool called)
{
    mo_lazymap_state *state = self->state;
    bool nested = self->kind == MO_ONE_SHOT;
    const mo_window *window = self->frozen ? &self->window : NULL;
    mo_chain *base = nested ? (mo_chain *)state->identity : self->chain;
    mo_chain *chain = mo_chain_extend(state, base, kind, callable, called);
    if (chain == NULL) {
        return NULL;
    }
    PyObject *extended = NULL;
    PyObject *sources =
        nested ? PyTuple_Pack(1, self) : Py_NewRef(self->sources);
    if (sources != NULL) {
        extended = mo_lazymap_make(state, state->lazymap_type, chain, sources,
                                   window, self->strict && !nested);
    }
    Py_DECREF(chain);
    Py_XDECREF(sources);
    return extended;
}

static PyObject *
lazymap_from_sources(mo_lazymap_state *state, PyTypeObject *cls,
                     PyObject *func, PyObject *sources, bool strict,
                     bool called)
{
    mo_chain *chain = mo_chain_extend(state, (mo_chain *)state->identity,
                                      MO_STAGE_MAP, func, called);
    if (chain == NULL) {
        return NULL;
    }
    PyObject *op = mo_lazymap_make(state, cls, chain, sources, NULL, strict);
    Py_DECREF(chain);
    if (op == NULL || !strict || PyTuple_GET_SIZE(sources) == 1) {
        return op;
    }
    mo_lazymap *self = as_lazymap(op);
    if (self->kind <= MO_SIZED && !self->may_pull &&
        check_equal_lengths(self) < 0) {
        Py_DECREF(op);
        return NULL;
    }
    return op;
}

static PyObject *
lazymap_new(PyTypeObject *cls, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"strict", "native", NULL};
    mo_lazymap_state *state = &mo_state_of(cls)->lazymap;
    int strict = 0, native = 1;
    PyObject *none = PyTuple_New(0);
    if (none == NULL) {
        return NULL;
    }
    int parsed = PyArg_ParseTupleAndKeywords(none, kwargs, "|$pp:LazyMap",
                                             names, &strict, &native);
    Py_DECREF(none);
    if (!parsed) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 2) {
        PyErr_Format(PyExc_TypeError,
                     "LazyMap() takes a function and at least one iterable "
                     "(%zd argument%s given)",
                     n, n == 1 ? "" : "s");
        return NULL;
    }
    PyObject *func = PyTuple_GET_ITEM(args, 0);
    PyObject *first = PyTuple_GET_ITEM(args, 1);
    if (n == 2 && cls == state->lazymap_type &&
        Py_IS_TYPE(first, state->lazymap_type)) {
        return lazymap_extend(as_lazymap(first), MO_STAGE_MAP, func, !native);
    }
    PyObject *sources = PyTuple_GetSlice(args, 1, n);
    if (sources == NULL) {
        return NULL;
    }
    PyObject *op =
        lazymap_from_sources(state, cls, func, sources, strict, !native);
    Py_DECREF(sources);
    return op;
}

/* --- Length, items, slices ----------------------------------------------- */

/* 0, or -1 and a TypeError if only a Sequence can do it and self is none. */
static int
require_sequence(mo_lazymap *self, const char *refusal)
{
    if (self->kind == MO_SEQUENCE) {
        return 0;
    }
    mo_lazymap_refuse(self, refusal);
    return -1;
}

static Py_ssize_t
lazymap_length(PyObject *op)
{
    return mo_lazymap_length(as_lazymap(op), PY_SSIZE_T_MAX);
}

static int
lazymap_bool(PyObject *op)
{
    mo_lazymap *self = as_lazymap(op);
    if (self->kind > MO_SIZED) {
        return 1; /* as any object without len(): not known to be empty */
    }
    Py_ssize_t n = mo_source_length(self->state, op, 1);
    return n < 0 ? -1 : n > 0;
}

static PyObject *
lazymap_item(PyObject *op, Py_ssize_t index)
{
    mo_lazymap *self = as_lazymap(op);
    if (require_sequence(self, "cannot be indexed") < 0) {
        return NULL;
    }
    if (index < 0) { /* PySequence_GetItem has added the length already */
        mo_raise_index_error();
        return NULL;
    }
    return mo_lazymap_item(self, index);
}

static PyObject *
item_by_key(mo_lazymap *self, PyObject *key)
{
    if (mo_lazymap_is_range(self)) {
        PyObject *range = PyTuple_GET_ITEM(self->sources, 0);
        PyObject *item = PyObject_GetItem(range, key);
        return item ? mo_chain_apply(self->chain, 0, item) : NULL;
    }
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (index < 0) {
        Py_ssize_t length = mo_lazymap_length(self, PY_SSIZE_T_MAX);
        if (length < 0) {
            return NULL;
        }
        index += length;
    }
    if (index < 0) {
        mo_raise_index_error();
        return NULL;
    }
    return mo_lazymap_item(self, index);
}

static PyObject *
lazymap_subscript(PyObject *op, PyObject *key)
{
    mo_lazymap *self = as_lazymap(op);
    if (PyIndex_Check(key)) {
        if (require_sequence(self, "cannot be indexed") < 0) {
            return NULL;
        }
        return item_by_key(self, key);
    }
    if (PySlice_Check(key)) {
        if (require_sequence(self, "cannot be sliced") < 0) {
            return NULL;
        }
        return mo_lazymap_slice(self, key);
    }
    PyErr_Format(PyExc_TypeError,
                 "LazyMap indices must be integers or slices, not %.200s",
                 Py_TYPE(key)->tp_name);
    return NULL;
}

/* --- Iteration ----------------------------------------------------------- */

/* An iterator over self, or over a slice of it, that keeps `owner` alive. */
static PyObject *
iterator_over(mo_lazymap *self, PyObject *owner)
{
    return mo_iterator_new(self->state, owner, self->chain, self->sources,
                           self->frozen ? &self->window : NULL, self->strict);
}

static PyObject *
lazymap_iter(PyObject *op)
{
    mo_lazymap *self = as_lazymap(op);
    if (Py_EnterRecursiveCall(" while iterating over a LazyMap")) {
        return NULL;
    }
    PyObject *iterator;
    if (self->kind == MO_ONE_SHOT) { /* see is_wrapped_oneshot */
        iterator = PyObject_GetIter(PyTuple_GET_ITEM(self->sources, 0));
    }
    else {
        iterator = iterator_over(self, op);
    }
    Py_LeaveRecursiveCall();
    return iterator;
}

PyDoc_STRVAR(reversed_doc,
"__reversed__($self, /)\n--\n\n"
"Iterate over self[::-1].");

static PyObject *
lazymap_reversed(PyObject *op, PyObject *ignored)
{
    mo_lazymap *self = as_lazymap(op);
    if (require_sequence(self, "cannot be reversed") < 0) {
        return NULL;
    }
    PyObject *step = PyLong_FromLong(-1);
    PyObject *slice = step ? PySlice_New(NULL, NULL, step) : NULL;
    PyObject *backwards = slice ? mo_lazymap_slice(self, slice) : NULL;
    PyObject *iterator =
        backwards ? iterator_over(as_lazymap(backwards), op) : NULL;
    Py_XDECREF(step);
    Py_XDECREF(slice);
    Py_XDECREF(backwards);
    return iterator;
}

/* --- What is made of a LazyMap ------------------------------------------- */

PyDoc_STRVAR(map_doc,
"map($self, func, /, *, native=True)\n--\n\n"
"A LazyMap of func(value) for each value of this one, over the same sources.\n\n"
"The functions run one after the other on each item, in one pass:\n"
"LazyMap(f, xs).map(g) is LazyMap(lambda x: g(f(x)), xs).  native=False has\n"
"func called for each item, as it has in LazyMap().\n\n"
">>> list(memopt.LazyMap(abs, [-1, -2]).map(str))\n"
"['1', '2']");

static PyObject *
lazymap_map(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "native", NULL};
    PyObject *func;
    int native = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:map", names, &func,
                                     &native)) {
        return NULL;
    }
    return lazymap_extend(as_lazymap(op), MO_STAGE_MAP, func, !native);
}

PyDoc_STRVAR(filter_doc,
"filter($self, predicate, /)\n--\n\n"
"A LazyMap of the values for which predicate(value) is true, or of the\n"
"true values if predicate is None.\n\n"
"It can be iterated as often as its sources can, but how many values there\n"
"are and where is not known without a pass: it has no len(), and indices,\n"
"slices and reversed() raise TypeError.  Use .cached() to have them.\n\n"
">>> odd = memopt.LazyMap(abs, range(-3, 3)).filter(lambda x: x % 2)\n"
">>> list(odd), sum(odd)\n"
"([3, 1, 1], 5)");

static PyObject *
lazymap_filter(PyObject *op, PyObject *predicate)
{
    return lazymap_extend(as_lazymap(op), MO_STAGE_FILTER, predicate, false);
}

/* A LazyMap of the items of one source as they are; takes over `source`. */
static PyObject *
identity_over(mo_lazymap_state *state, PyObject *source)
{
    PyObject *sources = source ? PyTuple_Pack(1, source) : NULL;
    PyObject *lazymap = NULL;
    if (sources != NULL) {
        lazymap =
            mo_lazymap_make(state, state->lazymap_type,
                            (mo_chain *)state->identity, sources, NULL, false);
    }
    Py_XDECREF(source);
    Py_XDECREF(sources);
    return lazymap;
}

PyDoc_STRVAR(batched_doc,
"batched($self, /, n, strict=False)\n--\n\n"
"A LazyMap of batches of n values; the last one may have fewer.\n\n"
"Over Sequences it is a Sequence of slices, which are lazy themselves and\n"
"take no memory for their values; otherwise the batches are tuples.  With\n"
"strict=True a last batch of fewer than n is a ValueError: at once where the\n"
"length is known, else when it is reached.  ValueError if n is less than 1.\n\n"
">>> batches = memopt.LazyMap(abs, range(-5, 5)).batched(4)\n"
">>> len(batches), batches.map(sum).to_list()\n"
"(3, [14, 4, 7])");

static PyObject *
lazymap_batched(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"n", "strict", NULL};
    mo_lazymap *self = as_lazymap(op);
    Py_ssize_t n;
    int strict = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|p:batched", names, &n,
                                     &strict)) {
        return NULL;
    }
    PyObject *source = self->kind == MO_SEQUENCE
                           ? mo_slices_new(self->state, op, n, strict)
                           : mo_tuples_new(self->state, op, n, strict);
    return identity_over(self->state, source);
}

PyDoc_STRVAR(cached_doc,
"cached($self, /)\n--\n\n"
"A LazyMap of the same values that computes each once, when it is first\n"
"asked for, and keeps it: 8 bytes a value beside the value itself.\n\n"
"Over Sequences, any index computes its own value only.  Over anything else,\n"
"one-shot iterators included, values are read in order as far as needed,\n"
"the result is a Sequence nevertheless, and len() reads all the rest.\n\n"
">>> squares = memopt.LazyMap(lambda x: x * x, iter(range(5))).cached()\n"
">>> squares[3], len(squares), list(squares)\n"
"(9, 5, [0, 1, 4, 9, 16])");

static PyObject *
lazymap_cached(PyObject *op, PyObject *ignored)
{
    mo_lazymap *self = as_lazymap(op);
    if (Py_SIZE(self->chain) == 0 &&
        Py_IS_TYPE(op, self->state->lazymap_type) &&
        Py_IS_TYPE(PyTuple_GET_ITEM(self->sources, 0),
                   self->state->cache_type)) {
        return Py_NewRef(op); /* cached already */
    }
    return identity_over(self->state, mo_cache_new(self->state, op));
}

/* --- The type ------------------------------------------------------------ */

PyDoc_STRVAR(to_list_doc,
"to_list($self, /)\n--\n\n"
"A list of all values, allocated at its final size where len() is known.\n\n"
">>> memopt.LazyMap(abs, range(-2, 2)).to_list()\n"
"[2, 1, 0, 1]");

PyDoc_STRVAR(to_array_doc,
"to_array($self, /, typecode='d')\n--\n\n"
"An array.array of all values, allocated at its final size where len() is\n"
"known; no list of them is made on the way.\n\n"
"What does not fit the typecode raises what array.array raises: TypeError,\n"
"OverflowError, and ValueError for a typecode that there is not.\n\n"
">>> memopt.LazyMap(abs, range(-2, 2)).to_array('i')\n"
"array('i', [2, 1, 0, 1])");

PyDoc_STRVAR(to_numpy_doc,
"__array__($self, /, dtype=None, copy=None)\n--\n\n"
"What numpy.array() makes of a list of all values; if they are all int, float\n"
"or bool and computed natively, without that list.  ValueError if copy=False:\n"
"there is nothing to share.");

PyDoc_STRVAR(any_doc,
"any($self, /)\n--\n\n"
"True if a value is true; False if there is none, as any().  Computes no value\n"
"after the first true one, or few (a block of 512).\n\n"
">>> memopt.LazyMap(lambda x: x > 2, range(4)).any()\n"
"True");

PyDoc_STRVAR(all_doc,
"all($self, /)\n--\n\n"
"True if no value is false, as all().  Computes no value after the first false\n"
"one, or few (a block of 512).\n\n"
">>> memopt.LazyMap(lambda x: x > 2, range(4)).all()\n"
"False");

PyDoc_STRVAR(count_doc,
"count($self, value, /)\n--\n\n"
"How many values are, or equal, `value`.  A whole pass; a one-shot LazyMap\n"
"is exhausted by it.\n\n"
">>> memopt.LazyMap(abs, range(-2, 2)).count(1)\n"
"2");

PyDoc_STRVAR(index_doc,
"index($self, value, start=0, stop=sys.maxsize, /)\n--\n\n"
"The first index in start <= index < stop at which a value is, or equals,\n"
"`value`; negative bounds count from the end.  Computes no value after it.\n\n"
"ValueError if there is none; TypeError if the LazyMap has no indices.\n\n"
">>> memopt.LazyMap(abs, range(-2, 3)).index(1, 2)\n"
"3");

PyDoc_STRVAR(sum_doc,
"sum($self, /, start=0)\n--\n\n"
"The sum of start and all values, without error.\n\n"
"An int if all are int or bool, exact at any size.  A float if there are\n"
"floats: the exact sum, rounded once, as memopt.fsum gives it; so it may be\n"
"more accurate than sum(), which rounds after each addition.  NumPy's numbers\n"
"count as the int or float that they are.  From the first value on that is\n"
"neither, values are added with +, as sum() does.\n\n"
"TypeError for what cannot be added, and for text, as in sum().\n\n"
">>> memopt.LazyMap(lambda x: x * 2, range(1_000_000)).sum()\n"
"999999000000\n"
">>> memopt.LazyMap(lambda x: x * 0.1, [1.0] * 10).sum()\n"
"1.0");

PyDoc_STRVAR(mean_doc,
"mean($self, /)\n--\n\n"
"The exact sum of all values divided by their number, rounded once: a float\n"
"for int and float values.  ValueError if there are none.\n\n"
">>> memopt.LazyMap(abs, [-1, -2]).mean()\n"
"1.5");

PyDoc_STRVAR(min_doc,
"min($self, /)\n--\n\n"
"The least value, the first of equal ones, as min().  ValueError if there\n"
"are none.\n\n"
">>> memopt.LazyMap(lambda x: x * x - 4 * x, range(5)).min()\n"
"-4");

PyDoc_STRVAR(max_doc,
"max($self, /)\n--\n\n"
"The greatest value, the first of equal ones, as max().  ValueError if there\n"
"are none.\n\n"
">>> memopt.LazyMap(abs, [1, -3]).max()\n"
"3");

PyDoc_STRVAR(native_doc,
"Whether values are computed without calling a function for each: all\n"
"functions are arithmetic, the sources hold numbers, and no tool traces,\n"
"profiles or monitors calls.  What cannot be computed exactly is had by calling\n"
"nevertheless, so that values, types and exceptions are the same.");

PyDoc_STRVAR(native_reason_doc,
"Why native is False, as a str for people; None if it is True.");

PyDoc_STRVAR(lazymap_doc,
"LazyMap(func, iterable, /, *iterables, strict=False, native=True)\n--\n\n"
"The values func(item) for the items of an iterable, computed when asked for.\n\n"
"What `[func(x) for x in iterable]` is, but for memory: no value is kept, and\n"
"func runs again at each access.  With several iterables func takes one item\n"
"of each, as in map(); the shortest decides the length, unless strict=True\n"
"makes different lengths a ValueError.\n\n"
"A LazyMap can do what its iterables can:\n\n"
"- over Sequences (list, range, str, array.array, NumPy arrays...) it is a\n"
"  Sequence: len(), items, O(1) slices that are LazyMaps, reversed(), `in`,\n"
"  count(), index(), any number of passes.  It follows a list that grows; a\n"
"  slice keeps to the indices that it was made with, and reading one that is\n"
"  gone raises IndexError;\n"
"- over sized iterables that have no indices (set, dict) it has len();\n"
"- over other iterables it can be iterated, each time from the start;\n"
"- over an iterator it is a LazyMapIterator, good for a single pass.\n\n"
"TypeError tells what cannot be done, and .cached() makes it possible.\n\n"
"Exceptions of func reach the caller as they are, and iteration can go on;\n"
"only StopIteration becomes a RuntimeError.  LazyMaps compare and hash by\n"
"identity.  They pickle and copy if func and the iterables do.\n\n"
">>> doubled = memopt.LazyMap(lambda x: x * 2, range(1_000_000))\n"
">>> len(doubled), doubled[-1], sum(doubled)\n"
"(1000000, 1999998, 999999000000)\n"
">>> doubled[10:16:2].to_list()\n"
"[20, 24, 28]");

static PyMethodDef lazymap_methods[] = {
    {"map", (PyCFunction)(void (*)(void))lazymap_map,
     METH_VARARGS | METH_KEYWORDS, map_doc},
    {"filter", lazymap_filter, METH_O, filter_doc},
    {"batched", (PyCFunction)(void (*)(void))lazymap_batched,
     METH_VARARGS | METH_KEYWORDS, batched_doc},
    {"cached", lazymap_cached, METH_NOARGS, cached_doc},
    {"to_list", mo_lazymap_to_list, METH_NOARGS, to_list_doc},
    {"to_array", (PyCFunction)(void (*)(void))mo_lazymap_to_array,
     METH_VARARGS | METH_KEYWORDS, to_array_doc},
    {"sum", (PyCFunction)(void (*)(void))mo_lazymap_sum,
     METH_VARARGS | METH_KEYWORDS, sum_doc},
    {"mean", mo_lazymap_mean, METH_NOARGS, mean_doc},
    {"min", mo_lazymap_min, METH_NOARGS, min_doc},
    {"max", mo_lazymap_max, METH_NOARGS, max_doc},
    {"any", mo_lazymap_any, METH_NOARGS, any_doc},
    {"all", mo_lazymap_all, METH_NOARGS, all_doc},
    {"__array__", (PyCFunction)(void (*)(void))mo_lazymap_to_numpy,
     METH_VARARGS | METH_KEYWORDS, to_numpy_doc},
    {"count", mo_lazymap_count, METH_O, count_doc},
    {"index", (PyCFunction)(void (*)(void))mo_lazymap_index, METH_FASTCALL,
     index_doc},
    {"__reversed__", lazymap_reversed, METH_NOARGS, reversed_doc},
    {"__reduce__", mo_lazymap_reduce, METH_NOARGS, NULL},
    {"__copy__", mo_lazymap_copy, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("See PEP 585")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef lazymap_getset[] = {
    {"native", mo_lazymap_native, NULL, native_doc, NULL},
    {"native_reason", mo_lazymap_native_reason, NULL, native_reason_doc, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef lazymap_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(mo_lazymap, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot lazymap_slots[] = {
    {Py_tp_doc, (void *)lazymap_doc},
    {Py_tp_new, lazymap_new},
    {Py_tp_dealloc, lazymap_dealloc},
    {Py_tp_traverse, mo_lazymap_traverse_fields},
    {Py_tp_repr, mo_lazymap_repr},
    {Py_tp_iter, lazymap_iter},
    {Py_nb_bool, lazymap_bool},
    {Py_sq_length, lazymap_length},
    {Py_sq_item, lazymap_item},
    {Py_sq_contains, mo_lazymap_contains},
    {Py_mp_length, lazymap_length},
    {Py_mp_subscript, lazymap_subscript},
    {Py_tp_methods, lazymap_methods},
    {Py_tp_members, lazymap_members},
    {Py_tp_getset, lazymap_getset},
    {0, NULL},
};

static PyType_Spec lazymap_spec = {
    .name = "memopt.LazyMap",
    .basicsize = sizeof(mo_lazymap),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_SEQUENCE,
    .slots = lazymap_slots,
};

int
mo_lazymap_type_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &lazymap_spec, NULL);
    state->lazymap_type = (PyTypeObject *)type;
    if (type == NULL || PyModule_AddType(module, state->lazymap_type) < 0) {
        return -1;
    }
    PyObject *abc = PyImport_ImportModule("collections.abc");
    if (abc == NULL) {
        return -1;
    }
    state->sequence_abc = PyObject_GetAttrString(abc, "Sequence");
    Py_DECREF(abc);
    if (state->sequence_abc == NULL) {
        return -1;
    }
    PyObject *registered =
        PyObject_CallMethod(state->sequence_abc, "register", "O", type);
    Py_XDECREF(registered);
    return registered == NULL ? -1 : 0;
}
