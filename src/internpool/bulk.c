/* bulk.c - many strings at a time: intern_list() and intern_many().
 *
 * A lookup waits for memory up to four times: for the string, its slot, the
 * entry, and the resident to compare with.  Here each of these steps is done
 * for a block of strings before the next step, each fetching what the next
 * will read, so that the waits overlap. */
#include "internpool/internal.h"

/* Signals are looked at after so many blocks: some milliseconds. */
#define BLOCKS_BETWEEN_SIGNALS 2048

static bool
is_too_long(const mo_pool *pool, PyObject *string)
{
    return MO_UNLIKELY(mo_pool_is_too_long(pool, string));
}

/* What the steps of a lookup hand on. */
typedef struct {
    uint64_t hash[MO_STRINGS]; /* unset for what is too long */
    uint32_t
        index[MO_STRINGS]; /* of an entry that may be it, or MO_NO_ENTRY */
} lookups;

static void
fetch_residents(const mo_pool *pool, PyObject *const *strings, int n,
                lookups *block)
{
    for (int i = 0; i < n; i++) {
        if (!is_too_long(pool, strings[i])) {
            block->hash[i] = mo_hash_str(pool->key, strings[i]);
            mo_table_fetch_slot(&pool->table, block->hash[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        block->index[i] =
            is_too_long(pool, strings[i])
                ? MO_NO_ENTRY
                : mo_table_fetch_entry(&pool->table, block->hash[i]);
    }
    for (int i = 0; i < n; i++) {
        mo_table_fetch_string(&pool->table, block->index[i]);
    }
}

int
mo_intern_strings_lock_held(mo_pool *pool, PyObject *const *strings, int n,
                            PyObject **kept, mo_victims *victims)
{
    lookups block;
    assert(n <= MO_STRINGS);
    fetch_residents(pool, strings, n, &block);
    for (int i = 0; i < n; i++) {
        kept[i] =
            is_too_long(pool, strings[i])
                ? mo_pool_bypass_lock_held(pool, strings[i])
                : mo_pool_intern_at_lock_held(pool, strings[i], block.hash[i],
                                              block.index[i], victims);
        if (MO_UNLIKELY(kept[i] == NULL)) {
            while (i-- > 0) {
                Py_DECREF(kept[i]); /* `strings` has it too, or the pool */
            }
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

int
mo_intern_strings(PyObject *op, PyObject *const *strings, int n,
                  PyObject **kept)
{
    int status;
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    status = mo_intern_strings_lock_held(mo_pool_of(op), strings, n, kept,
                                         &victims);
    MO_END_CRITICAL_SECTION();
    mo_victims_release(&victims);
    return status;
}

/* --- lists ---------------------------------------------------------------- */

/* Strings that others have replaced, to be released after unlocking. */
typedef struct {
    int count;
    PyObject *string[MO_STRINGS];
} leftovers;

/* Interns n <= MO_STRINGS items in place, and counts the strings that it sees.
 * 0, or -1 with an exception set. */
static int
intern_block_lock_held(mo_pool *pool, PyObject **items, int n,
                       mo_victims *victims, leftovers *left, uint64_t *seen)
{
    PyObject *strings[MO_STRINGS], *kept[MO_STRINGS], **place[MO_STRINGS];
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (!PyUnicode_CheckExact(items[i])) {
            continue;
        }
        if (MO_STR_READY(items[i]) < 0) {
            return -1;
        }
        place[count] = &items[i];
        strings[count++] = items[i];
    }
    if (count == 0) {
        return 0;
    }
    if (mo_intern_strings_lock_held(pool, strings, count, kept, victims) < 0) {
        return -1;
    }
    *seen += (uint64_t)count;
    for (int i = 0; i < count; i++) {
        if (kept[i] == strings[i]) {
            Py_DECREF(kept[i]);
        }
        else {
            MO_STORE_POINTER(place[i], kept[i]);
            left->string[left->count++] = strings[i];
        }
    }
    return 0;
}

/* Interns the items from `start` on, as many as a block has and there are
 * below `stop`, and begins to fetch the next ones. */
static int
intern_items_lock_held(mo_pool *pool, PyObject *list, Py_ssize_t start,
                       Py_ssize_t stop, mo_victims *victims, leftovers *left,
                       uint64_t *seen)
{
    PyObject **items = PySequence_Fast_ITEMS(list);
    if (stop > PyList_GET_SIZE(list)) {
        stop = PyList_GET_SIZE(list);
    }
    for (Py_ssize_t i = start + MO_STRINGS;
         i < start + 2 * MO_STRINGS && i < stop; i++) {
        mo_str_fetch(items[i]);
    }
    if (start >= stop) {
        return 0;
    }
    int n = stop - start < MO_STRINGS ? (int)(stop - start) : MO_STRINGS;
    return intern_block_lock_held(pool, items + start, n, victims, left, seen);
}

/* Releases what was replaced, and counts. */
static void
release_leftovers(leftovers *left, mo_intern_counts *counts)
{
    counts->replaced += (uint64_t)left->count;
    while (left->count > 0) {
        PyObject *string = left->string[--left->count];
        if (Py_REFCNT(string) == 1) {
            counts->bytes_freed += mo_str_size(string);
        }
        Py_DECREF(string);
    }
}

static int
intern_items(PyObject *op, PyObject *list, Py_ssize_t start, Py_ssize_t stop,
             mo_intern_counts *counts)
{
    int status;
    leftovers left;
    mo_victims victims;
    left.count = victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION2(op, list);
    status = intern_items_lock_held(mo_pool_of(op), list, start, stop,
                                    &victims, &left, &counts->seen);
    MO_END_CRITICAL_SECTION2();
    /* First: the pool's may be the last but one. */
    mo_victims_release(&victims);
    release_leftovers(&left, counts);
    return status;
}

int
mo_intern_list_items(PyObject *op, PyObject *list, Py_ssize_t start,
                     Py_ssize_t stop, mo_intern_counts *counts)
{
    /* Signal handlers may shorten the list. */
    for (int blocks = 1; start < stop && start < PyList_GET_SIZE(list);
         start += MO_STRINGS, blocks++) {
        if (intern_items(op, list, start, stop, counts) < 0 ||
            (blocks % BLOCKS_BETWEEN_SIGNALS == 0 &&
             PyErr_CheckSignals() < 0)) {
            return -1;
        }
    }
    return 0;
}

/* --- the methods --------------------------------------------------------- */

const char mo_internpool_intern_list_doc[] = PyDoc_STR(
    "intern_list($self, list, /)\n--\n\n"
    "Replace each str in a list, in place, by the one intern() gives.\n\n"
    "Returns how many items are other objects now.  Items that are no str, or of\n"
    "a subclass, stay as they are.  Several times faster than interning one by\n"
    "one, since the processor's waits for memory overlap.\n\n"
    "Raises TypeError unless `list` is a list.  MemoryError, or what a signal\n"
    "handler raises, ends the work early: every item is valid then, and those\n"
    "left are as they were.  O(len(list)).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> codes = 'oslo rome oslo oslo'.split()\n"
    ">>> pool.intern_list(codes), codes[0] is codes[2]\n"
    "(2, True)");

PyObject *
mo_internpool_intern_list(PyObject *op, PyObject *list)
{
    if (!PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError,
                     "intern_list() argument must be list, not %.200s; "
                     "intern_many() takes any iterable",
                     Py_TYPE(list)->tp_name);
        return NULL;
    }
    mo_intern_counts counts = {0};
    if (mo_intern_list_items(op, list, 0, PY_SSIZE_T_MAX, &counts) < 0) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(counts.replaced);
}

const char mo_internpool_intern_many_doc[] = PyDoc_STR(
    "intern_many($self, iterable, /)\n--\n\n"
    "A list of the items of any iterable, each str as intern() gives it.\n\n"
    "Items that are no str, or of a subclass, are in it as they are.  Of an\n"
    "iterator, at most 32 strings at a time exist twice.  Raises what iterating\n"
    "raises.  O(items).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> a, b, c = pool.intern_many(str(n // 2 * 10) for n in (2, 3, 4))\n"
    ">>> a is b, b, c\n"
    "(True, '10', '20')");

/* Appends items and interns them block by block.  0, or -1 with an exception
 * set. */
static int
extend_interned(PyObject *op, PyObject *list, PyObject *iterator)
{
    mo_intern_counts counts = {0};
    Py_ssize_t done = 0, n = 0;
    PyObject *item;
    while ((item = PyIter_Next(iterator)) != NULL) {
        int status = PyList_Append(list, item);
        Py_DECREF(item);
        if (status < 0) {
            return -1;
        }
        if (++n == done + MO_STRINGS) {
            if (mo_intern_list_items(op, list, done, n, &counts) < 0) {
                return -1;
            }
            done = n;
        }
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    return mo_intern_list_items(op, list, done, n, &counts) < 0 ? -1 : 0;
}

/* What exists as a whole already is copied whole: no str is made by that. */
static PyObject *
intern_sequence(PyObject *op, PyObject *sequence)
{
    mo_intern_counts counts = {0};
    PyObject *list = PySequence_List(sequence);
    if (list != NULL &&
        mo_intern_list_items(op, list, 0, PY_SSIZE_T_MAX, &counts) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

PyObject *
mo_internpool_intern_many(PyObject *op, PyObject *iterable)
{
    if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable)) {
        return intern_sequence(op, iterable);
    }
    PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    if (list != NULL && extend_interned(op, list, iterator) < 0) {
        Py_CLEAR(list);
    }
    Py_DECREF(iterator);
    return list;
}
