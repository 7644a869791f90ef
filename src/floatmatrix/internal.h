/* internal.h - what the files of this room share, by the file it is in.
 *
 * Functions that return int give 0, or -1 with an exception set, unless said
 * otherwise; "a view" they fill in owns a reference to its storage. */
#ifndef MO_FLOATMATRIX_INTERNAL_H
#define MO_FLOATMATRIX_INTERNAL_H

#include "floatmatrix/view.h"

/* What copy= says about memory that could be shared. */
typedef enum {
    MO_COPY_IF_NEEDED, /* None */
    MO_COPY_NEVER,     /* False: ValueError if it cannot be shared */
    MO_COPY_ALWAYS,    /* True */
} mo_copy_mode;

/* --- arguments.c: what arguments mean ------------------------------- */

/* *typecode becomes what a dtype argument asks for; None leaves it. */
int
mo_parse_dtype(PyObject *dtype, char *typecode);

int
mo_parse_copy(PyObject *copy, mo_copy_mode *mode);

/* A number of rows or columns; MemoryError if it is beyond Py_ssize_t. */
int
mo_parse_size(PyObject *size, const char *name, Py_ssize_t *result);

/* Whether float() of it is by its own methods, not those of a string. */
bool
mo_is_number(PyObject *obj);

int
mo_parse_number(PyObject *number, const char *name, double *result);

/* 0..ndim-1, or ndim for None and for a tuple of all axes; out of range is
 * NumPy's AxisError if NumPy is loaded, else its base IndexError. */
int
mo_parse_axis(PyObject *axis, int ndim, int *result);

/* --- rows.c: nested sequences <-> storage ---------------------------- */

/* The vector of the items of any sequence or iterable of numbers, shared if
 * it is a FloatVector or a buffer.  `row` is for messages: the index of the
 * row in its matrix, or -1.  typecode is that of a new storage. */
int
mo_vector_from(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
               char typecode, Py_ssize_t row);

/* The matrix of the rows of any sequence or iterable of such. */
int
mo_matrix_from_rows(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
                    char typecode);

/* Exactly as many numbers as view, new and unshared, has items. */
int
mo_fill_from(const mo_view *view, PyObject *iterable);

/* A matrix as a list of lists, a vector as a list, of floats. */
PyObject *
mo_view_tolist(const mo_view *view);

/* --- foreign.c: memory of other objects ------------------------------ */

/* The view of obj's memory, shared or converted, if obj offers a buffer,
 * __array_interface__ or __dlpack__: then 1; 0 if it offers none.  ndim is
 * the number of dimensions it must have, or -1 for any up to 2; typecode is
 * what it must become, or 0 for whatever comes nearest. */
int
mo_view_from_foreign(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
                     int ndim, char typecode, mo_copy_mode mode);

/* --- create.c: the ways to make a FloatMatrix ------------------------ */

/* As FloatMatrix(obj, dtype=, copy=) does; typecode 0 is the default. */
int
mo_matrix_from(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
               char typecode, mo_copy_mode mode);

PyObject *
mo_matrix_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

PyObject *
mo_matrix_zeros(PyObject *cls, PyObject *args, PyObject *kwargs);

PyObject *
mo_matrix_full(PyObject *cls, PyObject *args, PyObject *kwargs);

PyObject *
mo_matrix_random(PyObject *cls, PyObject *args, PyObject *kwargs);

PyObject *
mo_matrix_from_iterable(PyObject *cls, PyObject *args, PyObject *kwargs);

/* The slots and methods below serve both types; op is a ViewObject. */

/* --- index.c: subscripts ---------------------------------------------- */

PyObject *
mo_view_item(PyObject *op, Py_ssize_t index);

PyObject *
mo_view_subscript(PyObject *op, PyObject *key);

int
mo_view_ass_subscript(PyObject *op, PyObject *key, PyObject *value);

/* --- compare.c: == and searching -------------------------------------- */

PyObject *
mo_view_richcompare(PyObject *op, PyObject *other, int operation);

int
mo_view_contains(PyObject *op, PyObject *value);

PyObject *
mo_view_count(PyObject *op, PyObject *value);

PyObject *
mo_view_index(PyObject *op, PyObject *args);

/* --- reduce.c: exact sums --------------------------------------------- */

PyObject *
mo_view_sum(PyObject *op, PyObject *args, PyObject *kwargs);

PyObject *
mo_view_mean(PyObject *op, PyObject *args, PyObject *kwargs);

/* --- exchange.c, numpy.c, dlpack.c: memory lent to others ------------- */

int
mo_view_getbuffer(PyObject *op, Py_buffer *buffer, int flags);

void
mo_view_releasebuffer(PyObject *op, Py_buffer *buffer);

PyObject *
mo_view_array(PyObject *op, PyObject *args, PyObject *kwargs);

PyObject *
mo_view_dlpack(PyObject *op, PyObject *args, PyObject *kwargs);

PyObject *
mo_view_dlpack_device(PyObject *op, PyObject *unused);

/* --- pickle.c: pickling and copying ----------------------------------- */

PyObject *
mo_view_reduce_ex(PyObject *op, PyObject *protocol);

PyObject *
mo_restore_matrix(PyObject *module, PyObject *args);

PyObject *
mo_view_clone(PyObject *op, PyObject *unused);

/* --- iterator.c ------------------------------------------------------- */

PyObject *
mo_view_iter(PyObject *op);

int
mo_float_iterator_setup(PyObject *module, mo_floatmatrix_state *room);

/* --- object.c: what else both types share ----------------------------- */

/* "FloatMatrix" or "FloatVector", for messages. */
const char *
mo_view_name(PyObject *op);

Py_ssize_t
mo_view_length(PyObject *op);

PyObject *
mo_view_repr(PyObject *op);

PyObject *
mo_view_tolist_method(PyObject *op, PyObject *unused);

PyObject *
mo_view_sizeof(PyObject *op, PyObject *unused);

int
mo_view_traverse(PyObject *op, visitproc visit, void *arg);

void
mo_view_dealloc(PyObject *op);

extern PyMemberDef mo_view_members[];
extern PyGetSetDef mo_view_getset[];

extern const char mo_view_tolist_doc[];
extern const char mo_view_copy_doc[];
extern const char mo_view_count_doc[];
extern const char mo_view_index_doc[];
extern const char mo_view_array_doc[];
extern const char mo_view_dlpack_doc[];
extern const char mo_view_dlpack_device_doc[];

#define MO_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

/* The entries that the method tables of both types begin with. */
/* clang-format off */
#define MO_SHARED_METHODS                                                    \
    {"tolist", mo_view_tolist_method, METH_NOARGS, mo_view_tolist_doc},      \
    {"copy", mo_view_clone, METH_NOARGS, mo_view_copy_doc},                  \
    {"count", mo_view_count, METH_O, mo_view_count_doc},                     \
    {"index", mo_view_index, METH_VARARGS, mo_view_index_doc},               \
    {"__copy__", mo_view_clone, METH_NOARGS, NULL},                          \
    {"__deepcopy__", mo_view_clone, METH_O, NULL},                           \
    {"__reduce_ex__", mo_view_reduce_ex, METH_O, NULL},                      \
    {"__sizeof__", mo_view_sizeof, METH_NOARGS, NULL},                       \
    {"__array__", MO_KEYWORDS(mo_view_array),                                \
     METH_VARARGS | METH_KEYWORDS, mo_view_array_doc},                       \
    {"__dlpack__", MO_KEYWORDS(mo_view_dlpack),                              \
     METH_VARARGS | METH_KEYWORDS, mo_view_dlpack_doc},                      \
    {"__dlpack_device__", mo_view_dlpack_device, METH_NOARGS,                \
     mo_view_dlpack_device_doc}
/* clang-format on */

/* --- floatmatrix.c, vector.c: the types ------------------------------- */

int
mo_matrix_setup(PyObject *module, mo_floatmatrix_state *room);

int
mo_vector_setup(PyObject *module, mo_floatmatrix_state *room);

#endif
