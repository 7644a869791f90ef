/* rows.c - nested sequences to storage and back.
 *
 * Runs of exact floats in a list or tuple are copied without a call per
 * item; anything else goes through float()'s own protocol, whose Python code
 * may change the lists being read, as may other threads, so their sizes and
 * items are looked up again after each such item.  What is being filled is new and unshared
 * until it is complete: a failure leaves nothing behind. */
#include "floatmatrix/internal.h"

static inline bool
is_list_or_tuple(PyObject *obj)
{
    return PyList_CheckExact(obj) || PyTuple_CheckExact(obj);
}

static inline bool
is_iterable(PyObject *obj)
{
    return Py_TYPE(obj)->tp_iter != NULL || PySequence_Check(obj);
}

/* Copies exact floats up to the first other object; how many there were.  No
 * prefetching: the loads are independent, so that the processor overlaps
 * their misses by itself; asking 4 to 64 items ahead gained nothing on floats
 * shuffled in memory (11 to 18 ms a million, with and without; Zen 4, gcc 12,
 * 2025). */
static inline Py_ssize_t
store_floats(char *out, char typecode, PyObject *const *items, Py_ssize_t n)
{
    const Py_ssize_t size = mo_itemsize(typecode);
    Py_ssize_t i = 0;
    for (; i < n; i++) {
        if (!PyFloat_CheckExact(items[i])) {
            break;
        }
        mo_store(out + i * size, typecode, PyFloat_AS_DOUBLE(items[i]));
    }
    return i;
}

/* Says in a note on the exception being raised what was being read: an item,
 * or with index < 0 a whole row.  It is right without the note, should that
 * fail. */
static void
note_place(Py_ssize_t row, Py_ssize_t index)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *note =
        index < 0 ? PyUnicode_FromFormat("while reading row %zd", row)
        : row < 0 ? PyUnicode_FromFormat("while reading item %zd", index)
                  : PyUnicode_FromFormat("while reading row %zd, item %zd",
                                         row, index);
    PyObject *done = PyObject_CallMethod(exception, "add_note", "N", note);
    Py_XDECREF(done);
    PyErr_SetRaisedException(exception);
}

/* As float() of a number reads it; exceptions say where the item is. */
static int
read_number(double *x, PyObject *item, Py_ssize_t row, Py_ssize_t index)
{
    *x = PyLong_CheckExact(item) ? PyLong_AsDouble(item)
                                 : PyFloat_AsDouble(item);
    if (*x != -1.0 || !PyErr_Occurred()) {
        return 0;
    }
    if (mo_is_number(item)) { /* its own exception */
        note_place(row, index);
        return -1;
    }
    const char *name = Py_TYPE(item)->tp_name;
    if (row < 0) {
        PyErr_Format(PyExc_TypeError,
                     "item %zd must be a real number, not %.200s", index,
                     name);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "row %zd, item %zd must be a real number, not %.200s",
                     row, index, name);
    }
    return -1;
}

/* Stores the exact floats from item i on, before item n.  Gives the index of
 * the first other one, and in *there how many items there are. */
static Py_ssize_t
read_floats(char *out, char typecode, PyObject *seq, Py_ssize_t i,
            Py_ssize_t n, Py_ssize_t *there)
{
    MO_BEGIN_CRITICAL_SECTION(seq);
    *there = PySequence_Fast_GET_SIZE(seq);
    if (i < Py_MIN(n, *there)) {
        i += store_floats(out + i * mo_itemsize(typecode), typecode,
                          PySequence_Fast_ITEMS(seq) + i,
                          Py_MIN(n, *there) - i);
    }
    MO_END_CRITICAL_SECTION();
    return i;
}

/* Stores the first n items of a list or tuple.  Returns how many it has at
 * the end, which differs from n if something else changed it, or -1. */
static Py_ssize_t
read_items(char *out, char typecode, PyObject *seq, Py_ssize_t n,
           Py_ssize_t row)
{
    const Py_ssize_t size = mo_itemsize(typecode);
    for (Py_ssize_t i = 0;; i++) {
        Py_ssize_t there;
        i = read_floats(out, typecode, seq, i, n, &there);
        if (i >= Py_MIN(n, there)) {
            return there;
        }
        double x;
        PyObject *item = mo_sequence_item(seq, i);
        if (item == NULL) {
            return i; /* fewer than n */
        }
        int status = read_number(&x, item, row, i);
        Py_DECREF(item);
        if (status < 0) {
            return -1;
        }
        mo_store(out + i * size, typecode, x);
    }
}

/* --- vectors ---------------------------------------------------------- */

static int
vector_from_list(mo_view *view, mo_floatmatrix_state *room, PyObject *seq,
                 char typecode, Py_ssize_t row)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(seq);
    if (mo_view_new(view, room, typecode, 1, 1, n, false) < 0) {
        return -1;
    }
    char *out = view->storage->data;
    Py_ssize_t there = read_items(out, typecode, seq, n, row);
    if (there == n) {
        return 0;
    }
    if (there >= 0) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a row changed its size while it was read");
    }
    Py_DECREF(view->storage);
    return -1;
}

static int
raise_not_a_row(PyObject *obj, Py_ssize_t row)
{
    const char *name = Py_TYPE(obj)->tp_name;
    if (row < 0) {
        PyErr_Format(PyExc_TypeError,
                     "expected a sequence of numbers, not %.200s", name);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "row %zd must be a sequence of numbers, not %.200s", row,
                     name);
    }
    return -1;
}

int
mo_vector_from(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
               char typecode, Py_ssize_t row)
{
    if (is_list_or_tuple(obj)) {
        return vector_from_list(view, room, obj, typecode, row);
    }
    if (mo_is_vector(room, obj)) {
        *view = mo_view_row(&View_CAST(obj)->view, 0);
        Py_INCREF(view->storage);
        return 0;
    }
    if (PyUnicode_Check(obj)) {
        return raise_not_a_row(obj, row);
    }
    int is_foreign =
        mo_view_from_foreign(view, room, obj, 1, 0, MO_COPY_IF_NEEDED);
    if (is_foreign < 0 && row >= 0) {
        note_place(row, -1);
    }
    if (is_foreign != 0) {
        return is_foreign < 0 ? -1 : 0;
    }
    if (!is_iterable(obj)) {
        return raise_not_a_row(obj, row);
    }
    PyObject *list = PySequence_List(obj);
    if (list == NULL) {
        return -1;
    }
    int status = vector_from_list(view, room, list, typecode, row);
    Py_DECREF(list);
    return status;
}

/* --- matrices --------------------------------------------------------- */

typedef struct {
    mo_floatmatrix_state *room; /* borrowed */
    StorageObject *storage;     /* owned; NULL before the first row */
    char typecode;
    Py_ssize_t expected; /* rows to make room for at first */
    Py_ssize_t rows;     /* complete so far */
    Py_ssize_t columns;  /* of each row; of no meaning before the first */
} builder;

/* Room for one more row of n items: its address, or NULL. */
static char *
builder_reserve(builder *b, Py_ssize_t n)
{
    const Py_ssize_t size = mo_itemsize(b->typecode);
    if (b->storage == NULL) {
        Py_ssize_t bytes = mo_block_bytes(Py_MAX(b->expected, 1), n, size);
        if (bytes < 0) {
            return NULL;
        }
        b->storage = mo_storage_new(b->room, b->typecode, bytes, false);
        if (b->storage == NULL) {
            return NULL;
        }
        b->columns = n;
    }
    if (n != b->columns) {
        PyErr_Format(PyExc_ValueError,
                     "row %zd has %zd items, but row 0 has %zd", b->rows, n,
                     b->columns);
        return NULL;
    }
    Py_ssize_t bytes = mo_block_bytes(b->rows + 1, n, size);
    if (bytes < 0 || mo_storage_reserve(b->storage, bytes) < 0) {
        return NULL;
    }
    return b->storage->data + (bytes - n * size);
}

static int
builder_add_list(builder *b, PyObject *row)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(row);
    char *out = builder_reserve(b, n);
    if (out == NULL) {
        return -1;
    }
    Py_ssize_t there = read_items(out, b->typecode, row, n, b->rows);
    if (there >= 0 && there != n) {
        PyErr_Format(PyExc_RuntimeError,
                     "row %zd changed its size while it was read", b->rows);
    }
    return there == n ? 0 : -1;
}

static int
builder_add_vector(builder *b, PyObject *row)
{
    mo_view from, to;
    if (mo_vector_from(&from, b->room, row, b->typecode, b->rows) < 0) {
        return -1;
    }
    Py_ssize_t n = from.shape[1];
    char *out = builder_reserve(b, n);
    int status = -1;
    if (out != NULL) {
        mo_view_cover(&to, b->storage, 1, 1, n);
        to.offset = out - b->storage->data;
        status = mo_view_copy(&to, &from);
    }
    Py_DECREF(from.storage);
    return status;
}

static int
builder_add(builder *b, PyObject *row)
{
    int status = is_list_or_tuple(row) ? builder_add_list(b, row)
                                       : builder_add_vector(b, row);
    b->rows += status == 0;
    return status;
}

/* Indexed anew each time: a row's code may change the list of rows. */
static int
builder_add_each_item(builder *b, PyObject *seq)
{
    PyObject *row;
    b->expected = PySequence_Fast_GET_SIZE(seq);
    for (Py_ssize_t i = 0; (row = mo_sequence_item(seq, i)) != NULL; i++) {
        int status = builder_add(b, row);
        Py_DECREF(row);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

static int
builder_add_iterable(builder *b, PyObject *iterable)
{
    if (!is_iterable(iterable)) {
        PyErr_Format(PyExc_TypeError,
                     "expected a sequence of rows, not %.200s",
                     Py_TYPE(iterable)->tp_name);
        return -1;
    }
    PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL) {
        return -1;
    }
    int status = 0;
    PyObject *row;
    while (status == 0 && (row = PyIter_Next(iterator)) != NULL) {
        status = builder_add(b, row);
        Py_DECREF(row);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static int
builder_finish(builder *b, mo_view *view)
{
    if (b->storage == NULL) {
        return mo_view_new(view, b->room, b->typecode, 2, 0, 0, false);
    }
    Py_ssize_t used = b->rows * b->columns * mo_itemsize(b->typecode);
    if (used < b->storage->bytes && mo_storage_resize(b->storage, used) < 0) {
        PyErr_Clear(); /* it stays as large as it is, which is no error */
    }
    mo_view_cover(view, b->storage, 2, b->rows, b->columns);
    return 0;
}

int
mo_matrix_from_rows(mo_view *view, mo_floatmatrix_state *room, PyObject *obj,
                    char typecode)
{
    builder b = {.room = room, .typecode = typecode, .expected = 1};
    int status = is_list_or_tuple(obj) ? builder_add_each_item(&b, obj)
                                       : builder_add_iterable(&b, obj);
    if (status == 0) {
        return builder_finish(&b, view);
    }
    Py_XDECREF(b.storage);
    return -1;
}

/* --- a given number of items ------------------------------------------ */

static int
raise_wrong_count(Py_ssize_t expected, Py_ssize_t came, bool more)
{
    PyErr_Format(PyExc_ValueError, "expected %zd items, but %s%zd came",
                 expected, more ? "more than " : "", came);
    return -1;
}

static int
fill_from_iterator(const mo_view *view, PyObject *iterator)
{
    const char typecode = view->storage->typecode;
    const Py_ssize_t n = view->shape[0] * view->shape[1];
    char *out = view->storage->data;
    PyObject *item;
    Py_ssize_t i = 0;
    for (; (item = PyIter_Next(iterator)) != NULL; i++) {
        double x;
        int status = i < n ? read_number(&x, item, -1, i)
                           : raise_wrong_count(n, n, true);
        Py_DECREF(item);
        if (status < 0) {
            return -1;
        }
        mo_store(out + i * mo_itemsize(typecode), typecode, x);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    return i == n ? 0 : raise_wrong_count(n, i, false);
}

int
mo_fill_from(const mo_view *view, PyObject *iterable)
{
    if (is_list_or_tuple(iterable)) {
        Py_ssize_t n = view->shape[0] * view->shape[1];
        Py_ssize_t there = read_items(
            view->storage->data, view->storage->typecode, iterable, n, -1);
        if (there < 0) {
            return -1;
        }
        return there == n ? 0 : raise_wrong_count(n, there, false);
    }
    PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL) {
        return -1;
    }
    int status = fill_from_iterator(view, iterator);
    Py_DECREF(iterator);
    return status;
}

/* --- and back --------------------------------------------------------- */

/* False with MemoryError set.  Nothing here can run Python code and so move
 * the storage. */
static bool
fill_row_lock_held(PyObject *list, const mo_view *view, Py_ssize_t row)
{
    const char typecode = view->storage->typecode;
    const char *p = mo_view_at(view, row, 0);
    for (Py_ssize_t j = 0; j < view->shape[1]; j++) {
        PyObject *item = PyFloat_FromDouble(mo_load(p, typecode));
        if (item == NULL) {
            return false;
        }
        PyList_SET_ITEM(list, j, item);
        p += view->strides[1];
    }
    return true;
}

static PyObject *
row_tolist(const mo_view *view, Py_ssize_t row)
{
    PyObject *list = PyList_New(view->shape[1]);
    if (list == NULL) {
        return NULL;
    }
    bool complete;
    MO_BEGIN_CRITICAL_SECTION(view->storage);
    complete = fill_row_lock_held(list, view, row);
    MO_END_CRITICAL_SECTION();
    if (!complete) {
        Py_CLEAR(list);
    }
    return list;
}

PyObject *
mo_view_tolist(const mo_view *view)
{
    if (view->ndim == 1) {
        return row_tolist(view, 0);
    }
    const mo_view fixed = *view; /* a collection may append to the matrix */
    PyObject *list = PyList_New(fixed.shape[0]);
    if (list == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < fixed.shape[0]; i++) {
        PyObject *row = row_tolist(&fixed, i);
        if (row == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, i, row);
    }
    return list;
}
