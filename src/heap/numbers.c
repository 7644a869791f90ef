/* numbers.c - see findings.h: lists and tuples of numbers, and rows of floats. */
#include "heap/findings.h"

#include "heap/layout.h"

/* Shorter progressions of ints are more likely to be chance. */
#define LEAST_PROGRESSION 8

/* What an empty array.array, FloatMatrix and range take, rounded: the last
 * digits do not matter where a finding is worth telling. */
#define ARRAY_BYTES 80
#define MATRIX_BYTES 192
#define RANGE_BYTES 48

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
    size_t own, bytes;     /* those that nothing else refers to */
    size_t met, met_bytes; /* others, met for the first time */
    bool is_shared; /* others than CPython's own have several references */
    int_shape shape;
} numbers;

/* More references than this are CPython's own of small ints, or not worth the memory
 * to count: to one number. */
#define MOST_REFERENCES UINT16_MAX

/* Ahead of which their place in the table is asked for. */
#define NUMBERS_AHEAD 12

static inline bool
may_be_counted(PyObject *number)
{
    return Py_REFCNT(number) != 1 && Py_REFCNT(number) <= MOST_REFERENCES;
}

/* Adds a number to those that a sequence has. */
static inline void
meet_number(mo_scan *scan, PyObject *number, size_t bytes, numbers *found)
{
    if (Py_REFCNT(number) == 1) {
        found->own++;
        found->bytes += bytes;
        return;
    }
    found->is_shared |= may_be_counted(number);
    if (mo_scan_meets(scan, number)) {
        found->met++;
        found->met_bytes += bytes;
    }
}

static void
count_met(mo_scan *scan, PyTypeObject *type, const numbers *found)
{
    size_t met = found->own + found->met;
    if (met != 0) {
        mo_scan_count(scan, type, met, found->bytes + found->met_bytes);
    }
}

static numbers
meet_floats(mo_scan *scan, PyObject **items, Py_ssize_t n)
{
    numbers floats = {.shape = INT64S};
    Py_ssize_t i = 0;
    for (; i < n && items[i] != NULL && PyFloat_CheckExact(items[i]); i++) {
        meet_number(scan, items[i], MO_FLOAT_BYTES, &floats);
    }
    floats.count = i;
    count_met(scan, &PyFloat_Type, &floats);
    return floats;
}

static numbers
meet_ints(mo_scan *scan, PyObject **items, Py_ssize_t n)
{
    numbers ints = {.shape = n >= LEAST_PROGRESSION ? PROGRESSION : INT64S};
    uint64_t last = 0, step = 0;
    Py_ssize_t i = 0;
    for (; i < n && items[i] != NULL && PyLong_CheckExact(items[i]); i++) {
        meet_number(scan, items[i], mo_int_bytes(items[i]), &ints);
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
    ints.count = i;
    count_met(scan, &PyLong_Type, &ints);
    return ints;
}

/* One more reference is that of a list of a row's.  The value: how many there are,
 * and, above that, 1 + the first row. */
static void
count_reference(mo_scan *scan, PyObject *number, uint32_t row)
{
    uint32_t *value = mo_table_value(&scan->numbers, (uintptr_t)number);
    if (value == NULL) {
        scan->out_of_memory = true;
        return;
    }
    if (*value == 0) {
        *value = (row + 1) << 16;
    }
    if ((++*value & MOST_REFERENCES) == (uint32_t)Py_REFCNT(number)) {
        uint32_t first = (*value >> 16) - 1;
        scan->rows[first].now += mo_object_bytes(number);
        scan->rows[first].elsewhere += first != row;
    }
}

/* Those of a sequence that goes with its numbers. */
static void
count_references(mo_scan *scan, PyObject **items, Py_ssize_t n, mo_row *row)
{
    uint32_t number = (uint32_t)(row - scan->rows);
    bool fits = number < UINT16_MAX;
    for (Py_ssize_t i = 0; fits && i < n && !scan->out_of_memory; i++) {
        if (i + NUMBERS_AHEAD < n) {
            mo_table_prefetch(&scan->numbers,
                              (uintptr_t)items[i + NUMBERS_AHEAD]);
        }
        if (may_be_counted(items[i])) {
            count_reference(scan, items[i], number);
        }
    }
}

static mo_kind
kind_of_numbers(PyObject *sequence, int_shape shape)
{
    return PyFloat_CheckExact(items_of(sequence)[0]) ? MO_FLOATS
           : shape == PROGRESSION                    ? MO_PROGRESSION
                                                     : MO_INTS;
}

static void
count_numbers(mo_scan *scan, PyObject *sequence, uint32_t node, size_t bytes,
              numbers found)
{
    mo_kind kind = kind_of_numbers(sequence, found.shape);
    size_t n = (size_t)Py_SIZE(sequence);
    mo_row *row = mo_scan_row(scan, kind, node, Py_TYPE(sequence), sequence);
    if (row == NULL) {
        return;
    }
    row->count++;
    row->items += n;
    row->now += bytes + found.bytes;
    row->after +=
        kind == MO_PROGRESSION ? RANGE_BYTES : ARRAY_BYTES + mo_rounded(8 * n);
    if (found.is_shared) {
        count_references(scan, items_of(sequence), Py_SIZE(sequence), row);
    }
}

/* ---- rows of floats ------------------------------------------------------ */

/* Whether all items of a row are floats.  If so, `owned` stays true if nothing else
 * refers to them. */
static bool
is_row_of_floats(PyObject *row, bool *owned)
{
    PyObject **items = items_of(row);
    bool shared = false;
    for (Py_ssize_t i = 0; i < Py_SIZE(row); i++) {
        if (items[i] == NULL || !PyFloat_CheckExact(items[i])) {
            return false;
        }
        shared |= Py_REFCNT(items[i]) != 1;
    }
    *owned &= !shared;
    return true;
}

/* Whether a list's items are of the type and length of the first, and nothing else
 * refers to most of them: others stay beside a copy of what they hold, and would be
 * read again for each list that has them. */
static bool
has_rows(PyObject *list, PyObject *first)
{
    Py_ssize_t n = PyList_GET_SIZE(list), own = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *row = PyList_GET_ITEM(list, i);
        if (row == NULL || Py_TYPE(row) != Py_TYPE(first) ||
            Py_SIZE(row) != Py_SIZE(first)) {
            return false;
        }
        own += Py_REFCNT(row) == 1;
    }
    return own > n / 2;
}

static bool
begins_with_float(PyObject *obj)
{
    if (!(PyList_CheckExact(obj) || PyTuple_CheckExact(obj)) ||
        Py_SIZE(obj) == 0) {
        return false;
    }
    PyObject *item = items_of(obj)[0];
    return item != NULL && PyFloat_CheckExact(item);
}

/* Whether a list's items are lists, or tuples, of equally many floats. */
static bool
is_matrix(PyObject *list, bool *owned)
{
    Py_ssize_t n = PyList_GET_SIZE(list);
    PyObject *first = n >= 2 ? PyList_GET_ITEM(list, 0) : NULL;
    if (first == NULL || !begins_with_float(first) || !has_rows(list, first)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!is_row_of_floats(PyList_GET_ITEM(list, i), owned)) {
            return false;
        }
    }
    return true;
}

/* The floats of a row that nothing else refers to.  To read them all again took as
 * long as the first time. */
static numbers
meet_row(mo_scan *scan, PyObject *row, bool owned)
{
    if (!owned) {
        return meet_floats(scan, items_of(row), Py_SIZE(row));
    }
    size_t n = (size_t)Py_SIZE(row), bytes = n * MO_FLOAT_BYTES;
    mo_scan_count(scan, &PyFloat_Type, n, bytes);
    return (numbers){.count = (Py_ssize_t)n, .bytes = bytes};
}

/* Adds a row, of what goes with it, to the finding. */
static void
count_matrix_row(mo_scan *scan, PyObject *row, bool owned, size_t at)
{
    if (!mo_scan_meets(scan, row)) {
        return;
    }
    size_t bytes = mo_object_bytes(row);
    mo_scan_count(scan, Py_TYPE(row), 1, bytes);
    numbers found = meet_row(scan, row, owned);
    if (Py_REFCNT(row) != 1 || scan->out_of_memory) {
        return;
    }
    scan->rows[at].now += bytes + found.bytes;
    if (found.is_shared) {
        count_references(scan, items_of(row), Py_SIZE(row), &scan->rows[at]);
    }
}

static void
count_matrix(mo_scan *scan, PyObject *list, uint32_t node, size_t bytes,
             bool owned)
{
    Py_ssize_t rows = PyList_GET_SIZE(list);
    PyObject *first = PyList_GET_ITEM(list, 0);
    size_t floats = (size_t)rows * (size_t)Py_SIZE(first);
    /* The type is that of the rows: tuples become mutable. */
    mo_row *row = mo_scan_row(scan, MO_MATRIX, node, Py_TYPE(first), list);
    if (row == NULL) {
        return;
    }
    row->count++;
    row->items += floats;
    row->now += bytes;
    row->after += MATRIX_BYTES + mo_rounded(8 * floats);
    size_t at = (size_t)(row - scan->rows);
    for (Py_ssize_t i = 0; i < rows && !scan->out_of_memory; i++) {
        count_matrix_row(scan, PyList_GET_ITEM(list, i), owned, at);
    }
}

/* Whether a sequence of numbers is to be told as one. */
static bool
is_worth_swapping(PyObject *sequence, numbers found)
{
    bool gains =
        found.bytes != 0 || found.is_shared || found.shape == PROGRESSION;
    return found.count == Py_SIZE(sequence) && found.shape != OTHER_INTS &&
           (gains || PyTuple_CheckExact(sequence) || !mo_has_slack(sequence));
}

static numbers
find_numbers(mo_scan *scan, PyObject *sequence)
{
    PyObject **items = items_of(sequence);
    Py_ssize_t n = Py_SIZE(sequence);
    if (n == 0 || items[0] == NULL) {
        return (numbers){0};
    }
    return PyFloat_CheckExact(items[0])  ? meet_floats(scan, items, n)
           : PyLong_CheckExact(items[0]) ? meet_ints(scan, items, n)
                                         : (numbers){0};
}

Py_ssize_t
mo_find_in_sequence(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    bool is_list = PyList_CheckExact(obj), owned = true;
    if (is_list && is_matrix(obj, &owned)) {
        count_matrix(scan, obj, node, bytes, owned);
        return Py_SIZE(obj);
    }
    if (!is_list && Py_SIZE(obj) != 0) {
        mo_find_equal_tuples(scan, obj, node, bytes);
    }
    numbers found = find_numbers(scan, obj);
    if (scan->out_of_memory) {
        return found.count;
    }
    if (found.count != 0 && is_worth_swapping(obj, found)) {
        count_numbers(scan, obj, node, bytes, found);
    }
    else if (is_list) { /* else told with its numbers */
        mo_find_slack(scan, obj, node, bytes);
    }
    return found.count;
}
