/* repr.c - how a LazyMap prints: the calls that would make it again.
 *
 * Evaluates none of its functions and prints no items: sources other than
 * ranges and LazyMaps are named by type and length. */
#include "lazymap/internal.h"

/* text += more, both taken over; NULL if either is. */
static PyObject *
joined(PyObject *text, PyObject *more)
{
    PyObject *result = text && more ? PyUnicode_Concat(text, more) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(more);
    return result;
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

/* "LazyMap(func, source, ...)", or for a chain without a function that takes
 * the items, what describes the one source. */
static PyObject *
describe_call(mo_lazymap *self, PyObject *sources, bool mapped)
{
    if (!mapped) {
        return describe_source(self->state, PyTuple_GET_ITEM(sources, 0));
    }
    PyTypeObject *type = Py_TYPE(self) == self->state->oneshot_type
                             ? self->state->lazymap_type
                             : Py_TYPE(self);
    PyObject *text =
        joined(PyType_GetName(type),
               PyUnicode_FromFormat("(%R", self->chain->stage[0].callable));
    for (Py_ssize_t i = 0; text != NULL && i < PyTuple_GET_SIZE(sources);
         i++) {
        text = joined(text, PyUnicode_FromString(", "));
        text = joined(
            text, describe_source(self->state, PyTuple_GET_ITEM(sources, i)));
    }
    return joined(text,
                  PyUnicode_FromString(self->strict ? ", strict=True)" : ")"));
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

static PyObject *
describe(mo_lazymap *self, PyObject *sources)
{
    bool mapped = mo_chain_takes_several(self->chain);
    PyObject *text = describe_call(self, sources, mapped);
    if (self->frozen) {
        text = joined(text, describe_window(&self->window));
    }
    for (Py_ssize_t i = mapped; text != NULL && i < Py_SIZE(self->chain);
         i++) {
        const mo_stage *stage = &self->chain->stage[i];
        const char *name = stage->kind == MO_STAGE_MAP ? "map" : "filter";
        text = joined(text,
                      PyUnicode_FromFormat(".%s(%R)", name, stage->callable));
    }
    return text;
}

PyObject *
mo_lazymap_repr(PyObject *op)
{
    mo_lazymap *self = (mo_lazymap *)op;
    if (self->sources == NULL) {
        return PyUnicode_FromString("<exhausted LazyMap>");
    }
    int entered = Py_ReprEnter(op);
    if (entered != 0) {
        return entered < 0 ? NULL : PyUnicode_FromString("LazyMap(...)");
    }
    PyObject *sources = Py_NewRef(self->sources); /* a repr() may exhaust it */
    PyObject *text = describe(self, sources);
    Py_DECREF(sources);
    Py_ReprLeave(op);
    return text;
}
