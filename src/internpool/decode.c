/* decode.c - strings straight from UTF-8: intern_utf8().
 *
 * Bytes, and parts of a text, are brought into the form that a str of them
 * would have, hashed and looked up; a str is made only if none is resident. */
#include "internpool/internal.h"

/* A str that is not looked up.  Threads count singletons, which may be many,
 * in several shards. */
static inline PyObject *
make_outsider(mo_shards *shards, const mo_text *text, bool singleton)
{
    PyObject *string = mo_text_as_str(text);
    if (string != NULL) {
        uint64_t hash = singleton ? mo_hash_text(shards->key, text) : 0;
        mo_pool *pool = mo_shards_lock(shards, hash);
        mo_pool_count_outsider_lock_held(pool, singleton);
        mo_shards_unlock(pool);
    }
    return string;
}

PyObject *
mo_intern_text(PyObject *op, const mo_text *text)
{
    mo_shards *shards = mo_shards_of(op);
    bool singleton = mo_text_is_singleton(text);
    if (MO_UNLIKELY(singleton || text->length > shards->max_length)) {
        return make_outsider(shards, text, singleton);
    }
    uint64_t hash = mo_hash_text(shards->key, text);
    PyObject *result;
    mo_pool *pool;
    mo_victims victims;
    mo_victims_init(&victims);
    do {
        pool = mo_shards_enter(shards, hash, &victims);
        result = mo_pool_intern_text_lock_held(pool, text, hash, &victims);
    } while (mo_shards_leave(shards, pool, &victims));
    mo_victims_release(&victims);
    return result;
}

PyObject *
mo_intern_utf8(PyObject *op, const char *bytes, size_t n, const char *errors)
{
    mo_scratch scratch;
    mo_text text;
    if (MO_LIKELY(mo_utf8_as_text(bytes, n, &scratch, &text))) {
        return mo_intern_text(op, &text);
    }
    /* Too long for the stack, or invalid: that the codec knows best. */
    PyObject *string = PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)n, errors);
    if (string == NULL) {
        return NULL;
    }
    PyObject *result = mo_internpool_intern_exact(op, string);
    Py_DECREF(string);
    return result;
}

/* --- parts of a text ----------------------------------------------------- */

int
mo_source_init(mo_source *text, PyObject *value, Py_buffer *buffer)
{
    *text = (mo_source){.unit = 1};
    buffer->obj = NULL;
    if (PyUnicode_Check(value)) {
        if (MO_STR_READY(value) < 0) {
            return -1;
        }
        text->data = PyUnicode_DATA(value);
        text->n = (size_t)PyUnicode_GET_LENGTH(value);
        text->unit = (size_t)PyUnicode_KIND(value);
        return 0;
    }
    if (PyObject_GetBuffer(value, buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    text->data = buffer->buf;
    text->n = (size_t)buffer->len;
    text->utf8 = !mo_utf8_is_ascii(text->data, text->n);
    return 0;
}

bool
mo_source_text(const mo_source *source, size_t start, size_t stop,
               mo_scratch *scratch, mo_text *text)
{
    const char *data = source->data + start * source->unit;
    if (source->utf8) {
        return mo_utf8_as_text(data, stop - start, scratch, text);
    }
    *text = (mo_text){data, stop - start, (unsigned)source->unit};
    if (text->kind > 1) {
        if (text->length > MO_SCRATCH_LENGTH) {
            return false;
        }
        *text = mo_text_narrow(text, scratch);
    }
    return true;
}

/* Raises what decoding the whole does, since positions are told. */
static PyObject *
refuse_utf8(const mo_source *source)
{
    PyObject *whole =
        PyUnicode_DecodeUTF8(source->data, (Py_ssize_t)source->n, NULL);
    if (whole != NULL) {
        Py_DECREF(whole);
        PyErr_SetString(PyExc_RuntimeError,
                        "buffer changed while it was read");
    }
    return NULL;
}

/* A part that is long, or invalid. */
static PyObject *
make_field(const mo_source *source, size_t start, size_t stop)
{
    const char *data = source->data + start * source->unit;
    if (!source->utf8) {
        mo_text text = {data, stop - start, (unsigned)source->unit};
        return mo_text_as_str(&text);
    }
    PyObject *string =
        PyUnicode_DecodeUTF8(data, (Py_ssize_t)(stop - start), NULL);
    if (string == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear(); /* raised again with its position */
        return refuse_utf8(source);
    }
    return string;
}

PyObject *
mo_intern_field(PyObject *op, const mo_source *source, size_t start,
                size_t stop)
{
    mo_scratch scratch;
    mo_text text;
    if (MO_LIKELY(mo_source_text(source, start, stop, &scratch, &text))) {
        return mo_intern_text(op, &text);
    }
    PyObject *string = make_field(source, start, stop);
    if (string == NULL) {
        return NULL;
    }
    PyObject *result = mo_internpool_intern_exact(op, string);
    Py_DECREF(string);
    return result;
}

/* --- the method ------------------------------------------------------------ */

const char mo_internpool_intern_utf8_doc[] = PyDoc_STR(
    "intern_utf8($self, buffer, start=0, stop=None, errors='strict')\n--\n\n"
    "intern(bytes(buffer)[start:stop].decode('utf-8', errors)), without making\n"
    "the bytes, nor a str if an equal one is resident.\n\n"
    "`buffer` is any contiguous buffer: bytes, bytearray, memoryview, mmap,\n"
    "array, NumPy array.  start and stop count bytes and work as in a slice.\n"
    "Counts as intern(); what a hit saved is the size of the str not made.\n\n"
    "Raises what decode() raises, for invalid UTF-8 UnicodeDecodeError with the\n"
    "same message; TypeError if `buffer` is no buffer, and what its type raises\n"
    "if it is not contiguous.  O(stop - start).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> line = b'GET /index.html 200'\n"
    ">>> pool.intern_utf8(line, 0, 3) is pool.intern_utf8(line, 0, 3)\n"
    "True\n"
    ">>> pool.intern_utf8(line, 4, -4)\n"
    "'/index.html'\n\n"
    "As sqlite3's text_factory it makes one object of equal texts:\n"
    "connection.text_factory = pool.intern_utf8.");

static PyObject *
intern_slice(PyObject *op, const char *bytes, Py_ssize_t n, Py_ssize_t start,
             Py_ssize_t stop, const char *errors)
{
    Py_ssize_t length = PySlice_AdjustIndices(n, &start, &stop, 1);
    return mo_intern_utf8(op, bytes + (length > 0 ? start : 0), (size_t)length,
                          errors);
}

PyObject *
mo_internpool_intern_utf8(PyObject *op, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"buffer", "start", "stop", "errors"};
    PyObject *values[4];
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    const char *errors;
    if (nargs == 1 && kwnames == NULL && PyBytes_CheckExact(args[0])) {
        /* As most calls are: a third of the time is sorting arguments. */
        return mo_intern_utf8(op, PyBytes_AS_STRING(args[0]),
                              (size_t)PyBytes_GET_SIZE(args[0]), NULL);
    }
    if (mo_parse_fastcall("intern_utf8", names, 4, 1, args, nargs, kwnames,
                          values) < 0 ||
        mo_convert_slice_index(values[1], &start) < 0 ||
        mo_convert_slice_index(values[2], &stop) < 0 ||
        mo_convert_errors("intern_utf8", values[3], &errors) < 0) {
        return NULL;
    }
    if (PyBytes_CheckExact(values[0])) {
        return intern_slice(op, PyBytes_AS_STRING(values[0]),
                            PyBytes_GET_SIZE(values[0]), start, stop, errors);
    }
    Py_buffer buffer;
    if (PyObject_GetBuffer(values[0], &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *result =
        intern_slice(op, buffer.buf, buffer.len, start, stop, errors);
    PyBuffer_Release(&buffer);
    return result;
}
