/* repr.c - how a LazyMap prints: the calls that would make it again.
 *
 * Evaluates none of its functions and prints no items: sources other than
 * ranges and LazyMaps are named by type and length. */
#include "lazymap/internal.h"

/* Appends a string, which it takes over, to the list; NULL is an error. */
static int
add(PyObject *parts, PyObject *text)
{
    if (text == NULL) {
        return -1;
    }
    int status = PyList_Append(parts, text);
    Py_DECREF(text);
    return status;
}

static bool
prints_itself(mo_lazymap_state *state, PyObject *source)
{
    return mo_is_range(source) ||
           PyObject_TypeCheck(source, state->lazymap_type) ||
           Py_IS_TYPE(source, state->cache_type) ||
           Py_IS_TYPE(source, state->slices_type) ||
           Py_IS_TYPE(source, state->tuples_type) ||
           Py_IS_TYPE(source, state->tuple_iterator_type);
}

static PyObject *
describe_source(mo_lazymap_state *state, PyObject *source)
{
    if (prints_itself(state, source)) {
        return PyObject_Repr(source);
    }
    PyObject *name = PyType_GetName(Py_TYPE(source));
    if (name == NULL) {
        return NULL;
    }
    Py_ssize_t n = mo_has_len(source) ? PyObject_Size(source) : -1;
    PyObject *text = NULL;
    if (n >= 0) {
        text = PyUnicode_FromFormat("<%U of %zd>", name, n);
    }
    else if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear(); /* a failing len() is no reason for a failing repr() */
        text = PyUnicode_FromFormat("<%U>", name);
    }
    Py_DECREF(name);
    return text;
}

/* "LazyMap(func, source, ...)" */
static int
add_call(mo_lazymap *self, PyObject *sources, PyObject *parts)
{
    PyTypeObject *type = Py_TYPE(self) == self->state->oneshot_type
                             ? self->state->lazymap_type
                             : Py_TYPE(self);
    PyObject *func = self->chain->stage[0].callable;
    if (add(parts, PyType_GetName(type)) < 0 ||
        add(parts, PyUnicode_FromFormat("(%R", func)) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sources); i++) {
        PyObject *source = PyTuple_GET_ITEM(sources, i);
        if (add(parts, PyUnicode_FromString(", ")) < 0 ||
            add(parts, describe_source(self->state, source)) < 0) {
            return -1;
        }
    }
    const char *strict = self->strict ? ", strict=True" : "";
    const char *native = self->chain->stage[0].called ? ", native=False" : "";
    return add(parts, PyUnicode_FromFormat("%s%s)", strict, native));
}

static PyObject *
describe_window(const mo_window *w)
{
    Py_ssize_t last = w->length ? mo_window_index(w, w->length - 1) : -1;
    if (w->step == 1) {
        return PyUnicode_FromFormat("[%zd:%zd]", w->start, last + 1);
    }
    if (w->step > 0) {
        return PyUnicode_FromFormat("[%zd:%zd:%zd]", w->start, last + 1,
                                    w->step);
    }
    if (last == 0) { /* -1 would mean the end */
        return PyUnicode_FromFormat("[%zd::%zd]", w->start, w->step);
    }
    return PyUnicode_FromFormat("[%zd:%zd:%zd]", w->start, last - 1, w->step);
}

/* ".map(func)" and ".filter(predicate)" from stage number `first` on. */
static int
add_stages(const mo_chain *chain, Py_ssize_t first, PyObject *parts)
{
    for (Py_ssize_t i = first; i < Py_SIZE(chain); i++) {
        const mo_stage *stage = &chain->stage[i];
        const char *name = stage->kind == MO_STAGE_MAP ? "map" : "filter";
        if (add(parts, PyUnicode_FromFormat(
                           ".%s(%R%s)", name, stage->callable,
                           stage->called ? ", native=False" : "")) < 0) {
            return -1;
        }
    }
    return 0;
}

/* A chain that does not begin with a function is added to its one source. */
static int
add_all(mo_lazymap *self, PyObject *sources, PyObject *parts)
{
    bool mapped = mo_chain_takes_several(self->chain);
    int status =
        mapped ? add_call(self, sources, parts)
               : add(parts, describe_source(self->state,
                                            PyTuple_GET_ITEM(sources, 0)));
    if (status == 0 && self->frozen) {
        status = add(parts, describe_window(&self->window));
    }
    return status < 0 ? -1 : add_stages(self->chain, mapped, parts);
}

static PyObject *
describe(mo_lazymap *self, PyObject *sources)
{
    PyObject *text = NULL;
    PyObject *parts = PyList_New(0);
    if (parts != NULL && add_all(self, sources, parts) == 0) {
        PyObject *nothing = PyUnicode_FromString("");
        text = nothing ? PyUnicode_Join(nothing, parts) : NULL;
        Py_XDECREF(nothing);
    }
    Py_XDECREF(parts);
    return text;
}

PyObject *
mo_lazymap_repr(PyObject *op)
{
    mo_lazymap *self = (mo_lazymap *)op;
    PyObject *sources = mo_lazymap_sources(op); /* a repr() may exhaust it */
    if (sources == NULL) {
        return PyUnicode_FromString("<exhausted LazyMap>");
    }
    PyObject *text = NULL;
    int entered = Py_ReprEnter(op);
    if (entered > 0) {
        text = PyUnicode_FromString("LazyMap(...)");
    }
    else if (entered == 0) {
        text = describe(self, sources);
        Py_ReprLeave(op);
    }
    Py_DECREF(sources);
    return text;
}
