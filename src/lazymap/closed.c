/* closed.c - polynomials over a range, without going through it.
 *
 * Which LazyMaps are such is found out here, and their sum, the usual question;
 * the others are memopt/closed_forms.py's.  All arithmetic is in Python's ints,
 * of any size.  Owns nothing. */
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
    return n < 0 ? -1 : n > 0 && n >= MO_LOAD_SIZE(&self->state->short_pass);
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

/* --- The sum ------------------------------------------------------------------ */

/* *a = f(*a, b): 0, or -1 with *a NULL. */
static int
apply(PyObject **a, binaryfunc f, PyObject *b)
{
    Py_SETREF(*a, f(*a, b));
    return *a == NULL ? -1 : 0;
}

/* The same for a small b. */
static int
apply_small(PyObject **a, binaryfunc f, long b)
{
    PyObject *number = PyLong_FromLong(b);
    int status = number ? apply(a, f, number) : -1;
    Py_XDECREF(number);
    return status;
}

/* len(range), of any size: a new int, or NULL with an exception. */
static PyObject *
length_of(mo_lazymap_state *state, PyObject *range)
{
    Py_ssize_t n = PyObject_Size(range);
    if (n >= 0) {
        return PyLong_FromSsize_t(n);
    }
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
        return NULL;
    }
    PyErr_Clear(); /* it is longer than a Py_ssize_t */
    PyObject *module = closed_forms(state);
    return module ? PyObject_CallMethod(module, "length", "O", range) : NULL;
}

/* The first values, `count` of them, and then in their places the first one and
 * the first of each order of differences.  0, or -1 with an exception and some
 * of the row, which is all NULL before. */
static int
find_differences(mo_lazymap *self, PyObject **row, int count)
{
    PyObject *range = PyTuple_GET_ITEM(self->sources, 0);
    for (int i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(range, i);
        row[i] = item ? mo_chain_apply(self->chain, 0, item) : NULL;
        if (row[i] == NULL) {
            return -1;
        }
    }
    for (int order = 1; order < count; order++) {
        for (int i = count - 1; i >= order; i--) {
            if (apply(&row[i], PyNumber_Subtract, row[i - 1]) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* *total += (n over 1) row[0] + (n over 2) row[1] + ..., which is the sum of n
 * values (Newton's forward differences); 0, or -1 and *total may be NULL. */
static int
add_up(PyObject **total, PyObject *const *row, int count, PyObject *n)
{
    PyObject *choices = Py_NewRef(n); /* n over k + 1 */
    int status = 0;
    for (int k = 0; k < count && status == 0; k++) {
        PyObject *term = PyNumber_Multiply(row[k], choices);
        PyObject *factor = Py_NewRef(n);
        status = term ? apply(total, PyNumber_Add, term) : -1;
        if (status == 0 && k + 1 < count &&
            (apply_small(&factor, PyNumber_Subtract, k + 1) < 0 ||
             apply(&choices, PyNumber_Multiply, factor) < 0 ||
             apply_small(&choices, PyNumber_FloorDivide, k + 2) < 0)) {
            status = -1;
        }
        Py_XDECREF(term);
        Py_XDECREF(factor);
    }
    Py_XDECREF(choices);
    return status;
}

PyObject *
mo_lazymap_polynomial_sum(PyObject *op, PyObject *start)
{
    mo_lazymap *self = (mo_lazymap *)op;
    PyObject *row[MO_DEGREE + 1] = {NULL};
    int degree = find_degree(self);
    if (degree < 0) {
        return NULL;
    }
    PyObject *n = length_of(self->state, PyTuple_GET_ITEM(self->sources, 0));
    if (n == NULL) {
        return NULL;
    }
    PyObject *total = start ? Py_NewRef(start) : PyLong_FromLong(0);
    if (total != NULL) {
        int overflow;
        long long length = PyLong_AsLongLongAndOverflow(n, &overflow);
        bool few = overflow == 0 && length <= degree;
        int count = few ? (int)length : degree + 1;
        if (find_differences(self, row, count) < 0 ||
            add_up(&total, row, count, n) < 0) {
            Py_CLEAR(total);
        }
    }
    for (int i = 0; i <= degree; i++) {
        Py_XDECREF(row[i]);
    }
    Py_DECREF(n);
    return total;
}
