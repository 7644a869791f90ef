/* pickle.c - copying and pickling of LazyMaps.
 *
 * A LazyMap reduces to _restore_lazymap(class, stages, sources, window,
 * strict) and, for a Python subclass, its attributes.  The restoring
 * functions trust nothing that they are given: a wrong pickle is a TypeError
 * or ValueError, never a LazyMap that could misbehave. */
#include "lazymap/internal.h"

#include "state.h"

/* True if source[slice] has the items that a window shows, and is worth
 * pickling in its stead: the builtin types whose slices are of their type. */
static bool
can_be_cut(mo_lazymap_state *state, PyObject *source, const mo_window *w)
{
    bool builtin = PyList_CheckExact(source) || PyTuple_CheckExact(source) ||
                   mo_is_range(source) || PyUnicode_CheckExact(source) ||
                   PyBytes_CheckExact(source);
    if (!builtin || w->length == 0) {
        return builtin;
    }
    Py_ssize_t end = mo_window_index(w, w->step > 0 ? w->length - 1 : 0);
    return end < mo_source_length(state, source, end + 1);
}

/* What a slice shows of its sources, as sources of their own, so that each
 * of the batches that go to other processes carries its items only.  None
 * (a new reference) if one cannot be cut. */
static PyObject *
cut_sources(mo_lazymap *self)
{
    Py_ssize_t n = PyTuple_GET_SIZE(self->sources);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *source = PyTuple_GET_ITEM(self->sources, i);
        if (!can_be_cut(self->state, source, &self->window)) {
            Py_RETURN_NONE;
        }
    }
    PyObject *slice = mo_window_as_slice(&self->window);
    PyObject *cut = slice ? PyTuple_New(n) : NULL;
    for (Py_ssize_t i = 0; cut != NULL && i < n; i++) {
        PyObject *source = PyTuple_GET_ITEM(self->sources, i);
        PyObject *part = PyObject_GetItem(source, slice);
        if (part == NULL) {
            Py_CLEAR(cut);
            break;
        }
        PyTuple_SET_ITEM(cut, i, part);
    }
    Py_XDECREF(slice);
    return cut;
}

/* The sources and window to pickle, both new references: 0 or -1. */
static int
save_sources(mo_lazymap *self, PyObject **sources, PyObject **window)
{
    *sources = mo_lazymap_sources((PyObject *)self);
    if (*sources == NULL) {
        *sources = Py_NewRef(Py_None);
    }
    *window = Py_NewRef(Py_None);
    if (!self->frozen) {
        return 0;
    }
    PyObject *cut = cut_sources(self);
    if (cut == Py_None) {
        Py_SETREF(*window,
                  Py_BuildValue("nnn", self->window.start, self->window.step,
                                self->window.length));
        Py_DECREF(cut);
    }
    else {
        Py_SETREF(*sources, cut);
    }
    if (*sources != NULL && *window != NULL) {
        return 0;
    }
    Py_CLEAR(*sources);
    Py_CLEAR(*window);
    return -1;
}

PyObject *
mo_lazymap_reduce(PyObject *op, PyObject *ignored)
{
    mo_lazymap *self = (mo_lazymap *)op;
    PyObject *sources, *window;
    PyObject *stages = mo_chain_as_tuple(self->chain);
    if (stages == NULL) {
        return NULL;
    }
    /* Attributes of a subclass; None for a LazyMap. */
    PyObject *attributes =
        PyObject_CallMethodNoArgs(op, self->state->name[MO_NAME_GETSTATE]);
    if (attributes == NULL || save_sources(self, &sources, &window) < 0) {
        Py_DECREF(stages);
        Py_XDECREF(attributes);
        return NULL;
    }
    return Py_BuildValue("O(ONNNO)N", self->state->restore, Py_TYPE(op),
                         stages, sources, window,
                         self->strict ? Py_True : Py_False, attributes);
}

/* --- Restoring ------------------------------------------------------------- */

/* 1 if there is a window, 0 if there is none, or -1. */
static int
parse_window(PyObject *saved, mo_window *window)
{
    if (saved == Py_None) {
        return 0;
    }
    if (!PyTuple_Check(saved)) {
        PyErr_SetString(PyExc_TypeError, "a LazyMap window must be a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(saved, "nnn:LazyMap window", &window->start,
                          &window->step, &window->length)) {
        return -1;
    }
    if (!mo_window_is_valid(window)) {
        PyErr_SetString(PyExc_ValueError, "not the window of a LazyMap");
        return -1;
    }
    return 1;
}

/* Slices are plain LazyMaps, over Sequences only: 0 or -1. */
static int
check_window_fits(mo_lazymap_state *state, PyTypeObject *cls,
                  PyObject *sources)
{
    if (cls != state->lazymap_type) {
        PyErr_SetString(PyExc_ValueError, "only a LazyMap has a window");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sources); i++) {
        int kind = mo_source_kind(state, PyTuple_GET_ITEM(sources, i));
        if (kind < 0) {
            return -1;
        }
        if (kind != MO_SEQUENCE) {
            PyErr_SetString(PyExc_ValueError,
                            "a window needs Sequences to look at");
            return -1;
        }
    }
    return 0;
}

static PyObject *
restore_exhausted(mo_lazymap_state *state, PyTypeObject *cls, mo_chain *chain)
{
    if (!PyType_IsSubtype(cls, state->oneshot_type)) {
        PyErr_SetString(PyExc_ValueError,
                        "only a LazyMapIterator can have no sources");
        return NULL;
    }
    PyObject *empty = PyTuple_New(0);
    PyObject *nothing = empty ? PyTuple_Pack(1, empty) : NULL;
    PyObject *op = NULL;
    if (nothing != NULL) {
        op = mo_lazymap_make(state, cls, chain, nothing, NULL, false);
    }
    if (op != NULL) {
        Py_CLEAR(((mo_lazymap *)op)->sources);
    }
    Py_XDECREF(empty);
    Py_XDECREF(nothing);
    return op;
}

static PyObject *
restore(mo_lazymap_state *state, PyTypeObject *cls, mo_chain *chain,
        PyObject *sources, PyObject *saved_window, bool strict)
{
    mo_window window;
    int frozen = parse_window(saved_window, &window);
    if (frozen < 0) {
        return NULL;
    }
    if (sources == Py_None) {
        return restore_exhausted(state, cls, chain);
    }
    if (!PyTuple_CheckExact(sources)) {
        PyErr_SetString(PyExc_TypeError, "LazyMap sources must be a tuple");
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(sources);
    if (n == 0 || (n > 1 && !mo_chain_takes_several(chain))) {
        PyErr_SetString(PyExc_ValueError,
                        "these stages are not for that many sources");
        return NULL;
    }
    if (frozen && check_window_fits(state, cls, sources) < 0) {
        return NULL;
    }
    return mo_lazymap_make(state, cls, chain, sources, frozen ? &window : NULL,
                           strict);
}

static PyObject *
restore_lazymap(PyObject *module, PyObject *args)
{
    mo_state *state = PyModule_GetState(module);
    mo_lazymap_state *room = &state->lazymap;
    PyObject *cls, *stages, *sources, *window;
    int strict;
    if (!PyArg_ParseTuple(args, "O!OOOp:_restore_lazymap", &PyType_Type, &cls,
                          &stages, &sources, &window, &strict)) {
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)cls, room->lazymap_type)) {
        PyErr_SetString(PyExc_TypeError, "not a subclass of LazyMap");
        return NULL;
    }
    mo_chain *chain = mo_chain_from_tuple(room, stages);
    if (chain == NULL) {
        return NULL;
    }
    PyObject *op = restore(room, (PyTypeObject *)cls, chain, sources, window,
                           strict != 0);
    Py_DECREF(chain);
    return op;
}

static PyObject *
restore_lazymap_iterator(PyObject *module, PyObject *args)
{
    mo_state *state = PyModule_GetState(module);
    return mo_iterator_restore(&state->lazymap, args);
}

/* --- Copying ---------------------------------------------------------------- */

/* for name, value in attributes.items(): setattr(to, name, value) */
static int
set_slots(PyObject *to, PyObject *attributes)
{
    if (attributes == Py_None) {
        return 0;
    }
    PyObject *items = PyMapping_Items(attributes);
    if (items == NULL) {
        return -1;
    }
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        status = PyObject_SetAttr(to, PyTuple_GET_ITEM(item, 0),
                                  PyTuple_GET_ITEM(item, 1));
    }
    Py_DECREF(items);
    return status;
}

/* to.__dict__.update(attributes): past a __setattr__ of the subclass. */
static int
update_dict(PyObject *to, PyObject *attributes)
{
    if (attributes == Py_None) {
        return 0;
    }
    PyObject *dict = PyObject_GenericGetDict(to, NULL);
    if (dict == NULL) {
        return -1;
    }
    int status = PyDict_Update(dict, attributes);
    Py_DECREF(dict);
    return status;
}

/* What the copy module does with the state that __reduce_ex__ gives. */
static int
set_state(PyObject *to, PyObject *state, PyObject *setstate)
{
    if (state == Py_None) {
        return 0;
    }
    if (PyObject_HasAttr(to, setstate)) {
        PyObject *none = PyObject_CallMethodOneArg(to, setstate, state);
        Py_XDECREF(none);
        return none == NULL ? -1 : 0;
    }
    if (PyTuple_CheckExact(state) && PyTuple_GET_SIZE(state) == 2) {
        if (set_slots(to, PyTuple_GET_ITEM(state, 1)) < 0) {
            return -1;
        }
        state = PyTuple_GET_ITEM(state, 0);
    }
    return update_dict(to, state);
}

static PyObject *
copy_by_reduction(PyObject *op)
{
    PyObject **name = ((mo_lazymap *)op)->state->name;
    PyObject *callable, *args, *state = Py_None, *copy = NULL;
    PyObject *protocol = PyLong_FromLong(4); /* as copy.copy has it */
    if (protocol == NULL) {
        return NULL;
    }
    PyObject *reduced =
        PyObject_CallMethodOneArg(op, name[MO_NAME_REDUCE_EX], protocol);
    Py_DECREF(protocol);
    if (reduced == NULL) {
        return NULL;
    }
    if (!PyTuple_Check(reduced)) {
        PyErr_SetString(PyExc_TypeError, "__reduce_ex__ must return a tuple");
    }
    else if (PyArg_ParseTuple(reduced, "OO!|O", &callable, &PyTuple_Type,
                              &args, &state)) {
        copy = PyObject_CallObject(callable, args);
    }
    if (copy != NULL && set_state(copy, state, name[MO_NAME_SETSTATE]) < 0) {
        Py_CLEAR(copy);
    }
    Py_DECREF(reduced);
    return copy;
}

/* A LazyMap never changes, so that, as for a tuple, it is its own copy: its
 * reduction, if it is a slice, might have cut it off from its sources. */
PyObject *
mo_lazymap_copy(PyObject *op, PyObject *ignored)
{
    if (Py_IS_TYPE(op, ((mo_lazymap *)op)->state->lazymap_type)) {
        return Py_NewRef(op);
    }
    return copy_by_reduction(op);
}

/* --- Setup ------------------------------------------------------------------- */

static PyMethodDef pickle_functions[] = {
    {"_restore_lazymap", restore_lazymap, METH_VARARGS,
     PyDoc_STR("Unpickle a LazyMap.")},
    {"_restore_lazymap_iterator", restore_lazymap_iterator, METH_VARARGS,
     PyDoc_STR("Unpickle the iterator of a LazyMap.")},
    {NULL, NULL, 0, NULL},
};

int
mo_pickle_setup(PyObject *module, mo_lazymap_state *state)
{
    if (PyModule_AddFunctions(module, pickle_functions) < 0) {
        return -1;
    }
    state->restore = PyObject_GetAttrString(module, "_restore_lazymap");
    state->restore_iterator =
        PyObject_GetAttrString(module, "_restore_lazymap_iterator");
    return state->restore && state->restore_iterator ? 0 : -1;
}
