/* create.c - the ways to make a FloatMatrix: of an object, or from scratch.
 *
 * Every function here returns a new FloatMatrix or NULL with an exception
 * set; each takes its class as METH_CLASS methods do. */
#include "floatmatrix/internal.h"
#include "floatmatrix/mt19937.h"
#include "state.h"

static mo_floatmatrix_state *
room_of(PyObject *type)
{
    return &mo_state_of((PyTypeObject *)type)->floatmatrix;
}

/* --- FloatMatrix(obj) ------------------------------------------------- */

static int
raise_no_sharing(const char *why)
{
    PyErr_Format(PyExc_ValueError, "copy=False, but %s; use copy=None", why);
    return -1;
}

static int
matrix_from_matrix(mo_view *view, const mo_view *from, char typecode,
                   mo_copy_mode mode)
{
    const char native = from->storage->typecode;
    const bool is_same_type = typecode == 0 || typecode == native;
    if (mode != MO_COPY_ALWAYS && is_same_type) {
        *view = *from;
        view->is_owner = false;
        Py_INCREF(view->storage);
        return 0;
    }
    if (mode == MO_COPY_NEVER) {
        return raise_no_sharing("dtype is not that of the matrix");
    }
    return mo_view_duplicate(view, from, typecode ? typecode : native);
}

int
mo_matrix_from(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
               char typecode, mo_copy_mode mode)
{
    if (mo_is_matrix(room, obj)) {
        const mo_view from = mo_view_of(obj);
        return matrix_from_matrix(view, &from, typecode, mode);
    }
    if (!PyList_CheckExact(obj) && !PyTuple_CheckExact(obj)) {
        int is_foreign =
            mo_view_from_foreign(view, room, obj, 2, typecode, mode);
        if (is_foreign != 0) {
            return is_foreign < 0 ? -1 : 0;
        }
    }
    if (PyUnicode_Check(obj)) {
        PyErr_SetString(PyExc_TypeError,
                        "expected a sequence of rows, not str");
        return -1;
    }
    if (mode == MO_COPY_NEVER) {
        return raise_no_sharing("rows of Python objects must be copied");
    }
    return mo_matrix_from_rows(view, room, obj,
                               typecode ? typecode : MO_FLOAT64);
}

PyObject *
mo_matrix_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "dtype", "copy", NULL};
    PyObject *obj = NULL, *dtype = NULL, *copy = NULL;
    mo_floatmatrix_state *room = room_of((PyObject *)type);
    mo_copy_mode mode;
    char typecode = 0;
    mo_view view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OO:FloatMatrix", names,
                                     &obj, &dtype, &copy) ||
        mo_parse_dtype(dtype, &typecode) < 0 ||
        mo_parse_copy(copy, &mode) < 0) {
        return NULL;
    }
    int status =
        obj == NULL
            ? mo_view_new(&view, room, typecode ? typecode : MO_FLOAT64, 2, 0,
                          0, false)
            : mo_matrix_from(&view, room, obj, typecode, mode);
    return status < 0 ? NULL : mo_view_object(&view);
}

/* --- from a shape ----------------------------------------------------- */

/* A matrix of the shape and type that the arguments of all of these give. */
static int
matrix_of_shape(mo_view *view, PyObject *cls, PyObject *rows,
                PyObject *columns, PyObject *dtype, bool zeroed)
{
    Py_ssize_t m, n;
    char typecode = MO_FLOAT64;
    if (mo_parse_size(rows, "rows", &m) < 0 ||
        mo_parse_size(columns, "columns", &n) < 0 ||
        mo_parse_dtype(dtype, &typecode) < 0) {
        return -1;
    }
    return mo_view_new(view, room_of(cls), typecode, 2, m, n, zeroed);
}

PyObject *
mo_matrix_zeros(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", "columns", "dtype", NULL};
    PyObject *rows, *columns, *dtype = NULL;
    mo_view view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:zeros", names, &rows,
                                     &columns, &dtype) ||
        matrix_of_shape(&view, cls, rows, columns, dtype, true) < 0) {
        return NULL;
    }
    return mo_view_object(&view);
}

PyObject *
mo_matrix_full(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", "columns", "value", "dtype", NULL};
    PyObject *rows, *columns, *number, *dtype = NULL;
    double value;
    mo_view view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O:full", names, &rows,
                                     &columns, &number, &dtype) ||
        mo_parse_number(number, "value", &value) < 0 ||
        matrix_of_shape(&view, cls, rows, columns, dtype, false) < 0) {
        return NULL;
    }
    const char typecode = view.storage->typecode;
    const Py_ssize_t bytes =
        view.shape[0] * view.shape[1] * mo_itemsize(typecode);
    for (Py_ssize_t i = 0; i < bytes; i += mo_itemsize(typecode)) {
        mo_store(view.storage->data + i, typecode, value);
    }
    return mo_view_object(&view);
}

PyObject *
mo_matrix_from_iterable(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", "columns", "iterable", "dtype", NULL};
    PyObject *rows, *columns, *iterable, *dtype = NULL;
    mo_view view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O:from_iterable",
                                     names, &rows, &columns, &iterable,
                                     &dtype) ||
        matrix_of_shape(&view, cls, rows, columns, dtype, false) < 0) {
        return NULL;
    }
    if (mo_fill_from(&view, iterable) < 0) {
        Py_DECREF(view.storage);
        return NULL;
    }
    return mo_view_object(&view);
}

/* --- random ----------------------------------------------------------- */

/* The bytes of an int, least significant first, in whole words and at least
 * one: random.Random(seed) uses the same.  int's own methods are called, so
 * that a subclass cannot interfere. */
static PyObject *
bytes_of_int(PyObject *seed)
{
    PyObject *type = (PyObject *)&PyLong_Type, *bytes = NULL;
    PyObject *magnitude = PyLong_Type.tp_as_number->nb_absolute(seed);
    if (magnitude == NULL) {
        return NULL;
    }
    PyObject *bits = PyObject_CallMethod(type, "bit_length", "O", magnitude);
    if (bits != NULL) {
        Py_ssize_t words = (PyLong_AsSsize_t(bits) + 31) / 32;
        bytes = PyObject_CallMethod(type, "to_bytes", "Ons", magnitude,
                                    4 * Py_MAX(words, 1), "little");
        Py_DECREF(bits);
    }
    Py_DECREF(magnitude);
    return bytes;
}

/* As many random bytes as the generator has state, as random.Random(). */
static PyObject *
bytes_of_system(void)
{
    PyObject *os = PyImport_ImportModule("os");
    if (os == NULL) {
        return NULL;
    }
    PyObject *bytes =
        PyObject_CallMethod(os, "urandom", "i", 4 * MO_MT19937_WORDS);
    Py_DECREF(os);
    if (bytes != NULL &&
        (!PyBytes_CheckExact(bytes) || PyBytes_GET_SIZE(bytes) < 4)) {
        PyErr_SetString(PyExc_TypeError,
                        "os.urandom() did not return the bytes asked for");
        Py_CLEAR(bytes);
    }
    return bytes;
}

static int
seed_with_bytes(mo_mt19937 *mt, PyObject *bytes)
{
    const size_t words = (size_t)PyBytes_GET_SIZE(bytes) / 4;
    const unsigned char *p = (unsigned char *)PyBytes_AS_STRING(bytes);
    uint32_t *key = PyMem_New(uint32_t, words);
    if (key == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < words; i++, p += 4) {
        key[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                 (uint32_t)p[3] << 24;
    }
    mo_mt19937_init_by_array(mt, key, words);
    PyMem_Free(key);
    return 0;
}

static int
seed_with(mo_mt19937 *mt, PyObject *seed)
{
    if (seed != Py_None && !PyLong_Check(seed)) {
        PyErr_Format(PyExc_TypeError,
                     "seed must be an integer or None, not %.200s",
                     Py_TYPE(seed)->tp_name);
        return -1;
    }
    PyObject *bytes = seed == Py_None ? bytes_of_system() : bytes_of_int(seed);
    if (bytes == NULL) {
        return -1;
    }
    int status = seed_with_bytes(mt, bytes);
    Py_DECREF(bytes);
    return status;
}

PyObject *
mo_matrix_random(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", "columns", "seed", NULL};
    PyObject *rows, *columns, *seed = Py_None;
    mo_mt19937 mt;
    mo_view view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:random", names, &rows,
                                     &columns, &seed) ||
        seed_with(&mt, seed) < 0 ||
        matrix_of_shape(&view, cls, rows, columns, NULL, false) < 0) {
        return NULL;
    }
    const Py_ssize_t items = view.shape[0] * view.shape[1];
    for (Py_ssize_t i = 0; i < items; i++) {
        double x = mo_mt19937_random(&mt);
        mo_store(view.storage->data + i * 8, MO_FLOAT64, x);
    }
    return mo_view_object(&view);
}
