/* arguments.c - what dtype=, copy=, axis= and sizes mean, for every method. */
#include "floatmatrix/internal.h"

static const struct {
    const char *name;
    char typecode;
} dtype_names[] =
    {
        {"d", MO_FLOAT64},       {"f", MO_FLOAT32},
        {"float64", MO_FLOAT64}, {"float32", MO_FLOAT32},
        {"float", MO_FLOAT64}, /* the type float, and NumPy's name for it */
#if PY_BIG_ENDIAN
        {">f8", MO_FLOAT64},     {">f4", MO_FLOAT32},
#else
        {"<f8", MO_FLOAT64},     {"<f4", MO_FLOAT32},
#endif
};

/* A string names itself, a type such as float or numpy.float32 has a
 * __name__, a numpy.dtype has a str like "<f8".  New reference, or NULL with
 * no exception if there is no name. */
static PyObject *
dtype_name(PyObject *dtype)
{
    if (PyUnicode_Check(dtype)) {
        return Py_NewRef(dtype);
    }
    const char *attribute = PyType_Check(dtype) ? "__name__" : "str";
    PyObject *name;
    if (PyObject_GetOptionalAttrString(dtype, attribute, &name) > 0 &&
        !PyUnicode_Check(name)) {
        Py_CLEAR(name);
    }
    return name;
}

int
mo_parse_dtype(PyObject *dtype, char *typecode)
{
    if (dtype == NULL || dtype == Py_None) {
        return 0;
    }
    PyObject *name = dtype_name(dtype);
    if (name == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError,
                         "dtype must be 'd', 'f' or None, not %.200s",
                         Py_TYPE(dtype)->tp_name);
        }
        return -1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(dtype_names); i++) {
        if (PyUnicode_CompareWithASCIIString(name, dtype_names[i].name) == 0) {
            *typecode = dtype_names[i].typecode;
            Py_DECREF(name);
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "dtype must be 'd' (float64) or 'f' (float32), not %R", name);
    Py_DECREF(name);
    return -1;
}

int
mo_parse_copy(PyObject *copy, mo_copy_mode *mode)
{
    *mode = MO_COPY_IF_NEEDED;
    if (copy == NULL || copy == Py_None) {
        return 0;
    }
    int truth = PyObject_IsTrue(copy);
    if (truth < 0) {
        return -1;
    }
    *mode = truth ? MO_COPY_ALWAYS : MO_COPY_NEVER;
    return 0;
}

int
mo_parse_size(PyObject *size, const char *name, Py_ssize_t *result)
{
    if (!PyIndex_Check(size)) {
        PyErr_Format(PyExc_TypeError, "%s must be an integer, not %.200s",
                     name, Py_TYPE(size)->tp_name);
        return -1;
    }
    *result = PyNumber_AsSsize_t(size, NULL); /* clips */
    if (*result == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (*result < 0) {
        PyErr_Format(PyExc_ValueError, "%s must be >= 0, not %R", name, size);
        return -1;
    }
    if (*result == PY_SSIZE_T_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

bool
mo_is_number(PyObject *obj)
{
    const PyNumberMethods *number = Py_TYPE(obj)->tp_as_number;
    return number != NULL &&
           (number->nb_float != NULL || number->nb_index != NULL);
}

int
mo_parse_number(PyObject *number, const char *name, double *result)
{
    *result = PyFloat_AsDouble(number);
    if (*result != -1.0 || !PyErr_Occurred()) {
        return 0;
    }
    if (!mo_is_number(number)) {
        PyErr_Format(PyExc_TypeError, "%s must be a real number, not %.200s",
                     name, Py_TYPE(number)->tp_name);
    }
    return -1;
}

/* New reference; NULL, perhaps with an exception set, if NumPy is not there. */
static PyObject *
find_axis_error(void)
{
    PyObject *name = PyUnicode_FromString("numpy.exceptions");
    PyObject *module = name == NULL ? NULL : PyImport_GetModule(name);
    PyObject *error = NULL;
    if (module != NULL) {
        error = PyObject_GetAttrString(module, "AxisError");
        Py_DECREF(module);
    }
    Py_XDECREF(name);
    return error;
}

/* NumPy's AxisError if NumPy has been imported, so that its users catch what
 * they expect; else IndexError, which AxisError is derived from. */
static void
raise_axis_error(PyObject *axis, int ndim)
{
    PyObject *error = find_axis_error();
    if (error == NULL) {
        PyErr_Clear(); /* without NumPy another class has to do */
        PyErr_Format(PyExc_IndexError,
                     "axis %R is out of bounds for array of dimension %d",
                     axis, ndim);
        return;
    }
    PyObject *arguments = Py_BuildValue("(Oi)", axis, ndim);
    if (arguments != NULL) {
        PyErr_SetObject(error, arguments);
        Py_DECREF(arguments);
    }
    Py_DECREF(error);
}

/* 0..ndim-1 */
static int
parse_one_axis(PyObject *axis, int ndim, int *result)
{
    if (!PyIndex_Check(axis)) {
        PyErr_Format(PyExc_TypeError,
                     "axis must be None, an integer or a tuple of them, not "
                     "%.200s",
                     Py_TYPE(axis)->tp_name);
        return -1;
    }
    Py_ssize_t number = PyNumber_AsSsize_t(axis, NULL);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < -ndim || number >= ndim) {
        raise_axis_error(axis, ndim);
        return -1;
    }
    *result = (int)(number < 0 ? number + ndim : number);
    return 0;
}

/* ndim <= 2, so that a tuple names one axis or all. */
static int
parse_axes(PyObject *axes, int ndim, int *result)
{
    const Py_ssize_t n = PyTuple_GET_SIZE(axes);
    int first = -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (parse_one_axis(PyTuple_GET_ITEM(axes, i), ndim, result) < 0) {
            return -1;
        }
        if (i == ndim || *result == first) {
            PyErr_SetString(PyExc_ValueError, "duplicate value in 'axis'");
            return -1;
        }
        first = *result;
    }
    if (n == 0) {
        PyErr_SetString(PyExc_ValueError, "axis=() names no axis to go along");
        return -1;
    }
    *result = n == ndim ? ndim : *result;
    return 0;
}

int
mo_parse_axis(PyObject *axis, int ndim, int *result)
{
    *result = ndim;
    if (axis == NULL || axis == Py_None) {
        return 0;
    }
    return PyTuple_Check(axis) ? parse_axes(axis, ndim, result)
                               : parse_one_axis(axis, ndim, result);
}
