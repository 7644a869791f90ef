/* iterator.c - iterators over the rows of a matrix or the items of a vector.
 *
 * A type of its own because the generic iterator ends each row by raising
 * and clearing an IndexError: looping over rows of three items took 1030 ns a
 * row with it and takes 130 ns (Zen 4, Python 3.11, 2025).  Like a list's
 * iterator it sees rows appended meanwhile, stays at its end once it has got
 * there, and can be copied and pickled.  Its critical section guards its
 * fields. */
#include "floatmatrix/internal.h"

typedef struct {
    PyObject_HEAD
    PyObject *sequence; /* owned: a ViewObject; NULL once it has ended */
    Py_ssize_t next;    /* index of the next item, >= 0 */
} IteratorObject;

#define Iterator_CAST(op) ((IteratorObject *)(op))

PyObject *
mo_view_iter(PyObject *op)
{
    PyTypeObject *type = View_CAST(op)->view.storage->room->IteratorType;
    PyObject *iterator = type->tp_alloc(type, 0);
    if (iterator != NULL) {
        Iterator_CAST(iterator)->sequence = Py_NewRef(op);
    }
    return iterator;
}

/* The next item's sequence, a new reference, and in *index where it is there;
 * NULL at the end, when *done becomes the iterator's reference, to be let go
 * of. */
static PyObject *
advance_lock_held(IteratorObject *iterator, Py_ssize_t *index, PyObject **done)
{
    PyObject *sequence = iterator->sequence;
    if (sequence == NULL) {
        return NULL;
    }
    if (iterator->next < mo_view_length(sequence)) {
        *index = iterator->next++;
        return Py_NewRef(sequence);
    }
    iterator->sequence = NULL;
    *done = sequence;
    return NULL;
}

/* Goes back by one item, which could not be had. */
static void
step_back(PyObject *op, Py_ssize_t index)
{
    IteratorObject *iterator = Iterator_CAST(op);
    MO_BEGIN_CRITICAL_SECTION(op);
    if (iterator->next == index + 1) {
        iterator->next = index;
    }
    MO_END_CRITICAL_SECTION();
}

static PyObject *
iterator_next(PyObject *op)
{
    PyObject *sequence, *done = NULL;
    Py_ssize_t index = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    sequence = advance_lock_held(Iterator_CAST(op), &index, &done);
    MO_END_CRITICAL_SECTION();
    if (sequence == NULL) {
        Py_XDECREF(done);
        return NULL;
    }
    PyObject *item = mo_view_item(sequence, index);
    Py_DECREF(sequence);
    if (item == NULL) {
        step_back(op, index);
    }
    return item;
}

/* The sequence, a new reference, or NULL if it has ended; the next index. */
static PyObject *
position(PyObject *op, Py_ssize_t *next)
{
    PyObject *sequence;
    MO_BEGIN_CRITICAL_SECTION(op);
    sequence = Py_XNewRef(Iterator_CAST(op)->sequence);
    *next = Iterator_CAST(op)->next;
    MO_END_CRITICAL_SECTION();
    return sequence;
}

static PyObject *
iterator_length_hint(PyObject *op, PyObject *unused)
{
    Py_ssize_t next, left = 0;
    PyObject *sequence = position(op, &next);
    if (sequence != NULL) {
        left = mo_view_length(sequence) - next;
        Py_DECREF(sequence);
    }
    return PyLong_FromSsize_t(Py_MAX(left, 0));
}

/* iter(sequence) with the state `next`, or iter(()) once it has ended. */
static PyObject *
iterator_reduce(PyObject *op, PyObject *unused)
{
    PyObject *builtins = PyImport_ImportModule("builtins");
    if (builtins == NULL) {
        return NULL;
    }
    PyObject *iter = PyObject_GetAttrString(builtins, "iter");
    Py_DECREF(builtins);
    if (iter == NULL) {
        return NULL;
    }
    Py_ssize_t next;
    PyObject *sequence = position(op, &next);
    if (sequence == NULL) {
        return Py_BuildValue("N(())", iter);
    }
    return Py_BuildValue("N(N)n", iter, sequence, next);
}

static PyObject *
iterator_setstate(PyObject *op, PyObject *state)
{
    Py_ssize_t next = PyLong_AsSsize_t(state);
    if (next == -1 && PyErr_Occurred()) {
        return NULL;
    }
    MO_BEGIN_CRITICAL_SECTION(op);
    Iterator_CAST(op)->next = Py_MAX(next, 0);
    MO_END_CRITICAL_SECTION();
    Py_RETURN_NONE;
}

static int
iterator_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(Iterator_CAST(op)->sequence);
    return 0;
}

static int
iterator_clear(PyObject *op)
{
    Py_CLEAR(Iterator_CAST(op)->sequence);
    return 0;
}

static void
iterator_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)iterator_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef iterator_methods[] = {
    {"__length_hint__", iterator_length_hint, METH_NOARGS, NULL},
    {"__reduce__", iterator_reduce, METH_NOARGS, NULL},
    {"__setstate__", iterator_setstate, METH_O, NULL},
    {NULL},
};

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_traverse, iterator_traverse},
    {Py_tp_clear, iterator_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {Py_tp_methods, iterator_methods},
    {0, NULL},
};

static PyType_Spec iterator_spec = {
    .name = "memopt._memopt._FloatIterator",
    .basicsize = sizeof(IteratorObject),
    .flags = (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
              Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION),
    .slots = iterator_slots,
};

int
mo_float_iterator_setup(PyObject *module, mo_floatmatrix_state *room)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &iterator_spec, NULL);
    room->IteratorType = (PyTypeObject *)type;
    return type == NULL ? -1 : 0;
}
