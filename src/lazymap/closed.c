/* closed.c - polynomials over a range, without going through it.
 *
 * Which LazyMaps are such is found out here; the arithmetic, in ints of any
 * size, is memopt/closed_forms.py.  Owns nothing. */
#include "lazymap/internal.h"
#include "lazymap/program.h"
#include "lazymap/recognise.h"

/* Their degree, if they are one polynomial in int together; or -1. */
static int
degree_of_chain(const mo_chain *chain)
{
    int degree = 1;
    for (int i = 0; i < chain->native && degree >= 0; i++) {
        int own = ((mo_program *)chain->stage[i].program)->degree;
        degree = own < 0 || own * degree > MO_DEGREE ? -1 : own * degree;
    }
    return degree;
}

/* Whether it has one range, long enough for this to pay: 1, 0 or -1. */
static int
has_long_range(mo_lazymap *self)
{
    if (!Py_IS_TYPE(self, self->state->lazymap_type) ||
        !mo_lazymap_is_range(self) || self->frozen) {
        return 0;
    }
    /* Any length will do, and some do not fit: a range of two is true. */
    Py_ssize_t n = PyObject_Size(PyTuple_GET_ITEM(self->sources, 0));
    if (n < 0 && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear(); /* longer than a Py_ssize_t: long enough */
        return 1;
    }
    return n < 0 ? -1 : n > 0 && n >= self->state->short_pass;
}

/* The degree, or -1; with an exception, or without if there is none. */
static int
find_degree(mo_lazymap *self)
{
    mo_chain *chain = self->chain;
    if (has_long_range(self) <= 0 || mo_is_watched(self->state) ||
        mo_chain_recognise(self->state, chain, 1) < 0 || Py_SIZE(chain) == 0 ||
        chain->native != Py_SIZE(chain) || !mo_chain_is_current(chain) ||
        !mo_chain_partials_are_current(self->state, chain)) {
        return -1;
    }
    return degree_of_chain(chain);
}

static PyObject *
functions_of(const mo_chain *chain)
{
    PyObject *functions = PyTuple_New(Py_SIZE(chain));
    for (Py_ssize_t i = 0; functions != NULL && i < Py_SIZE(chain); i++) {
        PyTuple_SET_ITEM(functions, i, Py_NewRef(chain->stage[i].callable));
    }
    return functions;
}

/* memopt.closed_forms, borrowed, or NULL with an exception. */
static PyObject *
closed_forms(mo_lazymap_state *state)
{
    PyObject *known = MO_LOAD_POINTER(&state->closed_forms);
    return known ? known
                 : mo_fill_once(&state->closed_forms,
                                PyImport_ImportModule("memopt.closed_forms"));
}

PyObject *
mo_lazymap_closed_form(PyObject *op, const char *function, PyObject *argument)
{
    mo_lazymap *self = (mo_lazymap *)op;
    int degree = find_degree(self);
    PyObject *module = degree < 0 ? NULL : closed_forms(self->state);
    PyObject *functions = module ? functions_of(self->chain) : NULL;
    if (functions == NULL) {
        return NULL;
    }
    PyObject *answer =
        PyObject_CallMethod(module, function, "NOiO", functions,
                            PyTuple_GET_ITEM(self->sources, 0), degree,
                            argument ? argument : Py_None);
    if (answer == Py_NotImplemented) {
        Py_DECREF(answer);
        return NULL;
    }
    return answer;
}
