/* exactsum.c - the type ExactSum: an exact sum that grows, merges and travels.
 *
 * The object owns one mo_sum and no other object.  Numbers are read, which
 * may run Python code, into an mo_sum on the stack and merged when all is
 * well, so that an exception leaves the object as it was and code that comes
 * back to the object while it is being added to finds it whole.  A method
 * that takes part in changing an object locks it (critical section); what
 * must run inside ends in _lock_held and runs no Python code. */
#include "exactsum/exactsum.h"

#include "exactsum/dispatch.h"
#include "exactsum/fsum.h"
#include "exactsum/reader.h"
#include "exactsum/serial.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    mo_sum sum;
} ExactSumObject;

static inline mo_sum *
sum_of(PyObject *op)
{
    return &((ExactSumObject *)op)->sum;
}

mo_sum
mo_exactsum_snapshot(PyObject *op)
{
    mo_sum copy;
    MO_BEGIN_CRITICAL_SECTION(op);
    copy = *sum_of(op);
    MO_END_CRITICAL_SECTION();
    return copy;
}

/* How one sum is changed by another. */
typedef int (*sum_operation)(mo_sum *sum, const mo_sum *other);

static int
exactsum_apply(PyObject *op, sum_operation operation, const mo_sum *other)
{
    int result;
    MO_BEGIN_CRITICAL_SECTION(op);
    result = operation(sum_of(op), other);
    MO_END_CRITICAL_SECTION();
    return result;
}

static PyObject *
exactsum_alloc(PyTypeObject *type, const mo_sum *sum)
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL) {
        *sum_of(self) = *sum;
    }
    return self;
}

PyObject *
mo_exactsum_new(mo_state *state, const mo_sum *sum)
{
    return exactsum_alloc(state->exactsum.ExactSumType, sum);
}

static PyObject *
exactsum_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *terms = NULL;
    mo_sum sum;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "ExactSum() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "ExactSum", 0, 1, &terms)) {
        return NULL;
    }
    mo_sum_init(&sum);
    if (terms != NULL && mo_read_any(mo_state_of(type), terms, &sum) < 0) {
        return NULL;
    }
    return exactsum_alloc(type, &sum);
}

static int
exactsum_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
exactsum_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type); /* heap types: each instance owns one */
}

PyDoc_STRVAR(add_doc,
"add($self, x, /)\n--\n\n"
"Add one number, counting as one term.\n\n"
"x is a float, an int of any size (exact), or any other number, which counts\n"
"as float(x).  An ExactSum is merged.  Raises TypeError if x is not a real\n"
"number, OverflowError if it is an int too large for a float; the sum is then\n"
"left as it was.  Constant time.\n\n"
">>> s = memopt.ExactSum()\n"
">>> s.add(0.1)\n"
">>> s\n"
"<memopt.ExactSum value=0.1 count=1>");

static int
exactsum_add_double_lock_held(PyObject *op, double x)
{
    mo_sum *sum = sum_of(op);
    if (mo_sum_count(sum, 1) < 0) {
        return -1;
    }
    mo_accumulator_add(&sum->total, x);
    return 0;
}

static PyObject *
exactsum_add(PyObject *op, PyObject *x)
{
    int failed;
    if (PyFloat_CheckExact(x)) {
        MO_BEGIN_CRITICAL_SECTION(op);
        failed = exactsum_add_double_lock_held(op, PyFloat_AS_DOUBLE(x));
        MO_END_CRITICAL_SECTION();
    }
    else {
        mo_sum term;
        mo_sum_init(&term);
        failed = mo_read_number(mo_state_of(Py_TYPE(op)), x, &term) < 0 ||
                 exactsum_apply(op, mo_sum_merge, &term) < 0;
    }
    return failed ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(update_doc,
"update($self, obj, /, *, threads=None)\n--\n\n"
"Add every number in obj: whatever memopt.fsum takes, and in as many threads.\n\n"
"All or nothing: if an item is not a number (TypeError), or anything that obj\n"
"runs raises, the sum is left as it was.  Linear time, constant memory.\n\n"
">>> s = memopt.ExactSum()\n"
">>> s.update([[0.1, 0.2], (0.3,)])\n"
">>> s.value, s.count\n"
"(0.6, 3)");

static PyObject *
exactsum_update(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "threads", NULL};
    PyObject *obj, *argument = NULL;
    int threads;
    mo_sum terms;
    mo_sum_init(&terms);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:update", names, &obj,
                                     &argument) ||
        mo_threads_parse(argument, &threads) < 0 ||
        mo_sum_read(mo_state_of(Py_TYPE(op)), obj, threads, NULL, &terms) <
            0 ||
        exactsum_apply(op, mo_sum_merge, &terms) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(merge_doc,
"merge($self, other, /)\n--\n\n"
"Add another ExactSum, terms and count; other is left as it is.\n\n"
"Merging in any order or grouping gives the same bits as adding all terms to\n"
"one sum.  Raises TypeError if other is not an ExactSum.  Constant time.\n\n"
">>> s = memopt.ExactSum([1e100, 1.0])\n"
">>> s.merge(memopt.ExactSum([-1e100]))\n"
">>> s.value, s.count\n"
"(1.0, 3)");

static PyObject *
exactsum_merge(PyObject *op, PyObject *other)
{
    if (!Py_IS_TYPE(other, Py_TYPE(op))) {
        PyErr_Format(PyExc_TypeError,
                     "merge() argument must be ExactSum, not %.200s; "
                     "use update() for numbers",
                     Py_TYPE(other)->tp_name);
        return NULL;
    }
    mo_sum terms = mo_exactsum_snapshot(other);
    if (exactsum_apply(op, mo_sum_merge, &terms) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* left op right as a new object.  The type is final, so equal types mean that
 * both are ExactSum. */
static PyObject *
exactsum_binary(PyObject *left, PyObject *right, sum_operation operation)
{
    if (!Py_IS_TYPE(right, Py_TYPE(left))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    mo_sum result = mo_exactsum_snapshot(left);
    mo_sum other = mo_exactsum_snapshot(right);
    if (operation(&result, &other) < 0) {
        return NULL;
    }
    return exactsum_alloc(Py_TYPE(left), &result);
}

static PyObject *
exactsum_inplace(PyObject *op, PyObject *other, sum_operation operation)
{
    if (!Py_IS_TYPE(other, Py_TYPE(op))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    mo_sum terms = mo_exactsum_snapshot(other);
    if (exactsum_apply(op, operation, &terms) < 0) {
        return NULL;
    }
    return Py_NewRef(op);
}

static PyObject *
exactsum_nb_add(PyObject *left, PyObject *right)
{
    return exactsum_binary(left, right, mo_sum_merge);
}

static PyObject *
exactsum_nb_subtract(PyObject *left, PyObject *right)
{
    return exactsum_binary(left, right, mo_sum_subtract);
}

static PyObject *
exactsum_nb_inplace_add(PyObject *op, PyObject *other)
{
    return exactsum_inplace(op, other, mo_sum_merge);
}

static PyObject *
exactsum_nb_inplace_subtract(PyObject *op, PyObject *other)
{
    return exactsum_inplace(op, other, mo_sum_subtract);
}

static PyObject *
exactsum_richcompare(PyObject *op, PyObject *other, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) ||
        !Py_IS_TYPE(other, Py_TYPE(op))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    mo_sum a = mo_exactsum_snapshot(op);
    mo_sum b = mo_exactsum_snapshot(other);
    bool equal =
        a.count == b.count && mo_accumulator_equal(&a.total, &b.total);
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

PyDoc_STRVAR(value_doc,
"The sum, rounded once to the nearest float: what fsum gives for the terms.");

static PyObject *
exactsum_value(PyObject *op, void *closure)
{
    mo_sum sum = mo_exactsum_snapshot(op);
    return PyFloat_FromDouble(mo_accumulator_round(&sum.total, NULL));
}

static PyObject *
exactsum_nb_float(PyObject *op)
{
    return exactsum_value(op, NULL);
}

PyDoc_STRVAR(mean_doc,
"The exact sum divided by count, rounded once to the nearest float.\n\n"
"ValueError if count is not positive.");

static PyObject *
exactsum_mean(PyObject *op, void *closure)
{
    mo_sum sum = mo_exactsum_snapshot(op);
    if (sum.count <= 0) {
        PyErr_SetString(PyExc_ValueError,
                        "the mean requires at least one term");
        return NULL;
    }
    uint64_t count = (uint64_t)sum.count;
    return PyFloat_FromDouble(mo_accumulator_mean(&sum.total, count, NULL));
}

PyDoc_STRVAR(count_doc,
"How many terms were added, less those subtracted: a 64-bit integer.");

static PyObject *
exactsum_count(PyObject *op, void *closure)
{
    mo_sum sum = mo_exactsum_snapshot(op);
    return PyLong_FromLongLong(sum.count);
}

static PyObject *
exactsum_repr(PyObject *op)
{
    mo_sum sum = mo_exactsum_snapshot(op);
    double rounded = mo_accumulator_round(&sum.total, NULL);
    PyObject *value = PyFloat_FromDouble(rounded);
    if (value == NULL) {
        return NULL;
    }
    PyObject *repr =
        PyUnicode_FromFormat("<%s value=%R count=%lld>", Py_TYPE(op)->tp_name,
                             value, (long long)sum.count);
    Py_DECREF(value);
    return repr;
}

PyDoc_STRVAR(reduce_doc,
"__reduce__($self, /)\n--\n\n"
"Support for pickle and copy: 290 bytes of state, the same for equal sums.");

/* No sum comes into being before its state is checked.  Had pickle first to
   make an empty one and then to set its state, a pickle with one byte changed
   (BUILD to POP) would load as an empty sum. */

static PyObject *
exactsum_reduce(PyObject *op, PyObject *ignored)
{
    mo_sum sum = mo_exactsum_snapshot(op);
    uint8_t state[MO_SERIAL_SIZE];
    mo_serial_store(&sum, state);
    PyObject *module = PyType_GetModule(Py_TYPE(op));
    PyObject *load = PyObject_GetAttrString(module, "_restore_exactsum");
    return load == NULL ? NULL
                        : Py_BuildValue("N(y#)", load, (const char *)state,
                                        (Py_ssize_t)sizeof state);
}

static int
exactsum_load(PyObject *state, mo_sum *sum)
{
    const char *problem = "bytes are needed";
    if (PyBytes_CheckExact(state)) {
        problem = mo_serial_load((const uint8_t *)PyBytes_AS_STRING(state),
                                 (size_t)PyBytes_GET_SIZE(state), sum);
    }
    if (problem != NULL) {
        PyErr_Format(PyExc_ValueError, "not the state of an ExactSum: %s",
                     problem);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(restore_doc,
"_restore_exactsum($module, state, /)\n--\n\n"
"Support for pickle and copy: the ExactSum whose state this is.\n\n"
"ValueError if it is not the state of one.");

static PyObject *
restore_exactsum(PyObject *module, PyObject *state)
{
    mo_sum sum;
    if (exactsum_load(state, &sum) < 0) {
        return NULL;
    }
    mo_state *module_state = PyModule_GetState(module);
    return exactsum_alloc(module_state->exactsum.ExactSumType, &sum);
}

static PyMethodDef exactsum_functions[] = {
    {"_restore_exactsum", restore_exactsum, METH_O, restore_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(setstate_doc,
"__setstate__($self, state, /)\n--\n\n"
"Become the sum whose state this is.\n\n"
"ValueError, with the sum left as it was, if it is not the state of one.");

static int
exactsum_set_lock_held(mo_sum *sum, const mo_sum *other)
{
    *sum = *other;
    return 0;
}

static PyObject *
exactsum_setstate(PyObject *op, PyObject *state)
{
    mo_sum sum;
    if (exactsum_load(state, &sum) < 0) {
        return NULL;
    }
    (void)exactsum_apply(op, exactsum_set_lock_held, &sum);
    Py_RETURN_NONE;
}

static PyMethodDef exactsum_methods[] = {
    {"add", exactsum_add, METH_O, add_doc},
    {"update", (PyCFunction)(void (*)(void))exactsum_update,
     METH_VARARGS | METH_KEYWORDS, update_doc},
    {"merge", exactsum_merge, METH_O, merge_doc},
    {"__reduce__", exactsum_reduce, METH_NOARGS, reduce_doc},
    {"__setstate__", exactsum_setstate, METH_O, setstate_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef exactsum_getset[] = {
    {"value", exactsum_value, NULL, value_doc, NULL},
    {"mean", exactsum_mean, NULL, mean_doc, NULL},
    {"count", exactsum_count, NULL, count_doc, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(exactsum_doc,
"ExactSum(terms=(), /)\n--\n\n"
"A sum of floats kept without any rounding, in constant memory.\n\n"
"terms is a number or whatever memopt.fsum takes.  The sum can be read at any\n"
"time, rounded once, as value, and divided by its count, rounded once, as\n"
"mean.  Sums are merged, added (+, +=) and subtracted (-, -=), counts\n"
"included; the operators take an ExactSum on both sides, not numbers.  Any\n"
"order and any grouping gives the same bits, so partial sums may be computed\n"
"anywhere, pickled (in at most 700 bytes) and merged as they come.\n\n"
"nan and infinities are remembered: value is then nan or an infinity, as\n"
"memopt.fsum(..., special='propagate') has it.  Subtracting does not make the\n"
"sum forget them: inf - inf is nan.\n\n"
"Two are equal if they hold the same exact sum, count and special values;\n"
"they are mutable and so not hashable.  (a - b).value == 0 tells whether two\n"
"finite sums are the same number whatever their counts.\n\n"
"OverflowError if the count would not fit in 64 bits or the sum would exceed\n"
"2**75 times the greatest float; TypeError and ValueError as in fsum.  An\n"
"exception leaves the sum as it was.\n\n"
">>> s = memopt.ExactSum([0.1, 0.2])\n"
">>> s.add(0.3)\n"
">>> s.value, s.mean, s.count\n"
"(0.6, 0.2, 3)\n"
">>> (s - memopt.ExactSum([0.2])).value\n"
"0.4\n\n"
"Algorithm: R. M. Neal, \"Fast exact summation using small and large\n"
"superaccumulators\" (arXiv:1505.05571).");

static PyType_Slot exactsum_slots[] = {
    {Py_tp_doc, (void *)exactsum_doc},
    {Py_tp_new, exactsum_new},
    {Py_tp_traverse, exactsum_traverse},
    {Py_tp_dealloc, exactsum_dealloc},
    {Py_tp_repr, exactsum_repr},
    {Py_tp_richcompare, exactsum_richcompare},
    {Py_tp_methods, exactsum_methods},
    {Py_tp_getset, exactsum_getset},
    {Py_nb_float, exactsum_nb_float},
    {Py_nb_add, exactsum_nb_add},
    {Py_nb_subtract, exactsum_nb_subtract},
    {Py_nb_inplace_add, exactsum_nb_inplace_add},
    {Py_nb_inplace_subtract, exactsum_nb_inplace_subtract},
    {0, NULL},
};

/* Final: the operators and pickling rely on there being no subclasses. */
static PyType_Spec exactsum_spec = {
    .name = "memopt.ExactSum",
    .basicsize = sizeof(ExactSumObject),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = exactsum_slots,
};

int
mo_exactsum_setup(PyObject *module, mo_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &exactsum_spec, NULL);
    state->exactsum.ExactSumType = (PyTypeObject *)type;
    if (type == NULL ||
        PyModule_AddType(module, state->exactsum.ExactSumType) < 0 ||
        PyModule_AddFunctions(module, exactsum_functions) < 0) {
        return -1;
    }
    return mo_dispatch_setup(module, state) < 0 ? -1 : mo_fsum_setup(module);
}

int
mo_exactsum_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->exactsum.ExactSumType);
    return 0;
}

void
mo_exactsum_clear(mo_state *state)
{
    Py_CLEAR(state->exactsum.ExactSumType);
}
