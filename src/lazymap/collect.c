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

/* array(typecode) * n, but of zero bytes: a new array of n items. */
static PyObject *
zero_array(PyObject *array_type, PyObject *typecode, Py_ssize_t n)
{
    PyObject *zeros = NULL, *one = NULL, *bytes = NULL;
    PyObject *empty = PyObject_CallOneArg(array_type, typecode);
    PyObject *size = empty ? PyObject_GetAttrString(empty, "itemsize") : NULL;
    Py_XDECREF(empty);
    if (size != NULL) {
        bytes = PyObject_CallOneArg((PyObject *)&PyBytes_Type, size);
    }
    if (bytes != NULL) {
        one = PyObject_CallFunctionObjArgs(array_type, typecode, bytes, NULL);
    }
    if (one != NULL) {
        zeros = PySequence_Repeat(one, n);
    }
    Py_XDECREF(size);
    Py_XDECREF(bytes);
    Py_XDECREF(one);
    return zeros;
}

/* Item i of an array that has n, or one after its last: 0 or -1. */
static int
array_store(PyObject *array, Py_ssize_t i, Py_ssize_t n, PyObject *value)
{
    if (i < n) {
        return PySequence_SetItem(array, i, value);
    }
    PyObject *none = PyObject_CallMethod(array, "append", "(O)", value);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* Puts the values into an array of n items, and makes it as long as there
 * are values: 0 or -1. */
static int
array_fill(PyObject *array, Py_ssize_t n, PyObject *op)
{
    Py_ssize_t i = 0;
    PyObject *iterator = PyObject_GetIter(op);
    if (iterator == NULL) {
        return -1;
    }
    for (;; i++) {
        PyObject *value = PyIter_Next(iterator);
        if (value == NULL) {
            break;
        }
        int status = array_store(array, i, n, value);
        Py_DECREF(value);
        if (status < 0) {
            break;
        }
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
    PyObject *typecode = NULL, *array = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:to_array", names,
                                     &typecode)) {
        return NULL;
    }
    PyObject *module = PyImport_ImportModule("array");
    if (module == NULL) {
        return NULL;
    }
    PyObject *type = PyObject_GetAttrString(module, "array");
    Py_DECREF(module);
    typecode = typecode ? Py_NewRef(typecode) : PyUnicode_FromString("d");
    if (type != NULL && typecode != NULL) {
        bool sized = ((mo_lazymap *)op)->kind <= MO_SIZED;
        Py_ssize_t n = sized ? PyObject_Size(op) : 0;
        array = n < 0 ? NULL : zero_array(type, typecode, n);
        if (array != NULL && array_fill(array, n, op) < 0) {
            Py_CLEAR(array);
        }
    }
    Py_XDECREF(type);
    Py_XDECREF(typecode);
    return array;
}
