/* json.c - JSON documents whose strings are interned as they are read.
 *
 * A scanner for what RFC 8259 allows, over a str or UTF-8.  It knows no errors:
 * what it cannot read, wrong or merely unusual (NaN, numbers of 128 digits,
 * nesting beyond MAX_DEPTH, UTF-16), it gives up, and the caller asks the json
 * module, which so decides what is valid and what to raise.  Functions give
 * NULL without an exception then.
 *
 * The values are those of json.loads: floats by PyOS_string_to_double, the
 * last of equal keys counts, lone surrogates stay. */
#include "internpool/internal.h"
#include "internpool/seen.h"

/* Each level takes some 200 bytes of the C stack. */
#define MAX_DEPTH 500

/* Numbers of more characters are given up. */
#define MAX_NUMBER 128

/* So many digits fit into 64 bits. */
#define SHORT_INT 18

/* Keys are mostly those of the object before, and found here at once. */
#define RECENT_KEYS 256

typedef struct {
    PyObject *pool; /* borrowed */
    mo_source text;
    size_t position; /* of the next unit, at most text.n */
    int depth;       /* arrays and objects that are open */
    PyObject *keys;  /* owned dict: each key to itself, so that equal ones are
                       one object even if the pool keeps none of them */
    PyObject *recent[RECENT_KEYS]; /* owned, or NULL; by hash */
} scanner;

static PyObject *
scan_value(scanner *s);

/* The unit at a position; 0, which no token has, at the end. */
static inline uint32_t
unit_at(const scanner *s, size_t position)
{
    if (position >= s->text.n) {
        return 0;
    }
    switch (s->text.unit) {
        case 1:
            return (unsigned char)s->text.data[position];
        case 2:
            return ((const uint16_t *)s->text.data)[position];
        default:
            return ((const uint32_t *)s->text.data)[position];
    }
}

/* The next unit that is no whitespace; the position is there. */
static inline uint32_t
skip_space(scanner *s)
{
    uint32_t unit = unit_at(s, s->position);
    while (unit == ' ' || unit == '\n' || unit == '\r' || unit == '\t') {
        unit = unit_at(s, ++s->position);
    }
    return unit;
}

static inline bool
is_digit(uint32_t unit)
{
    return unit - '0' < 10u;
}

/* --- numbers and words ------------------------------------------------------ */

static size_t
skip_digits(const scanner *s, size_t position)
{
    while (is_digit(unit_at(s, position))) {
        position++;
    }
    return position;
}

/* Behind the fraction and the exponent, as far as there are any. */
static size_t
skip_fraction(const scanner *s, size_t position)
{
    if (unit_at(s, position) == '.' && is_digit(unit_at(s, position + 1))) {
        position = skip_digits(s, position + 1);
    }
    if ((unit_at(s, position) | 0x20) == 'e') {
        uint32_t sign = unit_at(s, position + 1);
        size_t digits = position + 1 + (sign == '+' || sign == '-');
        if (is_digit(unit_at(s, digits))) {
            position = skip_digits(s, digits);
        }
    }
    return position;
}

static PyObject *
make_short_int(const scanner *s, size_t start, size_t stop, bool negative)
{
    long long value = 0;
    for (size_t i = start; i < stop; i++) {
        value = value * 10 + (long long)(unit_at(s, i) - '0');
    }
    return PyLong_FromLongLong(negative ? -value : value);
}

static PyObject *
make_number(const scanner *s, size_t start, size_t stop, bool is_float)
{
    char digits[MAX_NUMBER + 1];
    if (stop - start > MAX_NUMBER) {
        return NULL;
    }
    for (size_t i = start; i < stop; i++) {
        digits[i - start] = (char)unit_at(s, i);
    }
    digits[stop - start] = '\0';
    if (!is_float) {
        return PyLong_FromString(digits, NULL, 10);
    }
    double value = PyOS_string_to_double(digits, NULL, NULL);
    return value == -1.0 && PyErr_Occurred() ? NULL
                                             : PyFloat_FromDouble(value);
}

static PyObject *
scan_number(scanner *s)
{
    const size_t start = s->position;
    const bool negative = unit_at(s, start) == '-';
    const size_t digits = start + negative;
    size_t stop;
    if (!is_digit(unit_at(s, digits))) {
        return NULL;
    }
    /* No digit follows a leading 0: one that does is no part of it. */
    stop = unit_at(s, digits) == '0' ? digits + 1 : skip_digits(s, digits);
    s->position = skip_fraction(s, stop);
    if (s->position == stop && stop - digits <= SHORT_INT) {
        return make_short_int(s, digits, stop, negative);
    }
    return make_number(s, start, s->position, s->position > stop);
}

static PyObject *
scan_word(scanner *s, const char *word, PyObject *value)
{
    for (; *word != '\0'; word++) {
        if (unit_at(s, s->position++) != (unsigned char)*word) {
            return NULL;
        }
    }
    return Py_NewRef(value);
}

/* --- strings ------------------------------------------------------------------ */

static bool
scan_hex(const scanner *s, size_t position, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t unit = unit_at(s, position + (size_t)i);
        uint32_t letter = (unit | 0x20) - 'a';
        if (!is_digit(unit) && letter > 5) {
            return false;
        }
        *value = *value << 4 | (is_digit(unit) ? unit - '0' : letter + 10);
    }
    return true;
}

/* Reads \uXXXX, or two of them that are surrogates of each other; *position is
 * that of the u.  False if it is none. */
static bool
scan_escaped_point(const scanner *s, size_t *position, uint32_t *point)
{
    uint32_t low;
    if (!scan_hex(s, *position + 1, point)) {
        return false;
    }
    *position += 5;
    if (Py_UNICODE_IS_HIGH_SURROGATE(*point) &&
        unit_at(s, *position) == '\\' && unit_at(s, *position + 1) == 'u' &&
        scan_hex(s, *position + 2, &low) && Py_UNICODE_IS_LOW_SURROGATE(low)) {
        *point = Py_UNICODE_JOIN_SURROGATES(*point, low);
        *position += 6;
    }
    return true;
}

/* Reads what follows a backslash. */
static bool
scan_escape(const scanner *s, size_t *position, uint32_t *point)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t unit = unit_at(s, *position);
    if (unit == 'u') {
        return scan_escaped_point(s, position, point);
    }
    const char *found =
        unit != 0 && unit < 0x80 ? strchr(letters, (int)unit) : NULL;
    if (found == NULL) {
        return false;
    }
    *point = (unsigned char)meanings[found - letters];
    ++*position;
    return true;
}

/* Where the string ends, its quote; text.n if nowhere, or a control character
 * comes before.  *escaped says whether there are backslashes. */
static size_t
find_quote(const scanner *s, size_t position, bool *escaped)
{
    *escaped = false;
    for (; position < s->text.n; position++) {
        uint32_t unit = unit_at(s, position);
        if (unit == '"') {
            return position;
        }
        if (unit == '\\') {
            *escaped = true;
            position++;
        }
        else if (unit < 0x20) {
            break;
        }
    }
    return s->text.n;
}

/* Reads a string with backslashes into code points, of which there are at most
 * as many as units; their number, or SIZE_MAX to give up. */
static size_t
unescape(const scanner *s, size_t position, size_t stop, Py_UCS4 *points)
{
    size_t n = 0;
    while (position < stop) {
        uint32_t point = mo_source_next(&s->text, &position);
        if (point == UINT32_MAX ||
            (point == '\\' && !scan_escape(s, &position, &point))) {
            return SIZE_MAX;
        }
        points[n++] = point;
    }
    return n;
}

static PyObject *
intern_points(PyObject *op, const Py_UCS4 *points, size_t n)
{
    mo_text text = {points, n, 4};
    if (n <= MO_SCRATCH_LENGTH) {
        mo_scratch scratch;
        text = mo_text_narrow(&text, &scratch);
        return mo_intern_text(op, &text);
    }
    PyObject *string = mo_text_as_str(&text);
    PyObject *result = string ? mo_internpool_intern_exact(op, string) : NULL;
    Py_XDECREF(string);
    return result;
}

static PyObject *
intern_escaped(scanner *s, size_t start, size_t stop)
{
    Py_UCS4 *points = PyMem_New(Py_UCS4, stop - start);
    if (points == NULL) {
        return PyErr_NoMemory();
    }
    size_t n = unescape(s, start, stop, points);
    PyObject *result =
        n == SIZE_MAX ? NULL : intern_points(s->pool, points, n);
    PyMem_Free(points);
    return result;
}

/* The key of this document that equals one.  Steals that; NULL stays NULL. */
static PyObject *
share_key(scanner *s, PyObject *key)
{
    if (key == NULL) {
        return NULL;
    }
    PyObject *shared = PyDict_SetDefault(s->keys, key, key);
    Py_XINCREF(shared);
    Py_DECREF(key);
    return shared;
}

static PyObject *
intern_key(scanner *s, size_t start, size_t stop)
{
    mo_scratch scratch;
    mo_text text;
    if (!mo_source_text(&s->text, start, stop, &scratch, &text)) {
        return share_key(s, mo_intern_field(s->pool, &s->text, start, stop));
    }
    uint64_t hash = mo_hash_text(mo_shards_of(s->pool)->key, &text);
    PyObject **recent = &s->recent[(hash >> 32) % RECENT_KEYS];
    if (*recent != NULL && mo_str_equal_text(*recent, &text)) {
        return Py_NewRef(*recent);
    }
    PyObject *key = share_key(s, mo_intern_text(s->pool, &text));
    if (key != NULL) {
        Py_XSETREF(*recent, Py_NewRef(key));
    }
    return key;
}

/* Reads from behind the opening quote to behind the closing one. */
static PyObject *
scan_string(scanner *s, bool is_key)
{
    bool escaped;
    const size_t start = s->position;
    const size_t stop = find_quote(s, start, &escaped);
    if (stop == s->text.n) {
        return NULL;
    }
    s->position = stop + 1;
    if (escaped) {
        PyObject *string = intern_escaped(s, start, stop);
        return is_key ? share_key(s, string) : string;
    }
    return is_key ? intern_key(s, start, stop)
                  : mo_intern_field(s->pool, &s->text, start, stop);
}

/* --- arrays and objects --------------------------------------------------------- */

/* Whether another item follows: 1 if so, 0 behind the end, -1 to give up. */
static int
scan_comma(scanner *s, uint32_t end)
{
    uint32_t unit = skip_space(s);
    if (unit != ',' && unit != end) {
        return -1;
    }
    s->position++;
    return unit == ',';
}

static PyObject *
scan_array(scanner *s)
{
    PyObject *list = PyList_New(0);
    int more = 1;
    if (list == NULL) {
        return NULL;
    }
    if (skip_space(s) == ']') {
        s->position++;
        return list;
    }
    while (more > 0) {
        PyObject *item = scan_value(s);
        more = item != NULL && PyList_Append(list, item) == 0
                   ? scan_comma(s, ']')
                   : -1;
        Py_XDECREF(item);
    }
    if (more < 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* Reads a key, a colon and a value into a dict.  0, or -1. */
static int
scan_pair(scanner *s, PyObject *dict)
{
    if (skip_space(s) != '"') {
        return -1;
    }
    s->position++;
    PyObject *key = scan_string(s, true);
    if (key == NULL) {
        return -1;
    }
    PyObject *value = NULL;
    int status = -1;
    if (skip_space(s) == ':') {
        s->position++;
        value = scan_value(s);
    }
    if (value != NULL) {
        status = PyDict_SetItem(dict, key, value);
        Py_DECREF(value);
    }
    Py_DECREF(key);
    return status;
}

static PyObject *
scan_object(scanner *s)
{
    PyObject *dict = PyDict_New();
    int more = 1;
    if (dict == NULL) {
        return NULL;
    }
    if (skip_space(s) == '}') {
        s->position++;
        return dict;
    }
    while (more > 0) {
        more = scan_pair(s, dict) == 0 ? scan_comma(s, '}') : -1;
    }
    if (more < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *
scan_nested(scanner *s, PyObject *(*scan)(scanner *))
{
    if (s->depth == MAX_DEPTH) {
        return NULL;
    }
    s->position++;
    s->depth++;
    PyObject *value = scan(s);
    s->depth--;
    return value;
}

static PyObject *
scan_value(scanner *s)
{
    switch (skip_space(s)) {
        case '"':
            s->position++;
            return scan_string(s, false);
        case '{':
            return scan_nested(s, scan_object);
        case '[':
            return scan_nested(s, scan_array);
        case 't':
            return scan_word(s, "true", Py_True);
        case 'f':
            return scan_word(s, "false", Py_False);
        case 'n':
            return scan_word(s, "null", Py_None);
        default:
            return scan_number(s);
    }
}

static PyObject *
scan_document(scanner *s)
{
    s->keys = PyDict_New();
    PyObject *value = s->keys ? scan_value(s) : NULL;
    if (value != NULL && (skip_space(s), s->position < s->text.n)) {
        Py_CLEAR(value);
    }
    Py_XDECREF(s->keys);
    for (int i = 0; i < RECENT_KEYS; i++) {
        Py_XDECREF(s->recent[i]);
    }
    return value;
}

const char mo_internpool_scan_json_doc[] = PyDoc_STR(
    "_scan_json($self, text, /)\n--\n\n"
    "What json.loads(text) gives, with all strings interned; NotImplemented if\n"
    "that is for the json module to decide.");

PyObject *
mo_internpool_scan_json(PyObject *op, PyObject *text)
{
    if (!PyUnicode_Check(text) && !PyBytes_Check(text) &&
        !PyByteArray_Check(text)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    scanner s = {.pool = op};
    Py_buffer buffer;
    if (mo_source_init(&s.text, text, &buffer) < 0) {
        return NULL;
    }
    PyObject *value = scan_document(&s);
    PyBuffer_Release(&buffer);
    if (value != NULL) {
        return value;
    }
    /* Invalid UTF-8, or an int of too many digits. */
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return NULL;
    }
    PyErr_Clear(); /* json.loads raises it */
    Py_RETURN_NOTIMPLEMENTED;
}

/* --- for json's own scanner ------------------------------------------------------- */

const char mo_internpool_object_pairs_hook_doc[] = PyDoc_STR(
    "object_pairs_hook($self, pairs, /)\n--\n\n"
    "dict(pairs), with keys and values that are str, and those in values that\n"
    "are lists, and in lists in these, as intern() gives them: for json.loads\n"
    "and json.load.\n\n"
    "json_loads() is faster, and needs less memory meanwhile.  Raises TypeError\n"
    "unless `pairs` is a list of tuples of two.\n\n"
    ">>> import json\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> a, b = json.loads('[{\"to\": \"Oslo\"}, {\"to\": \"Oslo\"}]',\n"
    "...                   object_pairs_hook=pool.object_pairs_hook)\n"
    ">>> a['to'] is b['to']\n"
    "True");

/* Whether a list's id is a key of the dict `but`, or NULL; -1 if it fails. */
static int
is_left_alone(PyObject *list, PyObject *but)
{
    if (but == NULL) {
        return 0;
    }
    PyObject *id = PyLong_FromVoidPtr(list);
    int found = id != NULL ? PyDict_Contains(but, id) : -1;
    Py_XDECREF(id);
    return found;
}

/* Adds the lists in a list that were not met yet to a list of such, which is made
 * if there are any. */
static int
find_arrays(PyObject *list, PyObject *but, mo_seen *seen, PyObject **arrays)
{
    PyObject *item;
    int status = 0;
    for (Py_ssize_t i = 0;
         status == 0 && (item = mo_list_item(list, i)) != NULL; i++) {
        int known = PyList_CheckExact(item) ? mo_seen_add(seen, item) : 1;
        if (known == 0) {
            known = is_left_alone(item, but);
        }
        if (known == 0 && *arrays == NULL) {
            *arrays = PyList_New(0);
        }
        if (known <= 0) {
            status = known == 0 && *arrays != NULL
                         ? PyList_Append(*arrays, item)
                         : -1;
        }
        Py_DECREF(item);
    }
    return status;
}

/* Changes a list, and those in it at any depth, but for those in `but`. */
static int
intern_arrays(PyObject *op, PyObject *list, PyObject *but)
{
    mo_intern_counts counts = {0};
    mo_seen seen = {0};
    PyObject *arrays = NULL;
    Py_ssize_t done = 0;
    int status = 0;
    for (PyObject *at = list; status == 0 && at != NULL; done++) {
        status = mo_intern_list_items(op, at, 0, PY_SSIZE_T_MAX, &counts);
        if (status == 0) {
            status = find_arrays(at, but, &seen, &arrays);
        }
        at = arrays != NULL && done < PyList_GET_SIZE(arrays)
                 ? PyList_GET_ITEM(arrays, done)
                 : NULL;
    }
    Py_XDECREF(arrays);
    mo_seen_free(&seen);
    return status;
}

/* A new reference to what to use instead of a value; lists are changed. */
static PyObject *
intern_value(PyObject *op, PyObject *value, PyObject *but)
{
    if (PyUnicode_CheckExact(value)) {
        return mo_internpool_intern(op, value);
    }
    if (PyList_CheckExact(value)) {
        int left_alone = is_left_alone(value, but);
        if (left_alone < 0 ||
            (!left_alone && intern_arrays(op, value, but) < 0)) {
            return NULL;
        }
    }
    return Py_NewRef(value);
}

const char mo_internpool_intern_value_doc[] = PyDoc_STR(
    "_intern_value($self, value, but, /)\n--\n\n"
    "What _intern_item() gives, and a list with what is in it, and in lists in\n"
    "it, interned; but for lists whose id() is a key of the dict `but`.");

PyObject *
mo_internpool_intern_value(PyObject *op, PyObject *args)
{
    PyObject *value, *but;
    if (!PyArg_ParseTuple(args, "OO!:_intern_value", &value, &PyDict_Type,
                          &but)) {
        return NULL;
    }
    return intern_value(op, value, but);
}

static int
add_pair(PyObject *op, PyObject *dict, PyObject *pair)
{
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(
            PyExc_TypeError,
            "object_pairs_hook() argument must be a list of tuples of two");
        return -1;
    }
    int status = -1;
    PyObject *key = intern_value(op, PyTuple_GET_ITEM(pair, 0), NULL);
    PyObject *value =
        key ? intern_value(op, PyTuple_GET_ITEM(pair, 1), NULL) : NULL;
    if (value != NULL) {
        status = PyDict_SetItem(dict, key, value);
    }
    Py_XDECREF(key);
    Py_XDECREF(value);
    return status;
}

PyObject *
mo_internpool_object_pairs_hook(PyObject *op, PyObject *pairs)
{
    if (!PyList_Check(pairs)) {
        PyErr_Format(PyExc_TypeError,
                     "object_pairs_hook() argument must be list, not %.200s",
                     Py_TYPE(pairs)->tp_name);
        return NULL;
    }
    PyObject *dict = PyDict_New(), *pair;
    for (Py_ssize_t i = 0;
         dict != NULL && (pair = mo_list_item(pairs, i)) != NULL; i++) {
        if (add_pair(op, dict, pair) < 0) {
            Py_CLEAR(dict);
        }
        Py_DECREF(pair);
    }
    return dict;
}
