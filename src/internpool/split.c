/* split.c - str.split and str.splitlines into interned fields.
 *
 * Text comes as a str, in its PEP 393 form, or as UTF-8 in a buffer.  Fields
 * are looked up where they lie: a str is made only of those not resident.
 * UTF-8 is split as bytes, which finds what splitting the decoded text would,
 * because no encoded character is part of another; fields are valid together
 * if and only if the whole is. */
#include "internpool/internal.h"

static int
append_field(PyObject *op, PyObject *list, const mo_source *text, size_t start,
             size_t stop)
{
    PyObject *field = mo_intern_field(op, text, start, stop);
    if (field == NULL) {
        return -1;
    }
    int status = PyList_Append(list, field);
    Py_DECREF(field);
    return status;
}

/* --- separators ------------------------------------------------------------ */

/* A separator in the units of the text. */
typedef struct {
    const char *data; /* borrowed from `string`, or `widened` */
    size_t n;         /* units, at least 1 */
    bool possible;    /* whether the text can hold it at all */
    PyObject *string; /* owned */
    void *widened;    /* owned, or NULL */
} separator;

static void
separator_free(separator *sep)
{
    Py_CLEAR(sep->string);
    PyMem_Free(sep->widened);
}

/* A new reference to a str of what was passed as `sep`. */
static PyObject *
separator_as_str(PyObject *value)
{
    PyObject *string;
    if (PyUnicode_Check(value)) {
        string = MO_STR_READY(value) < 0 ? NULL : Py_NewRef(value);
    }
    else if (!PyObject_CheckBuffer(value)) {
        PyErr_Format(PyExc_TypeError,
                     "split() argument 'sep' must be str, a bytes-like object "
                     "or None, not %.200s",
                     Py_TYPE(value)->tp_name);
        return NULL;
    }
    else {
        Py_buffer buffer;
        if (PyObject_GetBuffer(value, &buffer, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        string = PyUnicode_DecodeUTF8(buffer.buf, buffer.len, NULL);
        PyBuffer_Release(&buffer);
    }
    if (string != NULL && PyUnicode_GET_LENGTH(string) == 0) {
        PyErr_SetString(PyExc_ValueError, "empty separator");
        Py_CLEAR(string);
    }
    return string;
}

/* Encodes it for a text in UTF-8, which has no lone surrogates. */
static int
encode_separator(separator *sep)
{
    Py_ssize_t n;
    sep->data = PyUnicode_AsUTF8AndSize(sep->string, &n);
    if (sep->data == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return -1;
        }
        PyErr_Clear(); /* UTF-8 has no such text */
        sep->possible = false;
        return 0;
    }
    sep->n = (size_t)n;
    return 0;
}

static int
widen_separator(separator *sep, size_t unit)
{
    const int kind = PyUnicode_KIND(sep->string);
    if (sep->n > PY_SSIZE_T_MAX / unit ||
        (sep->widened = PyMem_Malloc(sep->n * unit)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < (Py_ssize_t)sep->n; i++) {
        PyUnicode_WRITE((int)unit, sep->widened, i,
                        PyUnicode_READ(kind, sep->data, i));
    }
    sep->data = sep->widened;
    return 0;
}

/* Takes the str over, even if it fails. */
static int
separator_init(separator *sep, PyObject *string, const mo_source *text)
{
    *sep = (separator){
        .data = PyUnicode_DATA(string),
        .n = (size_t)PyUnicode_GET_LENGTH(string),
        .possible = true,
        .string = string,
    };
    if (text->utf8) {
        return encode_separator(sep);
    }
    size_t kind = (size_t)PyUnicode_KIND(string);
    sep->possible = kind <= text->unit;
    return kind < text->unit ? widen_separator(sep, text->unit) : 0;
}

/* Where the first unit of the separator is, from `from` on; text->n if it is
 * nowhere. */
static size_t
find_first_unit(const mo_source *text, size_t from, const separator *sep)
{
    const char *data = text->data;
    if (text->unit == 1) {
        const char *found = memchr(data + from, sep->data[0], text->n - from);
        return found ? (size_t)(found - data) : text->n;
    }
    while (from < text->n &&
           memcmp(data + from * text->unit, sep->data, text->unit) != 0) {
        from++;
    }
    return from;
}

/* Where the separator is, from `from` on; text->n if it is nowhere. */
static size_t
find(const mo_source *text, size_t from, const separator *sep)
{
    for (; from < text->n && text->n - from >= sep->n; from++) {
        from = find_first_unit(text, from, sep);
        if (text->n - from < sep->n) {
            break;
        }
        if (sep->n == 1 || memcmp(text->data + from * text->unit, sep->data,
                                  sep->n * text->unit) == 0) {
            return from;
        }
    }
    return text->n;
}

/* --- the three ways to split ------------------------------------------------ */

static int
split_by(PyObject *op, PyObject *list, const mo_source *text,
         const separator *sep, size_t maxsplit)
{
    size_t start = 0;
    for (; sep->possible && maxsplit > 0; maxsplit--) {
        size_t stop = find(text, start, sep);
        if (stop == text->n) {
            break;
        }
        if (append_field(op, list, text, start, stop) < 0) {
            return -1;
        }
        start = stop + sep->n;
    }
    return append_field(op, list, text, start, text->n);
}

/* Moves *position to the next character that is a space, or is none. */
static void
skip(const mo_source *text, size_t *position, bool spaces)
{
    while (*position < text->n) {
        size_t next = *position;
        uint32_t point = mo_source_next(text, &next);
        if ((Py_UNICODE_ISSPACE(point) != 0) != spaces) {
            return;
        }
        *position = next;
    }
}

static int
split_by_space(PyObject *op, PyObject *list, const mo_source *text,
               size_t maxsplit)
{
    size_t position = 0;
    for (;; maxsplit--) {
        skip(text, &position, true);
        if (position == text->n) {
            return 0;
        }
        size_t start = position;
        if (maxsplit == 0) {
            return append_field(op, list, text, start, text->n);
        }
        skip(text, &position, false);
        if (append_field(op, list, text, start, position) < 0) {
            return -1;
        }
    }
}

static bool
ends_line(uint32_t point)
{
    /* The two tests tell most characters from those at once. */
    return (point <= 0x1e || point >= 0x80) && Py_UNICODE_ISLINEBREAK(point);
}

static int
split_by_line(PyObject *op, PyObject *list, const mo_source *text,
              bool keepends)
{
    for (size_t start = 0, next; start < text->n; start = next) {
        size_t stop;
        uint32_t point = 0;
        for (stop = next = start; next < text->n && !ends_line(point);) {
            stop = next;
            point = mo_source_next(text, &next);
        }
        if (!ends_line(point)) {
            stop = next; /* the last line, without an end */
        }
        if (point == '\r' && next < text->n) {
            size_t after = next;
            next = mo_source_next(text, &after) == '\n' ? after : next;
        }
        if (append_field(op, list, text, start, keepends ? next : stop) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- the methods -------------------------------------------------------------- */

/* What to do with a text. */
typedef struct {
    bool lines;      /* split_lines() */
    bool keepends;   /* of lines */
    PyObject *sep;   /* borrowed: a non-empty str, or NULL for spaces */
    size_t maxsplit; /* SIZE_MAX for no limit */
} task;

static int
split_source(PyObject *op, PyObject *list, const mo_source *text,
             const task *todo)
{
    if (todo->lines) {
        return split_by_line(op, list, text, todo->keepends);
    }
    if (todo->sep == NULL) {
        return split_by_space(op, list, text, todo->maxsplit);
    }
    separator sep;
    int status = separator_init(&sep, Py_NewRef(todo->sep), text);
    if (status == 0) {
        status = split_by(op, list, text, &sep, todo->maxsplit);
    }
    separator_free(&sep);
    return status;
}

/* A new list of the fields of a str or buffer. */
static PyObject *
split(PyObject *op, const char *function, PyObject *value, const task *todo)
{
    if (!PyUnicode_Check(value) && !PyObject_CheckBuffer(value)) {
        PyErr_Format(PyExc_TypeError,
                     "%s() argument 'text' must be str or a bytes-like "
                     "object, not %.200s",
                     function, Py_TYPE(value)->tp_name);
        return NULL;
    }
    mo_source text;
    Py_buffer buffer;
    if (mo_source_init(&text, value, &buffer) < 0) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    if (list != NULL && split_source(op, list, &text, todo) < 0) {
        Py_CLEAR(list);
    }
    PyBuffer_Release(&buffer); /* does nothing if obj is NULL */
    return list;
}

const char mo_internpool_split_doc[] = PyDoc_STR(
    "split($self, text, sep=None, maxsplit=-1)\n--\n\n"
    "The fields of a text, as str.split() gives them, each as intern() does.\n\n"
    "`text` is a str, or a contiguous buffer of UTF-8: bytes, bytearray,\n"
    "memoryview, mmap, NumPy array; the result is that of decoding it first,\n"
    "without doing so.  `sep` may be a str or a buffer as well; without one the\n"
    "text is split at runs of whitespace, as Unicode defines it.\n\n"
    "Raises ValueError if sep is empty, TypeError for anything else, and for\n"
    "invalid UTF-8 the UnicodeDecodeError of bytes(text).decode().  O(len(text)),\n"
    "times len(sep) at worst.\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> a, b = (pool.split(row, b',') for row in (b'7,oslo', b'8,oslo'))\n"
    ">>> a, b, a[1] is b[1]\n"
    "(['7', 'oslo'], ['8', 'oslo'], True)");

PyObject *
mo_internpool_split(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    static const char *const names[] = {"text", "sep", "maxsplit"};
    PyObject *values[3];
    if (mo_parse_fastcall("split", names, 3, 1, args, nargs, kwnames, values) <
        0) {
        return NULL;
    }
    task todo = {.maxsplit = SIZE_MAX};
    if (values[2] != NULL) {
        Py_ssize_t n = PyNumber_AsSsize_t(values[2], PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
        todo.maxsplit = n < 0 ? SIZE_MAX : (size_t)n;
    }
    if (values[1] != NULL && values[1] != Py_None) {
        todo.sep = separator_as_str(values[1]);
        if (todo.sep == NULL) {
            return NULL;
        }
    }
    PyObject *list = split(op, "split", values[0], &todo);
    Py_XDECREF(todo.sep);
    return list;
}

const char mo_internpool_split_lines_doc[] = PyDoc_STR(
    "split_lines($self, text, keepends=False)\n--\n\n"
    "The lines of a text, as str.splitlines() gives them, each as intern() does.\n\n"
    "`text` is a str, or a contiguous buffer of UTF-8, see split().  Raises as\n"
    "split() does.  O(len(text)).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> pool.split_lines(b'GET /\\nGET /\\n')\n"
    "['GET /', 'GET /']");

PyObject *
mo_internpool_split_lines(PyObject *op, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"text", "keepends"};
    PyObject *values[2];
    if (mo_parse_fastcall("split_lines", names, 2, 1, args, nargs, kwnames,
                          values) < 0) {
        return NULL;
    }
    int keepends = values[1] ? PyObject_IsTrue(values[1]) : 0;
    if (keepends < 0) {
        return NULL;
    }
    task todo = {.lines = true, .keepends = keepends != 0};
    return split(op, "split_lines", values[0], &todo);
}
