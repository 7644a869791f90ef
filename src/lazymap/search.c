/* search.c - in, count, index, any and all of a LazyMap.
 *
 * A value is found as list finds it: identity before ==, value on the left,
 * stopping at the first.  Comparisons run any code; nothing is held across
 * them but an iterator. */
#include "lazymap/internal.h"
#include "lazymap/native.h"

typedef struct {
    mo_consumer consumer;
    PyObject *wanted;  /* borrowed */
    Py_ssize_t enough; /* matches after which to stop */
    Py_ssize_t stop;   /* values to look at, at most */
    Py_ssize_t seen;   /* values looked at */
    Py_ssize_t found;  /* matches among them */
    bool is_number;    /* wanted is compared by the fields below: */
    bool fits_int;     /* an int lane can have an equal, */
    bool fits_float;   /* so can a float lane */
    int64_t as_int;
    double as_float;
} mo_finder;

/* An int equals a float only if it is that whole number. */
static void
set_number(mo_finder *self, PyObject *wanted)
{
    if (PyFloat_CheckExact(wanted)) {
        double number = PyFloat_AS_DOUBLE(wanted);
        self->is_number = number == number; /* NaN is found by identity */
        self->fits_float = true;
        self->as_float = number;
        self->fits_int = number >= -0x1p63 && number < 0x1p63 &&
                         number == (double)(int64_t)number;
        self->as_int = self->fits_int ? (int64_t)number : 0;
    }
    else if ((PyLong_CheckExact(wanted) || PyBool_Check(wanted)) &&
             mo_int_as_int64(wanted, &self->as_int)) {
        self->is_number = self->fits_int = true;
        self->as_float = (double)self->as_int;
        self->fits_float =
            self->as_float < 0x1p63 && (int64_t)self->as_float == self->as_int;
    }
}

/* Whether one result is the number. */
static inline bool
is_match(const mo_finder *self, mo_type type, mo_value value)
{
    return type == MO_FLOAT ? self->fits_float && value.f == self->as_float
                            : self->fits_int && value.i == self->as_int;
}

/* Matches among n results: two loops that vectorise. */
static Py_ssize_t
count_matches(const mo_finder *self, mo_type type, const mo_value *results,
              size_t n)
{
    Py_ssize_t found = 0;
    if (type == MO_FLOAT && self->fits_float) {
        for (size_t i = 0; i < n; i++) {
            found += results[i].f == self->as_float;
        }
    }
    else if (type != MO_FLOAT && self->fits_int) {
        for (size_t i = 0; i < n; i++) {
            found += results[i].i == self->as_int;
        }
    }
    return found;
}

static bool
find_take(mo_consumer *consumer, mo_type type, const mo_value *results,
          size_t n)
{
    mo_finder *self = (mo_finder *)consumer;
    if (!self->is_number) {
        return false;
    }
    if ((Py_ssize_t)n > self->stop - self->seen) {
        n = (size_t)(self->stop - self->seen);
    }
    Py_ssize_t found = count_matches(self, type, results, n);
    if (found >= self->enough - self->found) {
        /* Few are wanted: where is the last of them? */
        for (size_t i = 0; self->found < self->enough; i++) {
            self->found += is_match(self, type, results[i]);
            self->seen++;
        }
        consumer->stopped = true;
        return true;
    }
    self->found += found;
    self->seen += (Py_ssize_t)n;
    consumer->stopped = self->seen == self->stop;
    return true;
}

static int
find_each(mo_consumer *consumer, PyObject *value)
{
    mo_finder *self = (mo_finder *)consumer;
    int same = PyObject_RichCompareBool(value, self->wanted, Py_EQ);
    if (same < 0) {
        return -1;
    }
    self->seen++;
    self->found += same;
    consumer->stopped =
        self->found == self->enough || self->seen == self->stop;
    return 0;
}

/* Looks for `enough` matches among the first `stop` values: how many there
 * are, or -1.  *seen, if given, is how many values it took to find them. */
static Py_ssize_t
find(PyObject *op, PyObject *wanted, Py_ssize_t enough, Py_ssize_t stop,
     Py_ssize_t *seen)
{
    mo_finder finder = {
        .consumer = {.take = find_take,
                     .each = find_each,
                     .stopped = stop == 0},
        .wanted = wanted,
        .enough = enough,
        .stop = stop,
    };
    set_number(&finder, wanted);
    int status = mo_lazymap_consume(op, &finder.consumer);
    if (seen != NULL) {
        *seen = finder.seen;
    }
    return status < 0 ? -1 : finder.found;
}

int
mo_lazymap_contains(PyObject *op, PyObject *wanted)
{
    PyObject *answer = mo_lazymap_closed_form(op, "contains", wanted);
    if (answer != NULL) {
        int found = answer == Py_True;
        Py_DECREF(answer);
        return found;
    }
    return PyErr_Occurred() ? -1
                            : (int)find(op, wanted, 1, PY_SSIZE_T_MAX, NULL);
}

PyObject *
mo_lazymap_count(PyObject *op, PyObject *wanted)
{
    PyObject *answer = mo_lazymap_closed_form(op, "count", wanted);
    if (answer != NULL || PyErr_Occurred()) {
        return answer;
    }
    Py_ssize_t found = find(op, wanted, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, NULL);
    return found < 0 ? NULL : PyLong_FromSsize_t(found);
}

/* A bound as list.index takes it: any integer, clipped, from the end if it
 * is negative.  0 or -1. */
static int
parse_bound(mo_lazymap *self, PyObject *number, Py_ssize_t *bound)
{
    if (!PyIndex_Check(number)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or have an "
                        "__index__ method");
        return -1;
    }
    *bound = PyNumber_AsSsize_t(number, NULL);
    if (*bound == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (*bound < 0) {
        Py_ssize_t length = mo_lazymap_length(self, PY_SSIZE_T_MAX);
        if (length < 0) {
            return -1;
        }
        *bound = *bound < -length ? 0 : *bound + length;
    }
    return 0;
}

/* The first index from 0 on and below stop, by one pass; -1 if there is none
 * or with an exception. */
static Py_ssize_t
find_from_start(PyObject *op, PyObject *wanted, Py_ssize_t stop)
{
    Py_ssize_t seen;
    return find(op, wanted, 1, stop, &seen) > 0 ? seen - 1 : -1;
}

/* The same from `start` on, by indices, while the sources last. */
static Py_ssize_t
find_by_index(mo_lazymap *self, PyObject *wanted, Py_ssize_t start,
              Py_ssize_t stop)
{
    for (Py_ssize_t i = start; i < stop; i++) {
        if (i >= mo_lazymap_length(self, i + 1)) {
            return -1; /* also after an error, as the length is then -1 */
        }
        PyObject *value = mo_lazymap_item(self, i);
        if (value == NULL) {
            return -1;
        }
        int same = PyObject_RichCompareBool(value, wanted, Py_EQ);
        Py_DECREF(value);
        if (same != 0) {
            return same > 0 ? i : -1;
        }
    }
    return -1;
}

PyObject *
mo_lazymap_index(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    mo_lazymap *self = (mo_lazymap *)op;
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError,
                     "index expected 1 to 3 arguments, got %zd", nargs);
        return NULL;
    }
    if (self->kind != MO_SEQUENCE) {
        mo_lazymap_refuse(self, "has no indices");
        return NULL;
    }
    if ((nargs > 1 && parse_bound(self, args[1], &start) < 0) ||
        (nargs > 2 && parse_bound(self, args[2], &stop) < 0)) {
        return NULL;
    }
    if (nargs == 1) {
        PyObject *answer = mo_lazymap_closed_form(op, "index", args[0]);
        if (answer != NULL && answer != Py_None) {
            return answer;
        }
        if (answer == NULL && PyErr_Occurred()) {
            return NULL;
        }
        stop = answer == NULL ? stop : 0; /* known not to be there */
        Py_XDECREF(answer);
    }
    Py_ssize_t found = start == 0 ? find_from_start(op, args[0], stop)
                                  : find_by_index(self, args[0], start, stop);
    if (found >= 0) {
        return PyLong_FromSsize_t(found);
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "%R is not in LazyMap", args[0]);
    }
    return NULL;
}

/* --- Truth ------------------------------------------------------------------- */

typedef struct {
    mo_consumer consumer; /* stopped by a value of the truth sought */
    bool sought;
} mo_judge;

static bool
judge_take(mo_consumer *consumer, mo_type type, const mo_value *results,
           size_t n)
{
    mo_judge *self = (mo_judge *)consumer;
    for (size_t i = 0; i < n && !consumer->stopped; i++) {
        bool truth =
            type == MO_FLOAT ? results[i].f != 0.0 : results[i].i != 0;
        consumer->stopped = truth == self->sought;
    }
    return true;
}

static int
judge_each(mo_consumer *consumer, PyObject *value)
{
    mo_judge *self = (mo_judge *)consumer;
    int truth = PyObject_IsTrue(value);
    consumer->stopped = truth == (int)self->sought;
    return truth < 0 ? -1 : 0;
}

/* Whether some value is as true as `sought`: 1, 0 or -1. */
static int
find_truth(PyObject *op, bool sought)
{
    mo_judge judge = {
        .consumer = {.take = judge_take, .each = judge_each},
        .sought = sought,
    };
    if (mo_lazymap_consume(op, &judge.consumer) < 0) {
        return -1;
    }
    return judge.consumer.stopped;
}

PyObject *
mo_lazymap_any(PyObject *op, PyObject *ignored)
{
    int found = find_truth(op, true);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

PyObject *
mo_lazymap_all(PyObject *op, PyObject *ignored)
{
    int found = find_truth(op, false);
    return found < 0 ? NULL : PyBool_FromLong(!found);
}
