/* bulk.c - many strings at a time: intern_list() and intern_many().
 *
 * A lookup waits for memory up to four times: for the string, its slot, the
 * entry, and the resident to compare with.  Here each of these steps is done
 * for a block of strings before the next step, each fetching what the next
 * will read, so that the waits overlap. */
#include "internpool/internal.h"

/* Strings of an iterator that exist twice for a while. */
#define STRINGS_TWICE 32

/* Signals are looked at after so many blocks: some milliseconds. */
#define BLOCKS_BETWEEN_SIGNALS 2048

static bool
is_too_long(const mo_shards *shards, PyObject *string)
{
    return MO_UNLIKELY(mo_shards_is_too_long(shards, string));
}

/* Strings that are looked up together, those of a shard after each other. */
typedef struct {
    PyObject *const *string;   /* borrowed */
    PyObject **kept;           /* borrowed: what is to be used instead */
    uint64_t hash[MO_STRINGS]; /* 0 of what is too long */
    uint32_t
        index[MO_STRINGS]; /* of an entry that may be it, or MO_NO_ENTRY */
#if MO_FREE_THREADED
    uint16_t order[MO_STRINGS]; /* which string is looked up as the i-th */
#endif
} lookups;

static inline int
nth(const lookups *block, int i)
{
#if MO_FREE_THREADED
    return block->order[i];
#else
    return i;
#endif
}

/* Where there is no lock, slots are fetched already. */
static void
hash_strings(const mo_shards *shards, lookups *block, int n)
{
    for (int i = 0; i < n; i++) {
        if (is_too_long(shards, block->string[i])) {
            block->hash[i] = 0;
            continue;
        }
        block->hash[i] = mo_hash_str(shards->key, block->string[i]);
        if (!MO_FREE_THREADED) {
            mo_table_fetch_slot(&shards->shard[0].pool.table, block->hash[i]);
        }
    }
}

static void
fetch_residents_lock_held(const mo_table *table, lookups *block, int from,
                          int end)
{
    for (int i = from; MO_FREE_THREADED && i < end; i++) {
        mo_table_fetch_slot(table, block->hash[nth(block, i)]);
    }
    for (int i = from; i < end; i++) {
        block->index[i] =
            mo_table_fetch_entry(table, block->hash[nth(block, i)]);
    }
    for (int i = from; i < end; i++) {
        mo_table_fetch_string(table, block->index[i]);
    }
}

/* Looks up strings of one shard until it cannot go on; where it ends. */
static int
intern_some_lock_held(const mo_shards *shards, mo_pool *pool, lookups *block,
                      int from, int end, mo_victims *victims)
{
    fetch_residents_lock_held(&pool->table, block, from, end);
    for (int i = from; i < end; i++) {
        const int at = nth(block, i);
        PyObject *string = block->string[at];
        block->kept[at] =
            is_too_long(shards, string)
                ? mo_pool_bypass_lock_held(pool, string)
                : mo_pool_intern_at_lock_held(pool, string, block->hash[at],
                                              block->index[i], victims);
        if (MO_UNLIKELY(block->kept[at] == NULL)) {
            return i;
        }
    }
    return end;
}

/* Looks up strings of one shard; ends early if memory runs out. */
static int
intern_in_shard(mo_shards *shards, lookups *block, int from, int end,
                mo_victims *victims)
{
    const uint64_t hash = block->hash[nth(block, from)];
    mo_pool *pool;
    do {
        pool = mo_shards_enter(shards, hash, victims);
        from = intern_some_lock_held(shards, pool, block, from, end, victims);
    } while (mo_shards_leave(shards, pool, victims));
    return from;
}

#if MO_FREE_THREADED

/* Sorts by shard: ends[i] is where those of shard i end. */
static void
sort_by_shard(const mo_shards *shards, lookups *block, int n,
              int ends[MO_MAX_SHARDS])
{
    int next[MO_MAX_SHARDS] = {0};
    for (int i = 0; i < n; i++) {
        next[mo_shards_which(shards, block->hash[i])]++;
    }
    for (int i = 0, begin = 0; i < MO_MAX_SHARDS; i++) {
        ends[i] = begin + next[i];
        next[i] = begin;
        begin = ends[i];
    }
    for (int i = 0; i < n; i++) {
        int which = (int)mo_shards_which(shards, block->hash[i]);
        block->order[next[which]++] = (uint16_t)i;
    }
}

/* Looks up all strings; ends early if memory runs out. */
static int
intern_in_shards(mo_shards *shards, lookups *block, int n, mo_victims *victims)
{
    int done = 0, ends[MO_MAX_SHARDS];
    sort_by_shard(shards, block, n, ends);
    for (int i = 0; i < MO_MAX_SHARDS; i++) {
        if (done < ends[i]) {
            done = intern_in_shard(shards, block, done, ends[i], victims);
        }
        if (done < ends[i]) {
            break;
        }
    }
    return done;
}

#else

static int
intern_in_shards(mo_shards *shards, lookups *block, int n, mo_victims *victims)
{
    return intern_in_shard(shards, block, 0, n, victims);
}

#endif

int
mo_intern_strings(PyObject *op, PyObject *const *strings, int n,
                  PyObject **kept)
{
    mo_shards *shards = mo_shards_of(op);
    lookups block;
    mo_victims victims;
    assert(n > 0 && n <= MO_STRINGS);
    mo_victims_init(&victims);
    block.string = strings;
    block.kept = kept;
    hash_strings(shards, &block, n);
    int done = intern_in_shards(shards, &block, n, &victims);
    mo_victims_release(&victims);
    if (MO_LIKELY(done == n)) {
        return 0;
    }
    while (done-- > 0) {
        Py_DECREF(kept[nth(&block, done)]);
    }
    PyErr_NoMemory();
    return -1;
}

/* --- lists ---------------------------------------------------------------- */

/* Strings of a list. */
typedef struct {
    int count;
    Py_ssize_t position[MO_STRINGS];
    PyObject *string[MO_STRINGS]; /* borrowed with a GIL, else owned */
} block;

/* Takes the strings among n <= MO_STRINGS items from `start` on. */
static int
take_strings_lock_held(PyObject **items, Py_ssize_t start, int n, block *taken)
{
    for (Py_ssize_t i = start; i < start + n; i++) {
        if (!PyUnicode_CheckExact(items[i])) {
            continue;
        }
        if (MO_STR_READY(items[i]) < 0) {
            return -1;
        }
        MO_KEEP(items[i]);
        taken->position[taken->count] = i;
        taken->string[taken->count++] = items[i];
    }
    return 0;
}

/* Takes the strings from `start` on, as many items as a block has and there are
 * below `stop`, and begins to fetch the next ones. */
static int
take_block_lock_held(PyObject *list, Py_ssize_t start, Py_ssize_t stop,
                     block *taken)
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
    return take_strings_lock_held(items, start, n, taken);
}

/* Strings that others have replaced, to be released after unlocking. */
typedef struct {
    int count;
    PyObject *string[MO_STRINGS];
} leftovers;

/* Puts what is to be kept where strings still are. */
static void
replace_strings_lock_held(PyObject *list, const block *taken,
                          PyObject *const *kept, leftovers *left)
{
    PyObject **items = PySequence_Fast_ITEMS(list);
    for (int i = 0; i < taken->count; i++) {
        const Py_ssize_t position = taken->position[i];
        PyObject *string = taken->string[i];
        if (kept[i] == string ||
            (MO_FREE_THREADED && (position >= PyList_GET_SIZE(list) ||
                                  items[position] != string))) {
            Py_DECREF(kept[i]); /* at worst a str dies: no code runs */
        }
        else {
            MO_STORE_POINTER(&items[position], kept[i]);
            left->string[left->count++] = string;
        }
    }
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
    PyObject *kept[MO_STRINGS];
    block taken;
    leftovers left;
    taken.count = left.count = 0;
    MO_BEGIN_CRITICAL_SECTION(list);
    status = take_block_lock_held(list, start, stop, &taken);
    MO_END_CRITICAL_SECTION();
    if (status < 0 || taken.count == 0) {
        return status;
    }
    status = mo_intern_strings(op, taken.string, taken.count, kept);
    if (status == 0) {
        counts->seen += (uint64_t)taken.count;
        MO_BEGIN_CRITICAL_SECTION(list);
        replace_strings_lock_held(list, &taken, kept, &left);
        MO_END_CRITICAL_SECTION();
    }
    for (int i = 0; MO_FREE_THREADED && i < taken.count; i++) {
        MO_LET_GO(taken.string[i]);
    }
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
        if (++n == done + STRINGS_TWICE) {
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
