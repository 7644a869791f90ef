/* buffers.c - the memory of an object with a buffer (PEP 3118) or, failing
 * that, NumPy's __array_interface__, as a mo_foreign; see foreign.h. */
#include "exactsum/exactsum.h"
#include "floatmatrix/foreign.h"

/* --- the buffer protocol ---------------------------------------------- */

/* One item's format in the struct module's notation.  Sizes come from
 * itemsize: those of "l" differ with the prefix and the platform. */
static int
parse_format(mo_foreign *foreign, const char *format, Py_ssize_t itemsize)
{
    const char *code = format;
    bool is_big_endian = PY_BIG_ENDIAN;
    if (*code != '\0' && strchr("@=<>!", *code) != NULL) {
        if (*code == '<' || *code == '>' || *code == '!') {
            is_big_endian = *code != '<';
        }
        code++;
    }
    char kind = 0;
    if (*code != '\0' && code[1] == '\0') {
        kind = strchr("bhilqn", *code)           ? 'i'
               : strchr("BHILQN", *code)         ? 'u'
               : *code == '?'                    ? 'b'
               : (*code == 'd' && itemsize == 8) ? 'f'
               : (*code == 'f' && itemsize == 4) ? 'f'
               : (*code == 'e' && itemsize == 2) ? 'f'
                                                 : 0;
    }
    foreign->is_swapped = is_big_endian != PY_BIG_ENDIAN;
    return mo_foreign_set_type(foreign, kind, itemsize, format);
}

static int
has_suboffsets(const Py_buffer *buffer)
{
    for (int i = 0; buffer->suboffsets != NULL && i < buffer->ndim; i++) {
        if (buffer->suboffsets[i] >= 0) {
            return 1;
        }
    }
    return 0;
}

/* Exporters may leave out what follows from the rest: format "B", one axis
 * of len / itemsize items, C order. */
static int
parse_buffer(mo_foreign *foreign)
{
    const Py_buffer *buffer = &foreign->buffer;
    const char *format = buffer->format == NULL ? "B" : buffer->format;
    if (has_suboffsets(buffer)) {
        PyErr_SetString(PyExc_BufferError,
                        "cannot read a buffer with suboffsets");
        return -1;
    }
    if (parse_format(foreign, format, buffer->itemsize) < 0) {
        return -1;
    }
    Py_ssize_t flat = buffer->len / buffer->itemsize;
    const Py_ssize_t *shape = buffer->shape == NULL ? &flat : buffer->shape;
    int ndim = buffer->shape == NULL && buffer->ndim > 0 ? 1 : buffer->ndim;
    foreign->first = buffer->buf;
    foreign->readonly = buffer->readonly;
    return mo_foreign_set_layout(foreign, ndim, shape, buffer->strides);
}

/* Names the dtype, if obj has one, in place of an exception of this type:
 * NumPy's ValueError for dtypes such as datetime64, which it cannot put in a
 * buffer, or the TypeError for a format that is not of real numbers. */
static void
explain_refusal(PyObject *obj, PyObject *type)
{
    if (!PyErr_ExceptionMatches(type)) {
        return;
    }
    PyObject *refusal = PyErr_GetRaisedException();
    PyObject *dtype = PyObject_GetAttrString(obj, "dtype");
    if (dtype == NULL) { /* not NumPy's, such as a released memoryview's */
        PyErr_SetRaisedException(refusal);
        return;
    }
    Py_DECREF(refusal);
    PyErr_Format(PyExc_TypeError,
                 "cannot read items of dtype %S as real numbers", dtype);
    Py_DECREF(dtype);
}

int
mo_foreign_from_buffer(mo_foreign *foreign, PyObject *obj)
{
    if (!PyObject_CheckBuffer(obj)) {
        return 0;
    }
    if (mo_buffer_misleads(Py_TYPE(obj))) {
        PyErr_Format(PyExc_TypeError,
                     "cannot read %.200s, whose buffer is not what it means; "
                     "pass plain numbers (of a masked array, filled())",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(obj, &foreign->buffer, PyBUF_RECORDS_RO) < 0) {
        foreign->buffer.obj = NULL;
        explain_refusal(obj, PyExc_ValueError);
        return -1;
    }
    if (parse_buffer(foreign) < 0) {
        explain_refusal(obj, PyExc_TypeError);
        return -1;
    }
    return 1;
}

/* --- __array_interface__ ---------------------------------------------- */

/* Borrowed, or NULL with no exception if it is None or not there. */
static PyObject *
interface_entry(PyObject *interface, const char *key)
{
    PyObject *value = PyDict_GetItemString(interface, key);
    return value == Py_None ? NULL : value;
}

static int
raise_bad_interface(const char *what)
{
    PyErr_Format(PyExc_ValueError, "__array_interface__: %s", what);
    return -1;
}

/* A tuple of integers; its length, of which at most two are stored. */
static int
parse_sizes(PyObject *tuple, Py_ssize_t sizes[2])
{
    if (tuple == NULL || !PyTuple_Check(tuple)) {
        return raise_bad_interface("shape and strides must be tuples");
    }
    Py_ssize_t n = Py_MIN(PyTuple_GET_SIZE(tuple), 3);
    for (Py_ssize_t i = 0; i < n && n <= 2; i++) {
        PyObject *size = PyTuple_GET_ITEM(tuple, i);
        sizes[i] = PyNumber_AsSsize_t(size, PyExc_ValueError);
        if (sizes[i] == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return (int)n;
}

/* Such as "<f8": byte order, kind, bytes. */
static int
parse_typestr(mo_foreign *foreign, PyObject *typestr)
{
    const char *text = typestr != NULL && PyUnicode_Check(typestr)
                           ? PyUnicode_AsUTF8(typestr)
                           : NULL;
    if (text == NULL || strlen(text) != 3 || strchr("<>|=", text[0]) == NULL) {
        if (PyErr_Occurred()) {
            return -1;
        }
        PyErr_Format(PyExc_TypeError,
                     "cannot read items of __array_interface__ typestr %R as "
                     "real numbers",
                     typestr == NULL ? Py_None : typestr);
        return -1;
    }
    foreign->is_swapped = text[0] == (PY_BIG_ENDIAN ? '<' : '>');
    return mo_foreign_set_type(foreign, text[1], text[2] - '0', text);
}

static int
parse_layout(mo_foreign *foreign, PyObject *interface)
{
    Py_ssize_t shape[2], strides[2];
    PyObject *given = interface_entry(interface, "strides");
    int ndim = parse_sizes(interface_entry(interface, "shape"), shape);
    if (ndim < 0) {
        return -1;
    }
    if (given != NULL) {
        int axes = parse_sizes(given, strides);
        if (axes != ndim) {
            return axes < 0 ? -1
                            : raise_bad_interface(
                                  "strides must be as many as the shape");
        }
    }
    return mo_foreign_set_layout(foreign, ndim, shape,
                                 given == NULL ? NULL : strides);
}

/* (address, read-only) */
static int
parse_address(mo_foreign *foreign, PyObject *data)
{
    if (PyTuple_GET_SIZE(data) != 2) {
        return raise_bad_interface("data must be (address, read-only)");
    }
    void *address = PyLong_AsVoidPtr(PyTuple_GET_ITEM(data, 0));
    if (address == NULL && PyErr_Occurred()) {
        return -1;
    }
    int readonly = PyObject_IsTrue(PyTuple_GET_ITEM(data, 1));
    if (readonly < 0) {
        return -1;
    }
    if (address == NULL && foreign->shape[0] > 0 && foreign->shape[1] > 0) {
        return raise_bad_interface("data is at address 0");
    }
    foreign->first = address;
    foreign->readonly = readonly;
    return 0;
}

/* Any object with a buffer of bytes, as Pillow gives; in C order only, whose
 * bounds can be checked. */
static int
parse_data_buffer(mo_foreign *foreign, PyObject *interface, PyObject *data)
{
    if (interface_entry(interface, "strides") != NULL ||
        interface_entry(interface, "offset") != NULL) {
        return raise_bad_interface(
            "data in a buffer must have neither strides nor offset");
    }
    if (PyObject_GetBuffer(data, &foreign->buffer, PyBUF_SIMPLE) < 0) {
        foreign->buffer.obj = NULL;
        return -1;
    }
    Py_ssize_t items = foreign->shape[0] * foreign->shape[1];
    if (foreign->buffer.len < items * foreign->itemsize) {
        return raise_bad_interface("data is too short for the shape");
    }
    foreign->first = foreign->buffer.buf;
    foreign->readonly = foreign->buffer.readonly;
    return 0;
}

static int
parse_interface(mo_foreign *foreign, PyObject *interface)
{
    PyObject *data = interface_entry(interface, "data");
    if (data == NULL || interface_entry(interface, "mask") != NULL) {
        return raise_bad_interface("it needs data, and no mask");
    }
    PyObject *typestr = interface_entry(interface, "typestr");
    if (parse_typestr(foreign, typestr) < 0 ||
        parse_layout(foreign, interface) < 0) {
        return -1;
    }
    return PyTuple_Check(data) ? parse_address(foreign, data)
                               : parse_data_buffer(foreign, interface, data);
}

int
mo_foreign_from_interface(mo_foreign *foreign, PyObject *obj)
{
    if (PyType_Check(obj)) {
        return 0; /* a class has the attribute for its instances */
    }
    PyObject *interface;
    int found =
        PyObject_GetOptionalAttrString(obj, "__array_interface__", &interface);
    if (found <= 0) {
        return found;
    }
    if (!PyDict_Check(interface)) {
        Py_DECREF(interface);
        return raise_bad_interface("it must be a dict");
    }
    /* A copy, which the __index__ of a size cannot change meanwhile. */
    Py_SETREF(interface, PyDict_Copy(interface));
    if (interface == NULL) {
        return -1;
    }
    foreign->owner = Py_NewRef(obj);
    int status = parse_interface(foreign, interface);
    Py_DECREF(interface);
    return status < 0 ? -1 : 1;
}
