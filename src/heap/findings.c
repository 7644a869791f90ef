/* findings.c - see findings.h. */
#include "heap/findings.h"

#include "heap/layout.h"

#include <string.h>

/* Shorter progressions of ints are more likely to be chance. */
#define LEAST_PROGRESSION 8

/* What an empty array.array, FloatMatrix and range take, rounded: the last
 * digits do not matter where a finding is worth telling. */
#define ARRAY_BYTES 80
#define MATRIX_BYTES 192
#define RANGE_BYTES 48

/* What an InternPool that is not full takes for each string: 26 to 33. */
#define POOL_ENTRY_BYTES 32

/* ---- duplicates ---------------------------------------------------------- */

static uint64_t
scramble(uint64_t h)
{
    /* The finaliser of MurmurHash3 (A. Appleby). */
    h = (h ^ h >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
    h = (h ^ h >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return h ^ h >> 33;
}

/* The last bytes, up to eight, of some that have `length` together. */
static inline uint64_t
last_word(const char *end, size_t length)
{
    uint64_t word = 0;
    uint32_t first, last;
    if (length >= sizeof(word)) {
        memcpy(&word, end - sizeof(word), sizeof(word));
    }
    else if (length >= sizeof(last)) {
        memcpy(&first, end - length, sizeof(first));
        memcpy(&last, end - sizeof(last), sizeof(last));
        word = (uint64_t)first << 32 | last;
    }
    else {
        for (size_t i = 1; i <= length; i++) {
            word = word << 8 | (unsigned char)end[-(ptrdiff_t)i];
        }
    }
    return word;
}

/* The second product takes what differs in the first's uppermost bits only, as do
 * the last characters of two words, so far that no other character that differs in
 * the next word can make up for it. */
static inline uint64_t
mixed_with(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return (h ^ h >> 32) * UINT64_C(0xD6E8FEB86659FD93);
}

static inline uint64_t
word_at(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Hashes what is long in four lanes, as each step waits for the last of its own:
 * documentation is a good part of a process that has hardly any data. */
#define LANES_BYTES 32

static MO_NOINLINE uint64_t
hash_lanes(const char **from, const char *end, uint64_t seed)
{
    const char *p = *from;
    uint64_t a = seed, b = ~seed, c = seed << 1, d = ~seed << 1;
    for (; end - p > LANES_BYTES; p += LANES_BYTES) {
        a = mixed_with(a, word_at(p));
        b = mixed_with(b, word_at(p + 8));
        c = mixed_with(c, word_at(p + 16));
        d = mixed_with(d, word_at(p + 24));
    }
    *from = p;
    return scramble(scramble(scramble(a) ^ b) ^ c) ^ d;
}

static inline uint64_t
hash_bytes(const void *data, size_t length, uint64_t seed)
{
    const char *p = data, *end = p + length;
    uint64_t h = mixed_with(seed << 56, length);
    if (length > 2 * LANES_BYTES) {
        h = hash_lanes(&p, end, h);
    }
    for (; end - p > (ptrdiff_t)sizeof(h); p += sizeof(h)) {
        h = mixed_with(h, word_at(p));
    }
    return scramble(h ^ last_word(end, length));
}

/* Seeds that keep types apart. */
enum {
    SEED_BYTES = 5,
    SEED_INT,
    SEED_FLOAT,
    SEED_OTHER,
    SEED_TUPLE
};

uint64_t
mo_content_hash(PyObject *obj)
{
    /* Most strings: the same as below. */
    if (PyUnicode_CheckExact(obj) && PyUnicode_IS_COMPACT_ASCII(obj)) {
        return hash_bytes((PyASCIIObject *)obj + 1,
                          (size_t)PyUnicode_GET_LENGTH(obj), 1);
    }
    if (PyBytes_Check(obj)) {
        return hash_bytes(PyBytes_AS_STRING(obj),
                          (size_t)PyBytes_GET_SIZE(obj), SEED_BYTES);
    }
    /* Equal strings have the same kind, 1, 2 or 4. */
    size_t kind = PyUnicode_KIND(obj);
    return hash_bytes(PyUnicode_DATA(obj),
                      (size_t)PyUnicode_GET_LENGTH(obj) * kind, kind);
}

static void
settle(mo_scan *scan, const mo_candidate *candidate)
{
    int added = mo_table_add(&scan->contents, candidate->hash, 0);
    scan->out_of_memory |= added < 0;
    mo_row *row = &scan->rows[candidate->row];
    row->items += added == 0;
    row->after += added == 0 ? 0 : candidate->bytes;
}

/* Counts an object, and says later whether it repeats another. */
static void
count_duplicates(mo_scan *scan, mo_kind kind, PyObject *obj, uint32_t node,
                 size_t bytes, uint64_t hash)
{
    mo_row *row = mo_scan_row(scan, kind, node, Py_TYPE(obj), obj);
    if (row == NULL) {
        return;
    }
    row->count++;
    row->now += bytes;
    mo_candidate *slot = &scan->candidates[scan->n_candidates % MO_CANDIDATES];
    if (scan->n_candidates++ >= MO_CANDIDATES) {
        settle(scan, slot);
    }
    *slot = (mo_candidate){hash, bytes, (uint32_t)(row - scan->rows)};
    mo_table_prefetch(&scan->contents, hash);
}

void
mo_find_last_duplicates(mo_scan *scan)
{
    size_t n = scan->n_candidates;
    for (size_t i = n > MO_CANDIDATES ? n - MO_CANDIDATES : 0; i < n; i++) {
        settle(scan, &scan->candidates[i % MO_CANDIDATES]);
    }
    scan->n_candidates = 0;
}

void
mo_find_holders(mo_scan *scan)
{
    for (size_t i = 0; i < scan->n_rows; i++) {
        mo_row *row = &scan->rows[i];
        size_t distinct = (size_t)(row->count - row->items);
        if (row->items == 0) { /* which nobody would swap */
            continue;
        }
        if (row->kind == MO_STRINGS) {
            row->after += distinct * POOL_ENTRY_BYTES;
        }
        else if (row->kind == MO_BYTES || row->kind == MO_TUPLES) {
            row->after += mo_dict_bytes(distinct, false);
        }
    }
}

void
mo_find_duplicates(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    count_duplicates(scan, PyUnicode_Check(obj) ? MO_STRINGS : MO_BYTES, obj,
                     node, bytes, mo_content_hash(obj));
}

/* Hashes an item of a tuple; false if it is not immutable for certain. */
static bool
hash_item(PyObject *item, uint64_t *hash)
{
    if (item == NULL) {
        return false;
    }
    if (PyUnicode_CheckExact(item) && MO_STR_IS_READY(item)) {
        *hash = mo_content_hash(item);
    }
    else if (PyBytes_CheckExact(item)) {
        *hash = mo_content_hash(item);
    }
    else if (PyFloat_CheckExact(item)) {
        double value = PyFloat_AS_DOUBLE(item);
        *hash = hash_bytes(&value, sizeof(value), SEED_FLOAT);
    }
    else if (PyLong_CheckExact(item)) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(item, &overflow);
        *hash = hash_bytes(&value, sizeof(value), SEED_INT);
        return overflow == 0;
    }
    else if (item == Py_None || PyBool_Check(item)) {
        *hash = scramble((uint64_t)(uintptr_t)item ^ SEED_OTHER);
    }
    else {
        return false;
    }
    return true;
}

static void
find_equal_tuples(mo_scan *scan, PyObject *tuple, uint32_t node, size_t bytes)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    uint64_t hash = scramble((uint64_t)n ^ SEED_TUPLE), item;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!hash_item(PyTuple_GET_ITEM(tuple, i), &item)) {
            return;
        }
        hash = scramble(hash ^ item);
    }
    count_duplicates(scan, MO_TUPLES, tuple, node, bytes, hash);
}

/* ---- numbers ------------------------------------------------------------- */

static PyObject **
items_of(PyObject *sequence)
{
    return PyList_CheckExact(sequence) ? ((PyListObject *)sequence)->ob_item
                                       : ((PyTupleObject *)sequence)->ob_item;
}

/* What the ints of a list are: a progression has one step, not 0. */
typedef enum {
    OTHER_INTS,
    INT64S,
    PROGRESSION
} int_shape;

/* The leading numbers of a sequence, all floats or all ints. */
typedef struct {
    Py_ssize_t count;
    size_t bytes; /* of those that were met here for the first time */
    int_shape shape;
} numbers;

static inline bool
is_met_first(mo_scan *scan, PyObject *number)
{
    return Py_REFCNT(number) == 1 || mo_scan_meets(scan, number);
}

static numbers
meet_floats(mo_scan *scan, PyObject **items, Py_ssize_t n)
{
    size_t met = 0;
    Py_ssize_t i = 0;
    for (; i < n && items[i] != NULL && PyFloat_CheckExact(items[i]); i++) {
        met += is_met_first(scan, items[i]);
    }
    if (met != 0) {
        mo_scan_count(scan, &PyFloat_Type, met, met * MO_FLOAT_BYTES);
    }
    return (numbers){i, met * MO_FLOAT_BYTES, OTHER_INTS};
}

static numbers
meet_ints(mo_scan *scan, PyObject **items, Py_ssize_t n)
{
    numbers ints = {0, 0, n >= LEAST_PROGRESSION ? PROGRESSION : INT64S};
    size_t met = 0;
    uint64_t last = 0, step = 0;
    Py_ssize_t i = 0;
    for (; i < n && items[i] != NULL && PyLong_CheckExact(items[i]); i++) {
        if (is_met_first(scan, items[i])) {
            met++;
            ints.bytes += mo_int_bytes(items[i]);
        }
        int64_t value;
        if (ints.shape == OTHER_INTS || !mo_int_as_int64(items[i], &value)) {
            ints.shape = OTHER_INTS;
            continue;
        }
        /* Modulo 2**64: a step of more than 63 bits comes out wrong, and so
         * cannot be that of the whole list. */
        step = i == 1 ? (uint64_t)value - last : step;
        if (i >= 1 && ((uint64_t)value - last != step || step == 0)) {
            ints.shape = INT64S;
        }
        last = (uint64_t)value;
    }
    if (met != 0) {
        mo_scan_count(scan, &PyLong_Type, met, ints.bytes);
    }
    ints.count = i;
    return ints;
}

static void
count_numbers(mo_scan *scan, PyObject *sequence, uint32_t node, size_t bytes,
              int_shape shape)
{
    mo_kind kind = MO_FLOATS;
    size_t n = (size_t)Py_SIZE(sequence);
    size_t after = ARRAY_BYTES + mo_rounded(8 * n);
    if (PyLong_CheckExact(items_of(sequence)[0])) {
        if (shape == OTHER_INTS) {
            return;
        }
        kind = shape == PROGRESSION ? MO_PROGRESSION : MO_INTS;
        after = shape == PROGRESSION ? RANGE_BYTES : after;
    }
    mo_row *row = mo_scan_row(scan, kind, node, Py_TYPE(sequence), sequence);
    if (row != NULL) {
        row->count++;
        row->items += n;
        row->now += bytes;
        row->after += after;
    }
}

/* ---- rows of floats ------------------------------------------------------ */

/* Whether it is one.  If so, `owned` stays true if nothing else refers to the
 * floats. */
static bool
is_row_of_floats(PyObject *row, PyTypeObject *type, Py_ssize_t columns,
                 bool *owned)
{
    if (row == NULL || Py_TYPE(row) != type || Py_SIZE(row) != columns) {
        return false;
    }
    PyObject **items = items_of(row);
    bool shared = false;
    for (Py_ssize_t i = 0; i < columns; i++) {
        if (items[i] == NULL || !PyFloat_CheckExact(items[i])) {
            return false;
        }
        shared |= Py_REFCNT(items[i]) != 1;
    }
    *owned &= !shared;
    return true;
}

/* Whether a list's items are lists, or tuples, of equally many floats. */
static bool
is_matrix(PyObject *list, bool *owned)
{
    Py_ssize_t n = PyList_GET_SIZE(list);
    PyObject *first = n >= 2 ? PyList_GET_ITEM(list, 0) : NULL;
    if (first == NULL ||
        !(PyList_CheckExact(first) || PyTuple_CheckExact(first)) ||
        Py_SIZE(first) == 0) {
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!is_row_of_floats(PyList_GET_ITEM(list, i), Py_TYPE(first),
                              Py_SIZE(first), owned)) {
            return false;
        }
    }
    return true;
}

/* The bytes of a row's floats that were not met before.  To read them all again
 * took as long as the first time. */
static size_t
meet_row(mo_scan *scan, PyObject *row, bool owned)
{
    if (!owned) {
        return meet_floats(scan, items_of(row), Py_SIZE(row)).bytes;
    }
    size_t n = (size_t)Py_SIZE(row);
    mo_scan_count(scan, &PyFloat_Type, n, n * MO_FLOAT_BYTES);
    return n * MO_FLOAT_BYTES;
}

static void
count_matrix(mo_scan *scan, PyObject *list, uint32_t node, size_t bytes,
             bool owned)
{
    Py_ssize_t rows = PyList_GET_SIZE(list), met = 0;
    PyTypeObject *type = Py_TYPE(PyList_GET_ITEM(list, 0));
    size_t columns = (size_t)Py_SIZE(PyList_GET_ITEM(list, 0));
    size_t rows_bytes = 0;
    for (Py_ssize_t i = 0; i < rows; i++) {
        PyObject *row = PyList_GET_ITEM(list, i);
        if (mo_scan_meets(scan, row)) {
            size_t row_bytes = mo_object_bytes(row);
            mo_scan_count(scan, type, 1, row_bytes);
            rows_bytes += row_bytes + meet_row(scan, row, owned);
            met++;
        }
    }
    /* The type is that of the rows: tuples become mutable. */
    mo_row *row = mo_scan_row(scan, MO_MATRIX, node, type, list);
    if (row != NULL) {
        row->count++;
        row->items += (size_t)met * columns;
        row->now += bytes + rows_bytes;
        row->after += MATRIX_BYTES + mo_rounded(8 * (size_t)met * columns);
    }
}

Py_ssize_t
mo_find_in_sequence(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    Py_ssize_t n = Py_SIZE(obj);
    if (PyList_CheckExact(obj)) {
        mo_find_slack(scan, obj, node, bytes);
        bool owned = true;
        if (is_matrix(obj, &owned)) {
            count_matrix(scan, obj, node, bytes, owned);
            return n;
        }
    }
    else if (n != 0) {
        find_equal_tuples(scan, obj, node, bytes);
    }
    PyObject **items = items_of(obj);
    if (n == 0 || items[0] == NULL) {
        return 0;
    }
    numbers found;
    if (PyFloat_CheckExact(items[0])) {
        found = meet_floats(scan, items, n);
    }
    else if (PyLong_CheckExact(items[0])) {
        found = meet_ints(scan, items, n);
    }
    else {
        return 0;
    }
    if (found.count == n && !scan->out_of_memory) {
        count_numbers(scan, obj, node, bytes + found.bytes, found.shape);
    }
    return found.count;
}

/* ---- containers and instances -------------------------------------------- */

static size_t
length_of(PyObject *obj)
{
    return PyList_CheckExact(obj)   ? (size_t)PyList_GET_SIZE(obj)
           : PyDict_CheckExact(obj) ? (size_t)((PyDictObject *)obj)->ma_used
                                    : (size_t)((PySetObject *)obj)->used;
}

/* More spare room than growth leaves: a list grows by 1/8 and shrinks once less
 * than half is used; dicts and sets never shrink by themselves, and as they
 * grow are filled to 1/3 and to 1/4 of their room at least. */
static bool
has_slack(PyObject *obj, size_t length)
{
    size_t room = mo_room(obj);
    size_t spare = PyList_CheckExact(obj)   ? length / 2
                   : PyDict_CheckExact(obj) ? 3 * length
                                            : 7 * length;
    return room > length + spare + 8;
}

void
mo_find_slack(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    size_t length = length_of(obj);
    mo_kind kind = has_slack(obj, length) ? MO_SLACK : MO_EMPTY;
    if (kind == MO_EMPTY && length != 0) {
        return;
    }
    mo_row *row = mo_scan_row(scan, kind, node, Py_TYPE(obj), obj);
    if (row != NULL) {
        row->count++;
        row->items += length;
        row->now += bytes;
        if (kind == MO_SLACK) {
            row->after += PyList_CheckExact(obj) ? mo_list_bytes(length)
                          : PyDict_CheckExact(obj)
                              ? mo_dict_bytes(length, true)
                              : mo_set_bytes(length);
        }
    }
}

void
mo_find_instances(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (!(type->tp_flags & Py_TPFLAGS_MANAGED_DICT) ||
        !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return;
    }
    PyObject *dict = mo_instance_dict(obj);
    size_t names = mo_shared_names(type);
    if (dict != NULL) {
        bytes += mo_object_bytes(dict);
        names = (size_t)((PyDictObject *)dict)->ma_used;
    }
    mo_row *row = mo_scan_instances_row(scan, type, obj, node);
    if (row != NULL) {
        row->count++;
        row->items = names > row->items ? names : row->items;
        row->now += bytes;
        /* Two pointers of the collector's, one for each attribute. */
        row->after += mo_rounded((size_t)type->tp_basicsize +
                                 (2 + names) * sizeof(PyObject *));
    }
}
