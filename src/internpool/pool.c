/* pool.c - see pool.h for what a pool promises and who locks. */
#include "internpool/pool.h"

/* Debug builds check small pools after every change, and large ones never
 * here: that would make each change O(entries). */
#define MO_CHECK_POOL(pool) \
    MO_CHECK((pool)->table.used > 64 || mo_pool_fault(pool) == NULL)

void
mo_pool_init(mo_pool *pool, const mo_hash_key *key,
             const mo_pool_options *options)
{
    *pool = (mo_pool){
        .key = key,
        .gate = {.adaptive = options->adaptive},
        .max_bytes = options->max_bytes,
        .max_length = options->max_length,
        .policy = options->policy,
        .max_entries = options->max_entries,
    };
    mo_table_init(&pool->table, key);
    mo_queues_init(&pool->queues);
}

void
mo_pool_free(mo_pool *pool)
{
    mo_table_free(&pool->table);
    mo_ghost_free(&pool->ghost);
    mo_queues_init(&pool->queues);
    pool->bytes = pool->pinned_bytes = 0;
}

PyObject *
mo_pool_bypass_lock_held(mo_pool *pool, PyObject *string)
{
    pool->bypassed++;
    return Py_NewRef(string);
}

/* --- making room ------------------------------------------------------ */

static void
collect(mo_victims *victims, PyObject *string)
{
    const int most = sizeof victims->string / sizeof victims->string[0];
    if (victims->count == most) {
        /* Rare, and safe though locked: no code runs when a str dies. */
        mo_victims_release(victims);
    }
    victims->string[victims->count++] = string;
}

/* Takes an entry that is in no queue out of the table. */
static void
drop(mo_pool *pool, uint32_t index, uint64_t hash, mo_victims *victims)
{
    PyObject *string = mo_table_remove(&pool->table, index, hash);
    pool->bytes -= mo_str_size(string);
    collect(victims, string);
}

static void
evict(mo_pool *pool, mo_victims *victims)
{
    mo_entry *entries = pool->table.entries;
    uint32_t index = mo_policy_evict(pool->policy, &pool->queues, entries);
    uint64_t hash = mo_hash_str(pool->key, entries[index].string);
    if (entries[index].queue == MO_PROBATION) {
        mo_ghost_remember(&pool->ghost, hash);
    }
    drop(pool, index, hash, victims);
}

static bool
fits(const mo_pool *pool, uint32_t entries, size_t bytes)
{
    return pool->table.count <= pool->max_entries - entries &&
           pool->bytes <= pool->max_bytes - bytes;
}

/* Evicts until `entries` more, of `bytes` together, are within the bounds. */
static void
make_room(mo_pool *pool, uint32_t entries, size_t bytes, mo_victims *victims)
{
    while (!fits(pool, entries, bytes)) {
        evict(pool, victims);
        pool->evictions++;
    }
}

/* Whether one more string of this size, or a larger one in place of a smaller
 * one, would leave what is pinned alone. */
static bool
can_make_room(const mo_pool *pool, size_t size)
{
    return pool->queues.queue[MO_PINNED].count < pool->max_entries &&
           size <= pool->max_bytes &&
           pool->pinned_bytes <= pool->max_bytes - size;
}

static bool
is_too_large(const mo_pool *pool, size_t size)
{
    return size > pool->max_bytes / MO_LARGEST_SHARE;
}

/* --- admission -------------------------------------------------------- */

/* "" and one-character Latin-1 strings: CPython's own copy, whatever the
 * argument.  Counted as hits, since that copy was there. */
static PyObject *
singleton_lock_held(mo_pool *pool, PyObject *string)
{
    PyObject *kept =
        PyUnicode_GET_LENGTH(string) == 0
            ? PyUnicode_New(0, 0)
            : PyUnicode_FromOrdinal((int)PyUnicode_READ_CHAR(string, 0));
    if (kept != NULL) {
        mo_pool_count_outsider_lock_held(pool, true);
    }
    return kept;
}

/* All the memory that admitting one string can take. */
static int
reserve(mo_pool *pool, bool full)
{
    mo_table *table = &pool->table;
    if (table->count < pool->max_entries &&
        mo_table_reserve(table, pool->max_entries) < 0) {
        return -1;
    }
    if (full && pool->ghost.size < table->count &&
        (pool->policy == MO_S3FIFO || pool->gate.adaptive)) {
        return mo_ghost_reserve(&pool->ghost, table->count, table->capacity);
    }
    return 0;
}

/* Whether the data of late is such that a new string may not come in. */
static bool
is_kept_out(mo_pool *pool)
{
    uint64_t calls = pool->hits + pool->misses + pool->bypassed;
    uint64_t repeats = pool->hits - pool->singletons + pool->recalled;
    return mo_gate_is_closed(&pool->gate, calls, repeats);
}

/* Whether a string is kept out at a glance: all entries are taken, the window
 * that found the gate to be closed has not ended, and the ghost did not know
 * the string; now it does.  A third less work than finding that out below, for
 * data whose every string comes this way. */
static bool
is_turned_away(mo_pool *pool, uint64_t hash)
{
    uint64_t calls = pool->hits + pool->misses + pool->bypassed;
    if (!pool->gate.closed || pool->table.count < pool->max_entries ||
        calls - pool->gate.calls >= MO_GATE_WINDOW || pool->ghost.size == 0) {
        return false;
    }
    uint16_t *place = mo_ghost_place(&pool->ghost, hash);
    uint16_t fingerprint = mo_ghost_fingerprint(hash);
    bool known = *place == fingerprint;
    *place = fingerprint;
    return !known;
}

/* Makes a string resident for which memory was reserved and that fits. */
static uint32_t
insert(mo_pool *pool, PyObject *string, uint64_t hash, bool recalled)
{
    uint32_t index = mo_table_insert(&pool->table, string, hash);
    mo_policy_admit(pool->policy, &pool->queues, pool->table.entries, index,
                    recalled);
    pool->bytes += mo_str_size(string);
    return index;
}

MO_NOINLINE PyObject *
mo_pool_admit_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                        mo_victims *victims)
{
    if (mo_str_is_singleton(string)) {
        return singleton_lock_held(pool, string);
    }
    if (is_turned_away(pool, hash)) {
        return mo_pool_bypass_lock_held(pool, string);
    }
    size_t size = mo_str_size(string);
    if (is_too_large(pool, size) || !can_make_room(pool, size)) {
        return mo_pool_bypass_lock_held(pool, string);
    }
    bool full = !fits(pool, 1, size);
    if (reserve(pool, full) < 0) {
        return NULL;
    }
    /* Before room is made, which might overwrite what the ghost knows. */
    bool recalled = mo_ghost_recall(&pool->ghost, hash);
    pool->recalled += recalled;
    if (full && !recalled && is_kept_out(pool)) {
        mo_ghost_remember(&pool->ghost, hash);
        return mo_pool_bypass_lock_held(pool, string);
    }
    pool->misses++;
    make_room(pool, 1, size, victims);
    insert(pool, string, hash, recalled);
    MO_CHECK_POOL(pool);
    return Py_NewRef(string);
}

MO_NOINLINE PyObject *
mo_pool_admit_text_lock_held(mo_pool *pool, const mo_text *text, uint64_t hash,
                             mo_victims *victims)
{
    PyObject *string = mo_text_as_str(text); /* runs no Python code */
    if (string == NULL) {
        return NULL;
    }
    PyObject *result = mo_pool_admit_lock_held(pool, string, hash, victims);
    Py_DECREF(string);
    return result ? result : PyErr_NoMemory();
}

PyObject *
mo_pool_discard_lock_held(mo_pool *pool, PyObject *string, uint64_t hash)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    if (index == MO_NO_ENTRY) {
        return NULL;
    }
    bool pinned = pool->table.entries[index].queue == MO_PINNED;
    mo_queues_remove(&pool->queues, pool->table.entries, index);
    PyObject *resident = mo_table_remove(&pool->table, index, hash);
    pool->bytes -= mo_str_size(resident);
    pool->pinned_bytes -= pinned ? mo_str_size(resident) : 0;
    MO_CHECK_POOL(pool);
    return resident;
}

/* --- pins ------------------------------------------------------------- */

mo_pin_result
mo_pool_pin_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                      mo_victims *victims, PyObject **resident)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    if (index == MO_NO_ENTRY) {
        size_t size = mo_str_size(string);
        if (!can_make_room(pool, size)) {
            return MO_PIN_NO_ROOM;
        }
        if (reserve(pool, !fits(pool, 1, size)) < 0) {
            return MO_PIN_NO_MEMORY;
        }
        pool->misses++;
        make_room(pool, 1, size, victims);
        index = insert(pool, string, hash, false);
        *resident = Py_NewRef(string);
    }
    else {
        *resident = mo_pool_visit_lock_held(pool, index);
    }
    mo_entry *entries = pool->table.entries;
    if (entries[index].queue != MO_PINNED) {
        mo_queues_remove(&pool->queues, entries, index);
        mo_queues_append(&pool->queues, entries, index, MO_PINNED);
        pool->pinned_bytes += mo_str_size(*resident);
    }
    MO_CHECK_POOL(pool);
    return MO_PIN_DONE;
}

bool
mo_pool_unpin_lock_held(mo_pool *pool, PyObject *string, uint64_t hash)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    mo_entry *entries = pool->table.entries;
    if (index == MO_NO_ENTRY || entries[index].queue != MO_PINNED) {
        return false;
    }
    mo_queues_remove(&pool->queues, entries, index);
    mo_queues_append(&pool->queues, entries, index, MO_MAIN);
    pool->pinned_bytes -= mo_str_size(entries[index].string);
    MO_CHECK_POOL(pool);
    return true;
}

/* --- shrinking -------------------------------------------------------- */

/* Moves the last entries into the holes before them and frees the rest. */
static void
compact(mo_pool *pool)
{
    mo_table *table = &pool->table;
    uint32_t hole = 0;
    for (uint32_t from = table->count; from < table->used; from++) {
        if (table->entries[from].string == NULL) {
            continue;
        }
        while (table->entries[hole].string != NULL) {
            hole++;
        }
        mo_table_move(table, from, hole);
        mo_queues_moved(&pool->queues, table->entries, hole);
    }
    mo_table_trim(table);
    mo_ghost_free(&pool->ghost); /* made anew, of the size then needed */
}

int
mo_pool_resize_lock_held(mo_pool *pool, uint32_t max_entries, size_t max_bytes,
                         mo_victims *victims)
{
    if (pool->queues.queue[MO_PINNED].count > max_entries ||
        pool->pinned_bytes > max_bytes) {
        return -1;
    }
    pool->max_entries = max_entries;
    pool->max_bytes = max_bytes;
    make_room(pool, 0, 0, victims);
    compact(pool);
    MO_CHECK_POOL(pool);
    return 0;
}

/* Removes from one queue what nobody else holds, while more than max_bytes
 * are left; how many. */
static uint32_t
trim_unused(mo_pool *pool, const mo_queue *queue, size_t max_bytes,
            mo_victims *victims)
{
    mo_entry *entries = pool->table.entries;
    uint32_t removed = 0;
    for (uint32_t i = queue->head, next;
         i != MO_NO_ENTRY && pool->bytes > max_bytes; i = next) {
        next = entries[i].next;
        if (Py_REFCNT(entries[i].string) == 1) {
            uint64_t hash = mo_hash_str(pool->key, entries[i].string);
            mo_queues_remove(&pool->queues, entries, i);
            drop(pool, i, hash, victims);
            removed++;
        }
    }
    return removed;
}

uint32_t
mo_pool_trim_lock_held(mo_pool *pool, bool unused_only, size_t max_bytes,
                       mo_victims *victims)
{
    const mo_queue *probation = &pool->queues.queue[MO_PROBATION];
    const mo_queue *main = &pool->queues.queue[MO_MAIN];
    uint32_t removed = 0;
    if (unused_only) {
        removed += trim_unused(pool, probation, max_bytes, victims);
        removed += trim_unused(pool, main, max_bytes, victims);
    }
    else {
        for (; pool->bytes > max_bytes && probation->count + main->count > 0;
             removed++) {
            evict(pool, victims);
        }
    }
    compact(pool);
    MO_CHECK_POOL(pool);
    return removed;
}

void
mo_pool_take_lock_held(mo_pool *pool, mo_table *taken)
{
    *taken = pool->table;
    mo_table_init(&pool->table, pool->key);
    pool->table.tag_mask = taken->tag_mask;
    mo_queues_init(&pool->queues);
    mo_ghost_free(&pool->ghost);
    pool->bytes = pool->pinned_bytes = 0;
}

/* --- counts and checks ------------------------------------------------ */

void
mo_pool_reset_counts_lock_held(mo_pool *pool)
{
    pool->hits = 0;
    pool->misses = 0;
    pool->bypassed = 0;
    pool->evictions = 0;
    pool->bytes_saved = 0;
    pool->recalled = 0;
    pool->singletons = 0;
    mo_gate_reset(&pool->gate);
}

uint64_t
mo_pool_live_saved_lock_held(const mo_pool *pool)
{
    uint64_t saved = 0;
    for (uint32_t i = 0; i < pool->table.used; i++) {
        PyObject *string = pool->table.entries[i].string;
        /* One reference is the pool's, and one copy there would be anyway. */
        if (string != NULL && Py_REFCNT(string) > 2 &&
            !MO_IS_IMMORTAL(string)) {
            saved += (uint64_t)(Py_REFCNT(string) - 2) * mo_str_size(string);
        }
    }
    return saved;
}

size_t
mo_pool_nbytes(const mo_pool *pool)
{
    return mo_table_nbytes(&pool->table) + mo_ghost_nbytes(&pool->ghost);
}

static const char *
residents_fault(const mo_pool *pool)
{
    size_t bytes = 0, pinned_bytes = 0;
    for (uint32_t i = 0; i < pool->table.used; i++) {
        const mo_entry *entry = &pool->table.entries[i];
        if (entry->string == NULL) {
            continue;
        }
        if (mo_pool_is_too_long(pool, entry->string)) {
            return "pool: a resident is longer than max_length";
        }
        if (mo_str_is_singleton(entry->string)) {
            return "pool: a singleton of CPython is resident";
        }
        if (entry->queue == MO_PROBATION && pool->policy == MO_LRU) {
            return "pool: a resident is on probation under LRU";
        }
        bytes += mo_str_size(entry->string);
        pinned_bytes +=
            entry->queue == MO_PINNED ? mo_str_size(entry->string) : 0;
    }
    return bytes == pool->bytes && pinned_bytes == pool->pinned_bytes
               ? NULL
               : "pool: bytes do not add up";
}

const char *
mo_pool_fault(const mo_pool *pool)
{
    const char *fault = mo_table_fault(&pool->table);
    fault = fault ? fault : mo_queues_fault(&pool->queues, &pool->table);
    fault = fault ? fault : residents_fault(pool);
    if (fault == NULL && pool->table.count > pool->max_entries) {
        fault = "pool: more residents than max_entries";
    }
    if (fault == NULL && pool->bytes > pool->max_bytes) {
        fault = "pool: more bytes than max_bytes";
    }
    if (fault == NULL &&
        (pool->ghost.fingerprints == NULL) != (pool->ghost.size == 0)) {
        fault = "pool: a ghost without places";
    }
    return fault;
}
