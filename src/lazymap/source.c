/* source.c - see source.h. */
#include "lazymap/source.h"

#include "lazymap/internal.h"
#include "state.h"

static bool
is_builtin_sequence(PyObject *source)
{
    return PyList_CheckExact(source) || PyTuple_CheckExact(source) ||
           mo_is_range(source) || PyUnicode_CheckExact(source) ||
           PyBytes_CheckExact(source);
}

/* A buffer with a length and items by integer: array.array, NumPy's arrays
 * of at least one dimension (others raise TypeError from len). */
static int
is_indexable_buffer(PyObject *source)
{
    if (!PyObject_CheckBuffer(source) || !PySequence_Check(source) ||
        !mo_has_len(source)) {
        return 0;
    }
    if (PyObject_Size(source) >= 0) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
        return -1;
    }
    PyErr_Clear(); /* an array of no dimensions */
    return 0;
}

static int
is_sequence(mo_lazymap_state *state, PyObject *source)
{
    PyTypeObject *type = Py_TYPE(source);
    if (PyType_HasFeature(type, Py_TPFLAGS_SEQUENCE)) {
        return 1;
    }
    if (PyType_HasFeature(type, Py_TPFLAGS_MAPPING)) {
        return 0;
    }
    if (type->tp_iter == NULL && mo_has_len(source)) {
        /* Python itself iterates it, and reversed() takes it, by indices
         * from 0: a class with no more than __len__ and __getitem__. */
        return 1;
    }
    int answer = PyObject_IsInstance(source, state->sequence_abc);
    return answer != 0 ? answer : is_indexable_buffer(source);
}

/* A class of that name made in Python would be a heap type. */
bool
mo_is_numpy_array(PyObject *source)
{
    return strcmp(Py_TYPE(source)->tp_name, "numpy.ndarray") == 0 &&
           !PyType_HasFeature(Py_TYPE(source), Py_TPFLAGS_HEAPTYPE);
}

/* array.array is a heap type, but one that cannot be made in Python. */
static bool
is_array(PyObject *source)
{
    return strcmp(Py_TYPE(source)->tp_name, "array.array") == 0 &&
           PyType_HasFeature(Py_TYPE(source), Py_TPFLAGS_IMMUTABLETYPE);
}

bool
mo_is_number_buffer(mo_lazymap_state *state, PyObject *source)
{
    if (!PyObject_CheckBuffer(source)) {
        return false;
    }
    if (mo_is_numpy_array(source)) {
        if (PyObject_Size(source) >= 0) {
            return true;
        }
        PyErr_Clear(); /* no dimensions; iter() will say so */
        return false;
    }
    return PyMemoryView_Check(source) || PyBytes_CheckExact(source) ||
           PyByteArray_CheckExact(source) || is_array(source) ||
           Py_IS_TYPE(
               source,
               mo_state_of(state->lazymap_type)->floatmatrix.FloatVectorType);
}

int
mo_source_kind(mo_lazymap_state *state, PyObject *source)
{
    if (is_builtin_sequence(source)) {
        return MO_SEQUENCE;
    }
    if (PyObject_TypeCheck(source, state->lazymap_type)) {
        return (int)((mo_lazymap *)source)->kind;
    }
    if (Py_TYPE(source)->tp_iter == NULL && !PySequence_Check(source)) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not iterable",
                     Py_TYPE(source)->tp_name);
        return -1;
    }
    if (PyIter_Check(source)) {
        return MO_ONE_SHOT;
    }
    int answer = is_sequence(state, source);
    if (answer != 0) {
        return answer < 0 ? -1 : MO_SEQUENCE;
    }
    return mo_has_len(source) ? MO_SIZED : MO_ITERABLE;
}

bool
mo_source_is_sized(mo_lazymap_state *state, PyObject *source)
{
    if (PyObject_TypeCheck(source, state->lazymap_type)) {
        return ((mo_lazymap *)source)->kind <= MO_SIZED;
    }
    return mo_has_len(source);
}

bool
mo_source_may_pull(mo_lazymap_state *state, PyObject *source)
{
    if (PyObject_TypeCheck(source, state->lazymap_type)) {
        return ((mo_lazymap *)source)->may_pull;
    }
    if (Py_IS_TYPE(source, state->cache_type)) {
        return mo_cache_may_pull(source);
    }
    return Py_IS_TYPE(source, state->slices_type) &&
           mo_slices_may_pull(source);
}

Py_ssize_t
mo_source_length(mo_lazymap_state *state, PyObject *source, Py_ssize_t limit)
{
    if (PyList_CheckExact(source)) {
        return PyList_GET_SIZE(source);
    }
    if (Py_IS_TYPE(source, state->lazymap_type)) {
        return mo_lazymap_length((mo_lazymap *)source, limit);
    }
    if (Py_IS_TYPE(source, state->cache_type)) {
        return mo_cache_length(source, limit);
    }
    if (Py_IS_TYPE(source, state->slices_type)) {
        return mo_slices_length(source, limit);
    }
    Py_ssize_t n = PyObject_Size(source);
    if (n < 0 && limit < PY_SSIZE_T_MAX &&
        PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear(); /* range(10**30): more than any limit */
        return limit;
    }
    return n;
}

void
mo_raise_index_error(void)
{
    PyErr_SetString(PyExc_IndexError, "LazyMap index out of range");
}

PyObject *
mo_source_item(PyObject *source, Py_ssize_t index)
{
    assert(index >= 0);
    if (PyList_CheckExact(source)) {
        PyObject *item = mo_list_item(source, index);
        if (item == NULL) {
            mo_raise_index_error();
        }
        return item;
    }
    if (PyTuple_CheckExact(source)) {
        if (index < PyTuple_GET_SIZE(source)) {
            return Py_NewRef(PyTuple_GET_ITEM(source, index));
        }
        mo_raise_index_error();
        return NULL;
    }
    return PySequence_GetItem(source, index);
}
