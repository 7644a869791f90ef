/* collect.c - all values of a LazyMap at once, into a list or an array.
 *
 * The result is allocated at its final size where the length is known, but
 * the functions may make the sources longer or shorter meanwhile.  It is the
 * caller's only when complete. */
#include "lazymap/internal.h"
#include "lazymap/native.h"
#include "platform/memory.h"
#include "state.h"

/* --- to_list ---------------------------------------------------------------- */

typedef struct {
    mo_consumer consumer;
    PyObject *list;  /* owned; untracked, as it has empty places */
    Py_ssize_t used; /* places filled */
} mo_lister;

static bool
list_take(mo_consumer *consumer, mo_type type, const mo_value *results,
          size_t n)
{
    mo_lister *self = (mo_lister *)consumer;
    if ((size_t)(PyList_GET_SIZE(self->list) - self->used) < n) {
        return false;
    }
    PyObject **place = &PyList_GET_ITEM(self->list, self->used);
    for (size_t i = 0; i < n; i++) {
        place[i] = mo_native_box(type, results[i]);
        if (place[i] == NULL) {
            return false; /* with MemoryError set */
        }
    }
    self->used += (Py_ssize_t)n;
    return true;
}

static int
list_each(mo_consumer *consumer, PyObject *value)
{
    mo_lister *self = (mo_lister *)consumer;
    if (self->used < PyList_GET_SIZE(self->list)) {
        PyList_SET_ITEM(self->list, self->used, Py_NewRef(value));
    }
    else if (PyList_Append(self->list, value) < 0) {
        return -1;
    }
    self->used++;
    return 0;
}

/* By blocks, for the sources that can be read so. */
static PyObject *
list_by_blocks(PyObject *op)
{
    Py_ssize_t n = mo_lazymap_length((mo_lazymap *)op, PY_SSIZE_T_MAX);
    mo_lister lister = {.consumer = {.take = list_take,
                                     .each = list_each,
                                     .needs_gil = true,
                                     .needs_types = true}};
    if (n < 0 || (lister.list = PyList_New(n)) == NULL) {
        return NULL;
    }
    PyObject_GC_UnTrack(lister.list);
    if (mo_lazymap_consume(op, &lister.consumer) < 0) {
        Py_DECREF(lister.list);
        return NULL;
    }
    if (lister.used < n) { /* a function has made a source shorter */
        Py_SET_SIZE(lister.list, lister.used);
    }
    PyObject_GC_Track(lister.list);
    return lister.list;
}

/* list() asks for the length first, allocates that much, and keeps to what
 * the iteration gives. */
PyObject *
mo_lazymap_to_list(PyObject *op, PyObject *ignored)
{
    mo_lazymap *self = (mo_lazymap *)op;
    if (Py_IS_TYPE(op, self->state->lazymap_type) && !self->chain->filters &&
        mo_lazymap_feeds(self)) {
        return list_by_blocks(op);
    }
    return PyObject_CallOneArg((PyObject *)&PyList_Type, op);
}

/* --- to_array ---------------------------------------------------------------- */

/* array.array, borrowed, or NULL with an exception. */
static PyObject *
array_type(mo_lazymap_state *state)
{
    PyObject *known = MO_LOAD_POINTER(&state->array_type);
    if (known != NULL) {
        return known;
    }
    PyObject *module = PyImport_ImportModule("array");
    if (module == NULL) {
        return NULL;
    }
    PyObject *type = PyObject_GetAttrString(module, "array");
    Py_DECREF(module);
    return mo_fill_once(&state->array_type, type);
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

/* A new array of one zero: array(typecode, its bytes), since not every typecode
 * takes the number 0. */
static PyObject *
zero_array(PyObject *type, PyObject *typecode)
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
    return one;
}

/* array.array, as Modules/arraymodule.c has it in all versions, and Cython's
 * arrayarray.h relies on.  There is no other way to make one without filling
 * it; make_room() takes care that it is no other struct. */
typedef struct {
    PyVarObject ob_base;  /* ob_size: items */
    char *items;          /* owned, by PyMem */
    Py_ssize_t allocated; /* items that there is room for */
    const void *descr;
    PyObject *weakrefs;
    Py_ssize_t exports; /* buffers of it in use */
} mo_array;

/* Arrays from this size on lie in huge pages, as NumPy's do. */
#define HUGE_BYTES ((size_t)4 << 20)

/* Makes an array of one item one of n, of any value: 0; 1, with it as it was, if
 * this is not an array as above; -1 with MemoryError.  No Python code runs. */
static int
make_room(PyObject *op, Py_ssize_t n)
{
    mo_array *self = (mo_array *)op;
    Py_buffer view;
    if (Py_TYPE(op)->tp_basicsize != (Py_ssize_t)sizeof *self ||
        PyObject_GetBuffer(op, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear(); /* not such an array, then */
        return 1;
    }
    bool known = self->items == (char *)view.buf && Py_SIZE(op) == 1 &&
                 self->exports == 1 && self->allocated >= 1;
    Py_ssize_t size = view.itemsize;
    PyBuffer_Release(&view);
    if (!known || self->exports != 0) {
        return 1;
    }
    char *items = n <= PY_SSIZE_T_MAX / size
                      ? PyMem_Malloc((size_t)n * (size_t)size)
                      : NULL;
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if ((size_t)n * (size_t)size >= HUGE_BYTES) {
        mo_memory_prefer_huge_pages(items, (size_t)n * (size_t)size);
    }
    PyMem_Free(self->items);
    self->items = items;
    self->allocated = n;
    Py_SET_SIZE(op, n);
    return 0;
}

/* A new array of n items of any value. */
static PyObject *
array_of(PyObject *type, PyObject *typecode, Py_ssize_t n)
{
    PyObject *one = zero_array(type, typecode);
    int status = one == NULL ? -1 : n > 1 ? make_room(one, n) : 1;
    if (status > 0) {
        Py_SETREF(one, PySequence_Repeat(one, n));
    }
    else if (status < 0) {
        Py_CLEAR(one);
    }
    return one;
}

typedef struct {
    mo_consumer consumer;
    PyObject *array;  /* borrowed, of n items */
    PyObject *append; /* borrowed, the method's name */
    Py_ssize_t i, n;  /* items set, and that there is room for */
    bool refused;     /* a value was none of the numbers of the array */
    bool exported;    /* `view` is of the array, which cannot be resized */
    Py_buffer view;   /* owned if exported */
} mo_filler;

#define STORE_INTS(TYPE, LEAST, GREATEST)                                   \
    for (size_t k = 0; k < n; k++) {                                        \
        if (results[k].i < (LEAST) || results[k].i > (int64_t)(GREATEST)) { \
            return false;                                                   \
        }                                                                   \
    }                                                                       \
    for (size_t k = 0; k < n; k++) {                                        \
        ((TYPE *)to)[k] = (TYPE)results[k].i;                               \
    }                                                                       \
    return true

/* Stores ints as array.array does, or none of them. */
static bool
store_ints(char typecode, void *to, const mo_value *results, size_t n)
{
    switch (typecode) {
        case 'b':
            STORE_INTS(signed char, SCHAR_MIN, SCHAR_MAX);
        case 'B':
            STORE_INTS(unsigned char, 0, UCHAR_MAX);
        case 'h':
            STORE_INTS(short, SHRT_MIN, SHRT_MAX);
        case 'H':
            STORE_INTS(unsigned short, 0, USHRT_MAX);
        case 'i':
            STORE_INTS(int, INT_MIN, INT_MAX);
        case 'I':
            STORE_INTS(unsigned int, 0, UINT_MAX);
        case 'l':
            STORE_INTS(long, LONG_MIN, LONG_MAX);
        case 'L': /* every int64_t that is not negative, or 32 bits */
            STORE_INTS(unsigned long, 0,
                       ULONG_MAX / 2 > UINT_MAX ? INT64_MAX : ULONG_MAX);
        case 'q':
            STORE_INTS(long long, INT64_MIN, INT64_MAX);
        case 'Q':
            STORE_INTS(unsigned long long, 0, INT64_MAX);
        case 'f':
            for (size_t k = 0; k < n; k++) {
                ((float *)to)[k] = (float)(double)results[k].i;
            }
            return true;
        case 'd':
            for (size_t k = 0; k < n; k++) {
                ((double *)to)[k] = (double)results[k].i;
            }
            return true;
        default:
            return false;
    }
}

static bool
store_floats(char typecode, void *to, const mo_value *results, size_t n)
{
    if (typecode == 'd') {
        memcpy(to, results, n * sizeof(double));
        return true;
    }
    for (size_t k = 0; typecode == 'f' && k < n; k++) {
        ((float *)to)[k] = (float)results[k].f;
    }
    return typecode == 'f';
}

/* NumPy's bools, which are not ints. */
static bool
store_bools(char *to, mo_type type, const mo_value *results, size_t n)
{
    for (size_t k = 0; type == MO_BOOL && k < n; k++) {
        to[k] = results[k].i != 0;
    }
    return type == MO_BOOL;
}

/* n results as the items of that typecode, or none of them. */
static bool
store(char typecode, void *to, mo_type type, const mo_value *results, size_t n)
{
    if (typecode == '?') {
        return store_bools(to, type, results, n);
    }
    return type == MO_FLOAT ? store_floats(typecode, to, results, n)
                            : store_ints(typecode, to, results, n);
}

static char *
next_place(const mo_filler *self)
{
    return (char *)self->view.buf + self->i * self->view.itemsize;
}

static mo_value *
fill_place(mo_consumer *consumer, mo_type type, size_t n)
{
    mo_filler *self = (mo_filler *)consumer;
    char typecode = self->view.format[0];
    bool as_lane = type == MO_FLOAT
                       ? typecode == 'd'
                       : type == MO_INT && strchr("lq", typecode) != NULL;
    bool fits = self->exported && (Py_ssize_t)n <= self->n - self->i &&
                as_lane && self->view.itemsize == (Py_ssize_t)sizeof(mo_value);
    return fits ? (mo_value *)(void *)next_place(self) : NULL;
}

static bool
fill_take(mo_consumer *consumer, mo_type type, const mo_value *results,
          size_t n)
{
    mo_filler *self = (mo_filler *)consumer;
    if (!self->exported || (Py_ssize_t)n > self->n - self->i) {
        return false;
    }
    char typecode = self->view.format[0];
    char *to = next_place(self);
    bool stored = to == (const char *)results || /* fill_place()'s doing */
                  store(typecode, to, type, results, n);
    self->i += stored ? (Py_ssize_t)n : 0;
    return stored;
}

static void
filler_close(mo_filler *self)
{
    if (self->exported) {
        self->exported = false;
        PyBuffer_Release(&self->view);
    }
}

static int
fill_each(mo_consumer *consumer, PyObject *value)
{
    mo_filler *self = (mo_filler *)consumer;
    Py_ssize_t i = self->i++;
    if (i < self->n) {
        return PySequence_SetItem(self->array, i, value);
    }
    filler_close(self);
    PyObject *none =
        PyObject_CallMethodOneArg(self->array, self->append, value);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* Puts the values into an array of n items, and makes it as long as there
 * are values: 0 or -1. */
static int
array_fill(PyObject *array, Py_ssize_t n, PyObject *op, PyObject *append)
{
    mo_filler filler = {
        .consumer = {.take = fill_take,
                     .place = fill_place,
                     .each = fill_each},
        .array = array,
        .append = append,
        .n = n,
        .exported = true,
    };
    if (PyObject_GetBuffer(array, &filler.view, PyBUF_CONTIG | PyBUF_FORMAT) <
        0) {
        return -1;
    }
    int status = mo_lazymap_consume(op, &filler.consumer);
    filler_close(&filler);
    if (status < 0) {
        return -1;
    }
    return filler.i < n ? PySequence_DelSlice(array, filler.i, n) : 0;
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
    PyObject *array = array_of(type, typecode, n);
    Py_DECREF(typecode);
    PyObject *append = self->state->name[MO_NAME_APPEND];
    if (array != NULL && array_fill(array, n, op, append) < 0) {
        Py_CLEAR(array);
    }
    return array;
}

/* --- NumPy -------------------------------------------------------------------- */

static int
fill_refuse(mo_consumer *consumer, PyObject *value)
{
    ((mo_filler *)consumer)->refused = consumer->stopped = true;
    return 0;
}

PyDoc_STRVAR(fill_doc,
"_fill_lazymap($module, lazymap, array, /)\n--\n\n"
"Put all values into an array of as many items of struct's ? q l or d; False,\n"
"with anything in it, if one was to be had by calling or is of another type.");

static PyObject *
fill_numpy(PyObject *module, PyObject *args)
{
    mo_filler filler = {.consumer = {.take = fill_take,
                                     .place = fill_place,
                                     .each = fill_refuse},
                        .exported = true};
    PyObject *op;
    mo_state *state = PyModule_GetState(module);
    if (!PyArg_ParseTuple(args, "O!O:_fill_lazymap",
                          state->lazymap.lazymap_type, &op, &filler.array) ||
        PyObject_GetBuffer(filler.array, &filler.view,
                           PyBUF_CONTIG | PyBUF_FORMAT) < 0) {
        return NULL;
    }
    filler.n = filler.view.len / filler.view.itemsize;
    int status = mo_lazymap_consume(op, &filler.consumer);
    filler_close(&filler);
    if (status < 0) {
        return NULL;
    }
    return PyBool_FromLong(!filler.refused && filler.i == filler.n);
}

/* memopt.ndarrays does it: NumPy is best used from Python. */
PyObject *
mo_lazymap_to_numpy(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dtype", "copy", NULL};
    PyObject *dtype = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:__array__", names,
                                     &dtype, &copy)) {
        return NULL;
    }
    PyObject *module = PyImport_ImportModule("memopt.ndarrays");
    if (module == NULL) {
        return NULL;
    }
    PyObject *array =
        PyObject_CallMethod(module, "from_lazymap", "OOO", op, dtype, copy);
    Py_DECREF(module);
    return array;
}

static PyMethodDef collect_functions[] = {
    {"_fill_lazymap", fill_numpy, METH_VARARGS, fill_doc},
    {NULL, NULL, 0, NULL},
};

int
mo_collect_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, collect_functions);
}
