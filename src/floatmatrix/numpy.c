/* numpy.c - __array__(): the only file that sees NumPy's headers.
 *
 * NumPy is looked up at the first call, never at import.  The array's base
 * is a capsule that pins the storage: unlike a memoryview, nobody can
 * release it while the array lives. */
#include "floatmatrix/internal.h"

#include <numpy/arrayobject.h>

/* NumPy's header keeps the table of its functions in a variable of this
 * file.  That is one for the process, as NumPy itself is. */
static int
find_numpy(mo_floatmatrix_state *room)
{
    bool found;
    MO_BEGIN_CRITICAL_SECTION(room->StorageType);
    found = room->has_numpy || _import_array() == 0;
    room->has_numpy = found;
    MO_END_CRITICAL_SECTION();
    return found ? 0 : -1;
}

static const char pin_name[] = "memopt.storage";

static void
pin_destroy(PyObject *capsule)
{
    mo_storage_unpin(PyCapsule_GetPointer(capsule, pin_name));
}

/* The array shares the view's memory and is writable if that is. */
static PyObject *
share_as_array(const mo_view *view)
{
    StorageObject *storage = view->storage;
    const bool is_double = storage->typecode == MO_FLOAT64;
    PyArray_Descr *descr =
        PyArray_DescrFromType(is_double ? NPY_DOUBLE : NPY_FLOAT);
    npy_intp shape[2], strides[2];
    for (int axis = 0; axis < view->ndim; axis++) {
        shape[axis] = mo_view_shape(view)[axis];
        strides[axis] = mo_view_strides(view)[axis];
    }
    mo_storage_pin(storage); /* its address must not change from here on */
    PyObject *pin = PyCapsule_New(storage, pin_name, pin_destroy);
    if (pin == NULL) {
        mo_storage_unpin(storage);
        Py_XDECREF(descr);
        return NULL;
    }
    PyObject *array = PyArray_NewFromDescr(
        &PyArray_Type, descr, view->ndim, shape, strides,
        mo_view_at(view, 0, 0), storage->readonly ? 0 : NPY_ARRAY_WRITEABLE,
        NULL); /* takes over descr */
    if (array == NULL) {
        Py_DECREF(pin);
        return NULL;
    }
    if (PyArray_SetBaseObject((PyArrayObject *)array, pin) < 0) {
        Py_DECREF(array); /* pin has been taken over all the same */
        return NULL;
    }
    return array;
}

/* array as dtype, copied if asked to or if it must be.  Takes array over. */
static PyObject *
convert_array(PyObject *array, PyArray_Descr *dtype, mo_copy_mode mode)
{
    PyArrayObject *source = (PyArrayObject *)array;
    const bool is_same =
        dtype == NULL || PyArray_EquivTypes(dtype, PyArray_DESCR(source));
    PyObject *converted = NULL;
    if (is_same && mode != MO_COPY_ALWAYS) {
        return array;
    }
    if (mode == MO_COPY_NEVER) {
        PyErr_SetString(PyExc_ValueError,
                        "Unable to avoid copy while creating an array as "
                        "requested: dtype differs");
    }
    else {
        Py_XINCREF(dtype); /* PyArray_FromArray takes it over */
        converted = PyArray_FromArray(
            source, dtype, NPY_ARRAY_ENSURECOPY | NPY_ARRAY_FORCECAST);
    }
    Py_DECREF(array);
    return converted;
}

PyObject *
mo_view_array(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dtype", "copy", NULL};
    const mo_view view = mo_view_of(op);
    PyObject *dtype_argument = Py_None, *copy = Py_None;
    PyArray_Descr *dtype = NULL;
    mo_copy_mode mode;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:__array__", names,
                                     &dtype_argument, &copy) ||
        mo_parse_copy(copy, &mode) < 0 || find_numpy(view.storage->room) < 0 ||
        !PyArray_DescrConverter2(dtype_argument, &dtype)) {
        return NULL;
    }
    PyObject *array = share_as_array(&view);
    if (array != NULL) {
        array = convert_array(array, dtype, mode);
    }
    Py_XDECREF(dtype);
    return array;
}
