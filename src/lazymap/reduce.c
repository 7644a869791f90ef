/* reduce.c - what all values of a LazyMap come to: sum, mean, min and max.
 *
 * Each is a consumer (native.h) that takes values as blocks of numbers or one
 * by one as objects, in order.  The consumers live on the stack of the call
 * and own the objects in them. */
#include "exactsum/exactsum.h"
#include "lazymap/internal.h"
#include "lazymap/native.h"
#include "platform/fpenv.h"
#include "state.h"

/* --- A pass ------------------------------------------------------------------ */

int
mo_lazymap_consume(PyObject *op, mo_consumer *consumer)
{
    mo_lazymap_state *state = ((mo_lazymap *)op)->state;
    PyObject *value = NULL, *iterator = PyObject_GetIter(op);
    if (iterator == NULL) {
        return -1;
    }
    bool own = Py_IS_TYPE(iterator, state->iterator_type);
    int status = 0;
    while (!consumer->stopped) {
        if (own && (status = mo_iterator_fold(iterator, consumer)) < 0) {
            break;
        }
        value = consumer->stopped ? NULL : PyIter_Next(iterator);
        if (value == NULL) {
            status = PyErr_Occurred() ? -1 : 0;
            break;
        }
        status = consumer->each(consumer, value);
        Py_DECREF(value);
        if (status < 0) {
            break;
        }
    }
    Py_DECREF(iterator);
    return status;
}

/* --- Sums ----------------------------------------------------------------------- */

typedef struct {
    mo_consumer consumer;
    const mo_operations *operations; /* static */
    int64_t high;   /* the sum of the ints that fit in 64 bits: */
    uint64_t low;   /* high * 2**64 + low */
    PyObject *ints; /* owned: the sum of the others; NULL for 0 */
    mo_accumulator floats;
    mo_ladder ladder; /* that they are added by */
    bool has_floats;
    PyObject *objects; /* owned: everything, once there was a value that is
                          neither int nor float; until then NULL */
    uint64_t count;    /* values, without start */
} mo_summer;

static void
add_int64(mo_summer *self, int64_t value)
{
    uint64_t low = self->low + (uint64_t)value;
    self->high += (value < 0 ? -1 : 0) + (low < self->low);
    self->low = low;
}

/* Blocks of small ints, the usual ones, add up within 64 bits. */
static void
add_ints(mo_summer *self, const mo_value *values, size_t n)
{
    int64_t sum;
    if (n <= MO_SUM_ITEMS && self->operations->sum_ints(values, n, &sum)) {
        add_int64(self, sum);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        add_int64(self, values[i].i);
    }
}

static_assert(sizeof(mo_value) == sizeof(double),
              "results are doubles in a row");

/* The one place where floats are added up. */
static void
add_floats(mo_summer *self, const mo_value *values, size_t n)
{
    const mo_fpenv environment = mo_fpenv_enter();
    mo_ladder_add(&self->ladder, &values->f, n, &self->floats);
    mo_fpenv_leave(&environment);
    self->has_floats = true;
}

static bool
sum_take(mo_consumer *consumer, mo_type type, const mo_value *results,
         size_t n)
{
    mo_summer *self = (mo_summer *)consumer;
    if (self->objects != NULL) {
        return false;
    }
    if (type == MO_FLOAT) {
        add_floats(self, results, n);
    }
    else {
        add_ints(self, results, n);
    }
    self->count += n;
    return true;
}

/* An exact int or bool. */
static int
sum_add_int(mo_summer *self, PyObject *value)
{
    int64_t small;
    if (mo_int_as_int64(value, &small)) {
        add_int64(self, small);
        return 0;
    }
    PyObject *sum =
        self->ints ? PyNumber_Add(self->ints, value) : Py_NewRef(value);
    if (sum == NULL) {
        return -1;
    }
    Py_XSETREF(self->ints, sum);
    return 0;
}

/* The sum of all ints: a new int, or NULL with MemoryError. */
static PyObject *
sum_of_ints(const mo_summer *self)
{
    PyObject *sum = NULL;
    PyObject *high = PyLong_FromLongLong(self->high);
    PyObject *low = PyLong_FromUnsignedLongLong(self->low);
    PyObject *bits = PyLong_FromLong(64);
    PyObject *shifted = high && bits ? PyNumber_Lshift(high, bits) : NULL;
    if (shifted != NULL && low != NULL) {
        sum = PyNumber_Add(shifted, low);
    }
    if (sum != NULL && self->ints != NULL) {
        Py_SETREF(sum, PyNumber_Add(sum, self->ints));
    }
    Py_XDECREF(high);
    Py_XDECREF(low);
    Py_XDECREF(bits);
    Py_XDECREF(shifted);
    return sum;
}

/* Adds an int of any size to an exact sum of floats, in pieces that are
 * floats; takes it over.  0, or -1 with OverflowError. */
static int
add_big_int(mo_accumulator *total, PyObject *number)
{
    while (number != NULL) {
        double piece = PyLong_AsDouble(number);
        if (piece == 0.0 || (piece == -1.0 && PyErr_Occurred())) {
            break;
        }
        mo_accumulator_add(total, piece);
        PyObject *taken = PyLong_FromDouble(piece);
        PyObject *rest = taken ? PyNumber_Subtract(number, taken) : NULL;
        Py_XDECREF(taken);
        Py_SETREF(number, rest);
    }
    Py_XDECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

/* Puts the ints among the floats: 0 or -1. */
static int
sum_join(mo_summer *self)
{
    return add_big_int(&self->floats, sum_of_ints(self));
}

/* The sum of what is int and float. */
static PyObject *
sum_of_numbers(mo_summer *self)
{
    if (!self->has_floats) {
        return sum_of_ints(self);
    }
    if (sum_join(self) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(mo_accumulator_round(&self->floats, NULL));
}

static int
sum_add_object(mo_summer *self, PyObject *value)
{
    if (self->objects == NULL) {
        self->objects = sum_of_numbers(self);
        if (self->objects == NULL) {
            return -1;
        }
    }
    PyObject *sum = PyNumber_Add(self->objects, value);
    if (sum == NULL) {
        return -1;
    }
    Py_SETREF(self->objects, sum);
    return 0;
}

/* What a NumPy scalar stands for as a new int or float, or NULL without an
 * exception if value is none: they are the numbers that export a buffer. */
static PyObject *
number_in_buffer(PyObject *value)
{
    Py_buffer view;
    if (!PyObject_CheckBuffer(value) || !PyNumber_Check(value)) {
        return NULL;
    }
    if (PyObject_GetBuffer(value, &view, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear(); /* no buffer, so no number in one */
        return NULL;
    }
    const char *format = view.format ? view.format : "B";
    bool scalar = view.ndim == 0 && format[0] != 0 && format[1] == 0;
    bool is_int = scalar && strchr("?bBhHiIlLqQ", format[0]) != NULL;
    bool is_float = scalar && strchr("efd", format[0]) != NULL;
    PyBuffer_Release(&view);
    if (is_int) {
        return PyNumber_Long(value);
    }
    return is_float ? PyNumber_Float(value) : NULL;
}

static int
sum_add(mo_summer *self, PyObject *value)
{
    if (self->objects == NULL) {
        if (PyLong_CheckExact(value) || PyBool_Check(value)) {
            return sum_add_int(self, value);
        }
        if (PyFloat_CheckExact(value)) {
            mo_value number = {.f = PyFloat_AS_DOUBLE(value)};
            add_floats(self, &number, 1);
            return 0;
        }
        PyObject *number = number_in_buffer(value);
        if (number != NULL) {
            int status = sum_add(self, number);
            Py_DECREF(number);
            return status;
        }
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    return sum_add_object(self, value);
}

static int
sum_each(mo_consumer *consumer, PyObject *value)
{
    mo_summer *self = (mo_summer *)consumer;
    self->count++;
    return sum_add(self, value);
}

static void
sum_open(mo_summer *self, PyObject *op)
{
    *self = (mo_summer){.consumer = {.take = sum_take, .each = sum_each}};
    self->operations =
        MO_LOAD_POINTER(&mo_state_of(Py_TYPE(op))->lazymap.operations);
    mo_accumulator_init(&self->floats);
    mo_ladder_init(&self->ladder, mo_kernel_of(mo_state_of(Py_TYPE(op))));
}

static void
sum_close(mo_summer *self)
{
    Py_XDECREF(self->ints);
    Py_XDECREF(self->objects);
}

/* What sum() refuses to add up, with its words. */
static int
check_start(PyObject *start)
{
    const char *what = NULL, *use = NULL;
    if (PyUnicode_Check(start)) {
        what = "strings", use = "''.join(seq)";
    }
    else if (PyBytes_Check(start)) {
        what = "bytes", use = "b''.join(seq)";
    }
    else if (PyByteArray_Check(start)) {
        what = "bytearray", use = "b''.join(seq)";
    }
    if (what == NULL) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "sum() can't sum %s [use %s instead]", what,
                 use);
    return -1;
}

/* The sum begins with it. */
static int
sum_start(mo_summer *self, PyObject *start)
{
    if (check_start(start) < 0) {
        return -1;
    }
    if (PyLong_CheckExact(start) || PyFloat_CheckExact(start) ||
        PyBool_Check(start)) {
        return sum_add(self, start);
    }
    self->objects = Py_NewRef(start);
    return 0;
}

PyObject *
mo_lazymap_sum(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"start", NULL};
    PyObject *start = NULL, *sum = NULL;
    mo_summer summer;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:sum", names, &start)) {
        return NULL;
    }
    if (start == NULL || PyLong_CheckExact(start)) {
        sum = mo_lazymap_polynomial_sum(op, start);
        if (sum != NULL || PyErr_Occurred()) {
            return sum;
        }
    }
    sum_open(&summer, op);
    if ((start == NULL || sum_start(&summer, start) == 0) &&
        mo_lazymap_consume(op, &summer.consumer) == 0) {
        bool only_start = start != NULL && summer.count == 0;
        PyObject *object = only_start ? start : summer.objects;
        sum = object ? Py_NewRef(object) : sum_of_numbers(&summer);
    }
    sum_close(&summer);
    return sum;
}

/* The sum divided by the count, which is not 0. */
static PyObject *
mean_of(mo_summer *self)
{
    if (self->objects == NULL && self->has_floats) {
        if (sum_join(self) < 0) {
            return NULL;
        }
        return PyFloat_FromDouble(
            mo_accumulator_mean(&self->floats, self->count, NULL));
    }
    PyObject *sum =
        self->objects ? Py_NewRef(self->objects) : sum_of_ints(self);
    PyObject *count = PyLong_FromUnsignedLongLong(self->count);
    PyObject *mean = sum && count ? PyNumber_TrueDivide(sum, count) : NULL;
    Py_XDECREF(sum);
    Py_XDECREF(count);
    return mean;
}

PyObject *
mo_lazymap_mean(PyObject *op, PyObject *ignored)
{
    PyObject *mean = NULL;
    mo_summer summer;
    sum_open(&summer, op);
    if (mo_lazymap_consume(op, &summer.consumer) == 0) {
        if (summer.count > 0) {
            mean = mean_of(&summer);
        }
        else {
            PyErr_SetString(PyExc_ValueError, "mean of an empty LazyMap");
        }
    }
    sum_close(&summer);
    return mean;
}

/* --- Extremes -------------------------------------------------------------------- */

typedef struct {
    mo_consumer consumer;
    int comparison; /* Py_LT for the least, Py_GT for the greatest */
    mo_type type;   /* of `best`; MO_NO_TYPE: it is `object` */
    mo_value best;
    PyObject *object; /* owned; NULL: if there is no type either, nothing */
} mo_extreme;

static inline bool
is_better(const mo_extreme *self, mo_type type, mo_value a, mo_value b)
{
    if (type == MO_FLOAT) {
        return self->comparison == Py_LT ? a.f < b.f : a.f > b.f;
    }
    return self->comparison == Py_LT ? a.i < b.i : a.i > b.i;
}

/* In order, so that NaN and equal values come out as they do in min(). */
static bool
extreme_take(mo_consumer *consumer, mo_type type, const mo_value *results,
             size_t n)
{
    mo_extreme *self = (mo_extreme *)consumer;
    size_t i = 0;
    if (self->type != type) {
        if (self->type != MO_NO_TYPE || self->object != NULL) {
            return false;
        }
        self->type = type;
        self->best = results[i++];
    }
    mo_value best = self->best;
    for (; i < n; i++) {
        best = is_better(self, type, results[i], best) ? results[i] : best;
    }
    self->best = best;
    return true;
}

/* Keeps a value unboxed if it can, so that blocks can be compared with it. */
static void
extreme_keep(mo_extreme *self, PyObject *value)
{
    self->type = MO_NO_TYPE;
    if (PyFloat_CheckExact(value)) {
        self->type = MO_FLOAT;
        self->best.f = PyFloat_AS_DOUBLE(value);
    }
    else if (PyLong_CheckExact(value) &&
             mo_int_as_int64(value, &self->best.i)) {
        self->type = MO_INT;
    }
    PyObject *kept = self->type == MO_NO_TYPE ? Py_NewRef(value) : NULL;
    Py_XSETREF(self->object, kept);
}

/* The extreme so far, a new reference; NULL without an exception for none. */
static PyObject *
extreme_box(const mo_extreme *self)
{
    return self->type == MO_NO_TYPE ? Py_XNewRef(self->object)
                                    : mo_native_box(self->type, self->best);
}

static int
extreme_each(mo_consumer *consumer, PyObject *value)
{
    mo_extreme *self = (mo_extreme *)consumer;
    int better = 1;
    PyObject *best = extreme_box(self);
    if (best == NULL && PyErr_Occurred()) {
        return -1;
    }
    if (best != NULL) {
        better = PyObject_RichCompareBool(value, best, self->comparison);
        Py_DECREF(best);
    }
    if (better > 0) {
        extreme_keep(self, value);
    }
    return better < 0 ? -1 : 0;
}

static PyObject *
extreme_of(PyObject *op, int comparison, const char *name)
{
    PyObject *best = mo_lazymap_closed_form(
        op, comparison == Py_LT ? "least" : "greatest", NULL);
    if (best != NULL || PyErr_Occurred()) {
        return best;
    }
    mo_extreme extreme = {
        .consumer = {.take = extreme_take,
                     .each = extreme_each,
                     .needs_types = true},
        .comparison = comparison,
        .type = MO_NO_TYPE,
    };
    if (mo_lazymap_consume(op, &extreme.consumer) == 0) {
        best = extreme_box(&extreme);
        if (best == NULL && !PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "%s of an empty LazyMap", name);
        }
    }
    Py_XDECREF(extreme.object);
    return best;
}

PyObject *
mo_lazymap_min(PyObject *op, PyObject *ignored)
{
    return extreme_of(op, Py_LT, "min");
}

PyObject *
mo_lazymap_max(PyObject *op, PyObject *ignored)
{
    return extreme_of(op, Py_GT, "max");
}
