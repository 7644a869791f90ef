/* duplicates.c - see findings.h: equal strings, bytes and tuples.
 *
 * Contents are known by 48 bits of their hashes, which the scan owns, with the row of
 * the object that had each first in the other 16: one scan in 500 of a million contents
 * takes one for another.  What the swap needs beside the objects that stay, a pool or a
 * dict, is added in the end, when it is known which rows are worth swapping. */
#include "heap/findings.h"

#include "heap/layout.h"

#include <string.h>

/* What an InternPool that is not full takes for each string: 26 to 33. */
#define POOL_ENTRY_BYTES 32

/* ---- hashes -------------------------------------------------------------- */

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

/* ---- counting ------------------------------------------------------------ */

/* The note of a content is 1 + the row that had it first, or one of these: another
 * row has it on loan already; the first is one of more rows than notes can tell
 * apart, and in a table of its own. */
#define LENT MO_NOTES
#define LATE (MO_NOTES - 1)

static void
own(mo_scan *scan, const mo_candidate *candidate, uint64_t *content)
{
    const uint64_t key = candidate->hash & ~MO_NOTES;
    const uint64_t note = candidate->row + UINT64_C(1);
    *content = key | (note < LATE ? note : LATE);
    if (note >= LATE &&
        mo_table_add(&scan->late_owners, key, candidate->row) < 0) {
        scan->out_of_memory = true;
    }
}

/* The row that a content may be on loan from: the candidate's own if it is not. */
static inline uint32_t
lender(const mo_scan *scan, const mo_candidate *candidate, uint64_t content)
{
    const uint64_t note = content & MO_NOTES;
    if (MO_LIKELY(note < LATE)) {
        return (uint32_t)note - 1;
    }
    return note == LENT ? candidate->row
                        : mo_table_get(&scan->late_owners, content & ~MO_NOTES,
                                       candidate->row);
}

/* Out of line, as most repeat what their own row has. */
static MO_NOINLINE void
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
    mo_row *row = &scan->rows[candidate->row];
    uint64_t *first = mo_table_noted(&scan->contents, candidate->hash);
    if (first == NULL) {
        scan->out_of_memory = true;
    }
    else if (*first == 0) {
        own(scan, candidate, first);
        row->after += candidate->bytes;
    }
    else {
        row->items++;
        uint32_t owner = lender(scan, candidate, *first);
        if (owner != candidate->row) {
            *first |= LENT;
            lend(scan, candidate, owner);
        }
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

/* Characters from which on to keep the hash of a text. */
#define LONG_TEXT 1024

/* The hash of a str or bytes, which is not read for each of many tuples. */
static uint64_t
hash_text(mo_scan *scan, PyObject *text)
{
    Py_ssize_t length = PyBytes_Check(text) ? PyBytes_GET_SIZE(text)
                                            : PyUnicode_GET_LENGTH(text);
    if (length < LONG_TEXT) {
        return mo_content_hash(text);
    }
    mo_recent_text *slot =
        &scan->recent_texts[scramble((uintptr_t)text) % MO_RECENT_TEXTS];
    if (slot->text != text) {
        *slot = (mo_recent_text){text, mo_content_hash(text)};
    }
    return slot->hash;
}

/* Hashes an item of a tuple; false if it is not immutable for certain. */
static bool
hash_item(mo_scan *scan, PyObject *item, uint64_t *hash)
{
    if (item == NULL) {
        return false;
    }
    if ((PyUnicode_CheckExact(item) && MO_STR_IS_READY(item)) ||
        PyBytes_CheckExact(item)) {
        *hash = hash_text(scan, item);
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
void
mo_find_equal_tuples(mo_scan *scan, PyObject *tuple, uint32_t node,
                     size_t bytes)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    uint64_t hash = scramble((uint64_t)n ^ SEED_TUPLE), item;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!hash_item(scan, PyTuple_GET_ITEM(tuple, i), &item)) {
            return;
        }
        hash = scramble(hash ^ item);
        bytes += own_number_bytes(PyTuple_GET_ITEM(tuple, i));
    }
    (void)count_duplicates(scan, MO_TUPLES, tuple, node, bytes, hash);
}
