/* collect.c - all values of a LazyMap at once, into a list or an array.
 *
 * The result is allocated at its final size where the length is known, but
 * the functions may make the sources longer or shorter meanwhile.  It is the
 * caller's only when complete. */
#include "lazymap/internal.h"

/* list() asks for the length first, allocates that much, and keeps to what
 * the iteration gives. */
PyObject *
mo_lazymap_to_list(PyObject *op, PyObject *ignored)
{
    return PyObject_CallOneArg((PyObject *)&PyList_Type, op);
}

/* array.array, borrowed, or NULL with an exception. */
static PyObject *
array_type(mo_lazymap_state *state)
{
    if (state->array_type == NULL) {
        PyObject *module = PyImport_ImportModule("array");
        if (module == NULL) {
            return NULL;
        }
        PyObject *type = PyObject_GetAttrString(module, "array");
        Py_DECREF(module);
        Py_XSETREF(state->array_type, type);
    }
    return state->array_type;
}

static Py_ssize_t
item_size(PyObject *array)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    Py_ssize_t size = buffer.itemsize;
    PyBuffer_Release(&buffer);
    return size;
}

/* A new array of n zeros: array(typecode, one item of zero bytes) * n, since
 * not every typecode takes the number 0. */
static PyObject *
zero_array(PyObject *type, PyObject *typecode, Py_ssize_t n)
{
    static const char zeros[16]; /* no item is longer */
    PyObject *empty = PyObject_CallOneArg(type, typecode);
    if (empty == NULL) {
        return NULL;
    }
    Py_ssize_t size = item_size(empty);
    Py_DECREF(empty);
    if (size < 0) {
        return NULL;
    }
    assert(size <= (Py_ssize_t)sizeof zeros);
    PyObject *bytes = PyBytes_FromStringAndSize(zeros, size);
    if (bytes == NULL) {
        return NULL;
    }
    PyObject *one = PyObject_CallFunctionObjArgs(type, typecode, bytes, NULL);
    Py_DECREF(bytes);
    if (one == NULL) {
        return NULL;
    }
    PyObject *array = PySequence_Repeat(one, n);
    Py_DECREF(one);
    return array;
}

/* Puts the values into an array of n items, and makes it as long as there
 * are values: 0 or -1. */
static int
array_fill(PyObject *array, Py_ssize_t n, PyObject *op, PyObject *append)
{
    Py_ssize_t i = 0;
    int status = 0;
    PyObject *value, *iterator = PyObject_GetIter(op);
    if (iterator == NULL) {
        return -1;
    }
    for (; status == 0 && (value = PyIter_Next(iterator)) != NULL; i++) {
        if (i < n) {
            status = PySequence_SetItem(array, i, value);
        }
        else {
            PyObject *none = PyObject_CallMethodOneArg(array, append, value);
            status = none ? 0 : -1;
            Py_XDECREF(none);
        }
        Py_DECREF(value);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        return -1;
    }
    return i < n ? PySequence_DelSlice(array, i, n) : 0;
}

PyObject *
mo_lazymap_to_array(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"typecode", NULL};
    mo_lazymap *self = (mo_lazymap *)op;
    PyObject *typecode = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:to_array", names,
                                     &typecode)) {
        return NULL;
    }
    PyObject *type = array_type(self->state);
    if (type == NULL) {
        return NULL;
    }
    Py_ssize_t n = self->kind <= MO_SIZED ? PyObject_Size(op) : 0;
    if (n < 0) {
        return NULL;
    }
    typecode = typecode ? Py_NewRef(typecode) : PyUnicode_FromString("d");
    if (typecode == NULL) {
        return NULL;
    }
    PyObject *array = zero_array(type, typecode, n);
    Py_DECREF(typecode);
    PyObject *append = self->state->name[MO_NAME_APPEND];
    if (array != NULL && array_fill(array, n, op, append) < 0) {
        Py_CLEAR(array);
    }
    return array;
}
