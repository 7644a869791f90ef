/* buffer.c - see buffer.h.
 *
 * The order of the items does not matter to an exact sum, so a buffer is read
 * in runs of equally spaced items, as long as its layout allows; a run of
 * doubles goes to the accumulator where it lies. */
#include "exactsum/buffer.h"

#include <string.h>

typedef enum {
    ITEM_FLOAT,  /* IEEE 754 half, single or double, by size */
    ITEM_SIGNED, /* two's complement */
    ITEM_UNSIGNED,
    ITEM_BOOL, /* true if not zero */
} item_kind;

typedef struct {
    item_kind kind;
    size_t size;  /* bytes: 1, 2, 4 or 8 */
    bool swapped; /* in the byte order that this machine has not */
} item_format;

/* Items of the other byte order are turned round this many at a time. */
#define SWAP_BLOCK 256

/* One pass over a buffer; the pointers are borrowed from mo_buffer_read. */
typedef struct {
    const Py_buffer *view;
    item_format item;
    mo_accumulator *total;
    int64_t count; /* items added so far */
} walk;

/* One of the struct module's codes, not '\0'.  Letters that differ only in
 * their width (i, l, q, n) are told apart by the size, which exporters get
 * right where standard and native sizes are confused. */
static bool
parse_code(char code, size_t size, item_kind *kind)
{
    if (strchr("efd", code) != NULL) {
        *kind = ITEM_FLOAT;
        return (code == 'e' && size == 2) || (code == 'f' && size == 4) ||
               (code == 'd' && size == 8);
    }
    if (strchr("bhilqn", code) != NULL) {
        *kind = ITEM_SIGNED;
    }
    else if (strchr("BHILQN", code) != NULL) {
        *kind = ITEM_UNSIGNED;
    }
    else if (code == '?') {
        *kind = ITEM_BOOL;
    }
    else {
        return false;
    }
    return size == 1 || size == 2 || size == 4 || size == 8;
}

/* False if the items are not real numbers of at most 64 bits. */
static bool
parse_format(const Py_buffer *view, item_format *item)
{
    const char *code = view->format != NULL ? view->format : "B";
    item->size = (size_t)view->itemsize;
    item->swapped = false;
    switch (*code) {
        case '@':
        case '=':
            code++;
            break;
        case '<':
            item->swapped = PY_BIG_ENDIAN;
            code++;
            break;
        case '>':
        case '!':
            item->swapped = PY_LITTLE_ENDIAN;
            code++;
            break;
    }
    return *code != '\0' && code[1] == '\0' &&
           parse_code(*code, item->size, &item->kind);
}

static inline uint64_t
load_unsigned(const char *p, size_t size)
{
    uint8_t v1;
    uint16_t v2;
    uint32_t v4;
    uint64_t v8;
    switch (size) {
        case 1:
            memcpy(&v1, p, sizeof v1);
            return v1;
        case 2:
            memcpy(&v2, p, sizeof v2);
            return v2;
        case 4:
            memcpy(&v4, p, sizeof v4);
            return v4;
        default:
            memcpy(&v8, p, sizeof v8);
            return v8;
    }
}

static inline int64_t
load_signed(const char *p, size_t size)
{
    uint64_t bits = load_unsigned(p, size);
    uint64_t sign = UINT64_C(1) << (8 * size - 1);
    return (int64_t)((bits ^ sign) - sign); /* extends the sign */
}

/* n items of this machine's byte order, `stride` bytes apart. */
static void
add_native_run(walk *w, const char *p, Py_ssize_t n, Py_ssize_t stride)
{
    mo_accumulator *total = w->total;
    const size_t size = w->item.size;
    switch (w->item.kind) {
        case ITEM_FLOAT:
            if (size == 8) {
                mo_accumulator_add_f64(total, p, (size_t)n, stride);
            }
            else if (size == 4) {
                mo_accumulator_add_f32(total, p, (size_t)n, stride);
            }
            else {
                mo_accumulator_add_f16(total, p, (size_t)n, stride);
            }
            break;
        case ITEM_SIGNED:
            for (Py_ssize_t i = 0; i < n; i++) {
                mo_accumulator_add_i64(total,
                                       load_signed(p + i * stride, size));
            }
            break;
        case ITEM_UNSIGNED:
            for (Py_ssize_t i = 0; i < n; i++) {
                mo_accumulator_add_u64(total,
                                       load_unsigned(p + i * stride, size));
            }
            break;
        case ITEM_BOOL:
            for (Py_ssize_t i = 0; i < n; i++) {
                bool truth = load_unsigned(p + i * stride, size) != 0;
                mo_accumulator_add_u64(total, truth);
            }
            break;
    }
}

static void
add_swapped_run(walk *w, const char *p, Py_ssize_t n, Py_ssize_t stride)
{
    const size_t size = w->item.size;
    char block[SWAP_BLOCK * sizeof(uint64_t)];
    while (n > 0) {
        Py_ssize_t filled = n < SWAP_BLOCK ? n : SWAP_BLOCK;
        char *out = block;
        for (Py_ssize_t i = 0; i < filled; i++, p += stride) {
            for (size_t byte = size; byte > 0; byte--) {
                *out++ = p[byte - 1];
            }
        }
        add_native_run(w, block, filled, (Py_ssize_t)size);
        n -= filled;
    }
}

static void
add_run(walk *w, const char *p, Py_ssize_t n, Py_ssize_t stride)
{
    w->count += n;
    if (w->item.swapped) {
        add_swapped_run(w, p, n, stride);
    }
    else {
        add_native_run(w, p, n, stride);
    }
}

/* Every item below `axis` of the part of the buffer that starts at p.  With
 * suboffsets (as in PIL) an axis is a table of pointers to follow. */
static void
add_axis(walk *w, const char *p, int axis)
{
    const Py_buffer *view = w->view;
    Py_ssize_t n = view->shape[axis];
    Py_ssize_t stride = view->strides[axis];
    Py_ssize_t suboffset = view->suboffsets ? view->suboffsets[axis] : -1;
    bool innermost = axis == view->ndim - 1;
    if (innermost && suboffset < 0) {
        add_run(w, p, n, stride);
        return;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *part = p + i * stride;
        if (suboffset >= 0) {
            memcpy(&part, (const void *)part, sizeof part);
            part += suboffset;
        }
        if (innermost) {
            add_run(w, part, 1, 0);
        }
        else {
            add_axis(w, part, axis + 1);
        }
    }
}

static void
add_buffer(walk *w)
{
    const Py_buffer *view = w->view;
    /* Contiguous is also what has no strides at all, as from ctypes. */
    if (view->ndim == 0 || PyBuffer_IsContiguous(view, 'A')) {
        add_run(w, view->buf, view->len / view->itemsize, view->itemsize);
    }
    else {
        add_axis(w, view->buf, 0);
    }
}

/* Buffers that do not hold what the object means: NumPy exports a datetime64
 * scalar as its bytes, and a masked array as what lies under its mask. */
static const char *const misleading_types[] = {
    "numpy.datetime64",
    "numpy.timedelta64",
    "MaskedArray",
};

static bool
has_misleading_name(const PyTypeObject *type)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(misleading_types); i++) {
        if (strcmp(type->tp_name, misleading_types[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Looks at the bases of Python classes only: walking those of each NumPy
 * scalar in a list took as long as reading it. */
bool
mo_buffer_misleads(PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return has_misleading_name(type);
    }
    PyObject *mro = type->tp_mro; /* borrowed; a tuple of types */
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        if (has_misleading_name((PyTypeObject *)PyTuple_GET_ITEM(mro, i))) {
            return true;
        }
    }
    return false;
}

/* obj.dtype, or NULL with an exception set. */
static PyObject *
get_dtype(PyObject *obj)
{
    PyObject *name = PyUnicode_InternFromString("dtype");
    if (name == NULL) {
        return NULL;
    }
    PyObject *dtype = PyObject_GetAttr(obj, name);
    Py_DECREF(name);
    return dtype;
}

#define NEEDED "real numbers of at most 64 bits are needed"

/* Steals dtype, a NumPy array's or scalar's. */
static void
refuse_dtype(PyObject *dtype)
{
    PyErr_Format(PyExc_TypeError, "cannot sum items of dtype %S: " NEEDED,
                 dtype);
    Py_DECREF(dtype);
}

/* TypeError for obj, naming its dtype if it has one, else its format. */
static void
refuse_items(PyObject *obj, const char *format)
{
    PyObject *dtype = get_dtype(obj);
    if (dtype != NULL) {
        refuse_dtype(dtype);
    }
    else if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Format(PyExc_TypeError,
                     "cannot sum buffer items of format '%s': " NEEDED,
                     format);
    }
}

/* PyObject_GetBuffer; NumPy's ValueError for dtypes that the protocol cannot
 * express (such as datetime64) becomes a TypeError. */
static int
acquire(PyObject *obj, Py_buffer *view)
{
    if (mo_buffer_misleads(Py_TYPE(obj))) {
        PyErr_Format(PyExc_TypeError,
                     "cannot sum %.200s, whose buffer is not what it means; "
                     "pass plain numbers (of a masked array, compressed())",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(obj, view, PyBUF_FULL_RO) == 0) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyObject *cause = PyErr_GetRaisedException();
        PyObject *dtype = get_dtype(obj);
        if (dtype == NULL) {
            PyErr_SetRaisedException(cause);
            return -1;
        }
        Py_DECREF(cause);
        refuse_dtype(dtype);
    }
    return -1;
}

int
mo_buffer_read(PyObject *obj, int max_ndim, mo_accumulator *total,
               int64_t *count)
{
    Py_buffer view;
    if (acquire(obj, &view) < 0) {
        return -1;
    }
    walk w = {.view = &view, .total = total};
    bool fits = view.ndim <= max_ndim;
    bool numeric = parse_format(&view, &w.item);
    char format[100] = "B"; /* a copy that outlives the view */
    if (fits && numeric) {
        add_buffer(&w);
        *count += w.count;
    }
    else if (view.format != NULL) {
        PyOS_snprintf(format, sizeof format, "%s", view.format);
    }
    /* Before any exception is set: releasing may run Python code. */
    PyBuffer_Release(&view);
    if (!fits) {
        PyErr_Format(PyExc_TypeError, "must be real number, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    if (!numeric) {
        refuse_items(obj, format);
        return -1;
    }
    return 0;
}
