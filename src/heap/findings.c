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

/* In the value of a content: somebody repeats what another row has. */
#define LENT (UINT32_C(1) << 31)

static void
lend(mo_scan *scan, const mo_candidate *candidate, uint32_t owner)
{
    uint64_t key = (uint64_t)candidate->row << 32 | owner;
    uint32_t *number = mo_table_value(&scan->loan_index, key);
    mo_loan *loans = mo_scan_make_room(scan, scan->loans, scan->n_loans,
                                       &scan->loans_capacity, sizeof(mo_loan));
    if (number == NULL || loans == NULL) {
        scan->out_of_memory = true;
        return;
    }
    scan->loans = loans;
    if (*number == 0) {
        loans[scan->n_loans++] = (mo_loan){candidate->row, owner, 0, 0};
        *number = (uint32_t)scan->n_loans;
    }
    loans[*number - 1].contents++;
    loans[*number - 1].bytes += candidate->bytes;
}

static void
settle(mo_scan *scan, const mo_candidate *candidate)
{
    uint32_t *first = mo_table_value(&scan->contents, candidate->hash);
    if (first == NULL) {
        scan->out_of_memory = true;
        return;
    }
    mo_row *row = &scan->rows[candidate->row];
    if (*first == 0) {
        *first = candidate->row + 1;
        row->after += candidate->bytes;
        return;
    }
    row->items++;
    if (!(*first & LENT) && *first != candidate->row + 1) {
        lend(scan, candidate, *first - 1);
        *first |= LENT;
    }
}

/* Counts an object, and says later whether it repeats another; its row, or NULL
 * without memory. */
static mo_row *
count_duplicates(mo_scan *scan, mo_kind kind, PyObject *obj, uint32_t node,
                 size_t bytes, uint64_t hash)
{
    mo_row *row = mo_scan_row(scan, kind, node, Py_TYPE(obj), obj);
    if (row == NULL) {
        return NULL;
    }
    row->count++;
    row->now += bytes;
    mo_candidate *slot = &scan->candidates[scan->n_candidates % MO_CANDIDATES];
    if (scan->n_candidates++ >= MO_CANDIDATES) {
        settle(scan, slot);
    }
    *slot = (mo_candidate){hash, bytes, (uint32_t)(row - scan->rows)};
    mo_table_prefetch(&scan->contents, hash);
    return row;
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

static uint64_t
distinct(const mo_row *row)
{
    return row->count - row->items;
}

/* What a pool, or a dict, of the contents of a row takes, and of `more`. */
static uint64_t
holder_bytes(const mo_row *row, uint64_t more)
{
    uint64_t n = distinct(row) + row->elsewhere + more;
    return row->kind == MO_STRINGS ? n * POOL_ENTRY_BYTES
                                   : mo_dict_bytes((size_t)n, false);
}

/* Whether it is a finding of its own, so that all it has will be in the pool. */
static bool
is_pooled(const mo_row *row, uint64_t min_saving)
{
    return row->items != 0 && mo_row_saves(row, min_saving);
}

/* What others elsewhere equal can only be shared with them if those, too, all go
 * through the pool; else one of each stays. */
static void
settle_loan(mo_scan *scan, const mo_loan *loan, uint64_t min_saving)
{
    mo_row *row = &scan->rows[loan->row], *owner = &scan->rows[loan->owner];
    if (owner->is_paid) {
        return;
    }
    if (is_pooled(owner, min_saving)) {
        row->is_shared |= loan->bytes >= min_saving;
        owner->is_shared |= loan->bytes >= min_saving;
        return;
    }
    const uint64_t alone = holder_bytes(row, 0);
    const uint64_t together = holder_bytes(row, distinct(owner)) - alone;
    const uint64_t apart =
        holder_bytes(row, loan->contents) - alone + loan->bytes;
    if (apart <= together) {
        row->items -= loan->contents;
        row->after += apart;
        return;
    }
    row->elsewhere += distinct(owner);
    row->after += together;
    owner->is_paid = mo_row_saves(row, min_saving);
}

void
mo_find_holders(mo_scan *scan, uint64_t min_saving)
{
    for (size_t i = 0; i < scan->n_rows; i++) {
        mo_row *row = &scan->rows[i];
        bool can_repeat = row->kind == MO_STRINGS || row->kind == MO_BYTES ||
                          row->kind == MO_TUPLES;
        if (can_repeat && row->items != 0) { /* else nobody would swap */
            row->after += holder_bytes(row, 0);
        }
    }
    for (size_t i = 0; i < scan->n_loans; i++) {
        settle_loan(scan, &scan->loans[i], min_saving);
    }
}

void
mo_find_duplicates(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    uint64_t hash = mo_content_hash(obj);
    if (PyBytes_Check(obj)) {
        (void)count_duplicates(scan, MO_BYTES, obj, node, bytes, hash);
        return;
    }
    mo_row *row = count_duplicates(scan, MO_STRINGS, obj, node, bytes, hash);
    uint64_t length = (uint64_t)PyUnicode_GET_LENGTH(obj);
    if (row != NULL && length > row->longest) {
        row->longest = length;
    }
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

/* The bytes of a number that only one object refers to. */
static size_t
own_number_bytes(PyObject *obj)
{
    bool is_number = PyFloat_CheckExact(obj) || PyLong_CheckExact(obj);
    return is_number && Py_REFCNT(obj) == 1 ? mo_object_bytes(obj) : 0;
}

/* The numbers in a tuple go with it; the strings are findings of their own. */
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
        bytes += own_number_bytes(PyTuple_GET_ITEM(tuple, i));
    }
    (void)count_duplicates(scan, MO_TUPLES, tuple, node, bytes, hash);
}

/* ---- room ------------------------------------------------------------- */

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
    size_t bytes;   /* of those that nothing else refers to */
    bool is_shared; /* others than CPython's own have several references */
    int_shape shape;
} numbers;

/* More references than this are CPython's own of small ints, or not worth the memory
 * to count: to one number. */
#define MOST_REFERENCES UINT16_MAX

static inline bool
may_be_counted(PyObject *number)
{
    return Py_REFCNT(number) != 1 && Py_REFCNT(number) <= MOST_REFERENCES;
}

/* Adds a number to those that a sequence has. */
static inline void
meet_number(mo_scan *scan, PyObject *number, size_t bytes, numbers *found,
            size_t *met, size_t *met_bytes)
{
    bool is_own = Py_REFCNT(number) == 1;
    bool is_new = is_own || mo_scan_meets(scan, number);
    *met += is_new;
    *met_bytes += is_new ? bytes : 0;
    found->bytes += is_own ? bytes : 0;
    found->is_shared |= may_be_counted(number);
}

static numbers
meet_floats(mo_scan *scan, PyObject **items, Py_ssize_t n)
{
    numbers floats = {.shape = INT64S};
    size_t met = 0, bytes = 0;
    Py_ssize_t i = 0;
    for (; i < n && items[i] != NULL && PyFloat_CheckExact(items[i]); i++) {
        meet_number(scan, items[i], MO_FLOAT_BYTES, &floats, &met, &bytes);
    }
    if (met != 0) {
        mo_scan_count(scan, &PyFloat_Type, met, bytes);
    }
    floats.count = i;
    return floats;
}

static numbers
meet_ints(mo_scan *scan, PyObject **items, Py_ssize_t n)
{
    numbers ints = {.shape = n >= LEAST_PROGRESSION ? PROGRESSION : INT64S};
    size_t met = 0, bytes = 0;
    uint64_t last = 0, step = 0;
    Py_ssize_t i = 0;
    for (; i < n && items[i] != NULL && PyLong_CheckExact(items[i]); i++) {
        meet_number(scan, items[i], mo_int_bytes(items[i]), &ints, &met,
                    &bytes);
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
        mo_scan_count(scan, &PyLong_Type, met, bytes);
    }
    ints.count = i;
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
    for (Py_ssize_t i = 0; i < n && number < UINT16_MAX; i++) {
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

/* Whether a list's items are lists, or tuples, of equally many floats, most of
 * which nothing else refers to: others stay beside a copy of what they hold. */
static bool
is_matrix(PyObject *list, bool *owned)
{
    Py_ssize_t n = PyList_GET_SIZE(list), own = 0;
    PyObject *first = n >= 2 ? PyList_GET_ITEM(list, 0) : NULL;
    if (first == NULL ||
        !(PyList_CheckExact(first) || PyTuple_CheckExact(first)) ||
        Py_SIZE(first) == 0) {
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *row = PyList_GET_ITEM(list, i);
        if (!is_row_of_floats(row, Py_TYPE(first), Py_SIZE(first), owned)) {
            return false;
        }
        own += Py_REFCNT(row) == 1;
    }
    return own > n / 2;
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
           (gains || PyTuple_CheckExact(sequence) ||
            !has_slack(sequence, (size_t)found.count));
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
        find_equal_tuples(scan, obj, node, bytes);
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

/* ---- containers and instances -------------------------------------------- */

static size_t
length_of(PyObject *obj)
{
    return PyList_CheckExact(obj)   ? (size_t)PyList_GET_SIZE(obj)
           : PyDict_CheckExact(obj) ? (size_t)((PyDictObject *)obj)->ma_used
                                    : (size_t)((PySetObject *)obj)->used;
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
                              ? mo_dict_bytes(length, mo_has_str_keys(obj))
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
        /* Two pointers of the collector's, one for each attribute; none for weak
         * references, where those are not the collector's, too. */
        size_t weak = type->tp_weaklistoffset > 0 ? sizeof(PyObject *) : 0;
        row->after += mo_rounded((size_t)type->tp_basicsize - weak +
                                 (2 + names) * sizeof(PyObject *));
    }
}
