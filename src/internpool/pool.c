/* pool.c - see pool.h for what a pool promises and who locks. */
#include "internpool/pool.h"

/* Debug builds check small pools after every change, and large ones never
 * here: that would make each change O(entries). */
#define MO_CHECK_POOL(pool)             \
    MO_CHECK((pool)->table.used > 64 || \
             mo_pool_fault(pool, &(mo_tally){0}) == NULL)

void
mo_pool_init(mo_pool *pool, mo_bounds *bounds, const mo_hash_key *key,
             const mo_pool_options *options)
{
    *pool = (mo_pool){
        .bounds = bounds,
        .gate = {.adaptive = options->adaptive},
        .policy = options->policy,
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
}

PyObject *
mo_pool_bypass_lock_held(mo_pool *pool, PyObject *string)
{
    pool->counts.bypassed++;
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

/* Takes an entry that is in no queue out of the table; its size. */
static size_t
drop(mo_pool *pool, uint32_t index, uint64_t hash, mo_victims *victims)
{
    PyObject *string = mo_table_remove(&pool->table, index, hash);
    collect(victims, string);
    return mo_str_size(string);
}

/* Its size; its place is still taken. */
static size_t
evict(mo_pool *pool, mo_victims *victims)
{
    mo_entry *entries = pool->table.entries;
    uint32_t index = mo_policy_evict(pool->policy, &pool->queues, entries);
    uint64_t hash = mo_hash_str(pool->table.key, entries[index].string);
    if (entries[index].queue == MO_PROBATION) {
        mo_ghost_remember(&pool->ghost, hash);
    }
    return drop(pool, index, hash, victims);
}

void
mo_pool_evict_lock_held(mo_pool *pool, mo_victims *victims)
{
    mo_bounds_give(pool->bounds, 1, evict(pool, victims));
    MO_CHECK_POOL(pool);
}

/* Evicts until that gives a place of `size` bytes, and takes it; false, and
 * the others are to be asked, if nothing is left that could leave. */
static bool
make_room(mo_pool *pool, size_t size, mo_victims *victims)
{
    size_t entries = 0, bytes = 0;
    do {
        if (MO_FREE_THREADED && mo_pool_evictable(pool) == 0) {
            mo_bounds_give(pool->bounds, entries, bytes);
            victims->starved = true;
            victims->wanted = size;
            return false;
        }
        bytes += evict(pool, victims);
        entries++;
        pool->counts.evictions++;
    } while (!mo_bounds_exchange(pool->bounds, entries, bytes, size));
    return true;
}

static bool
is_too_large(const mo_pool *pool, size_t size)
{
    return size > pool->bounds->max_bytes / MO_LARGEST_SHARE;
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

/* All the memory that admitting one string can take; `full` if others have to
 * leave for it. */
static int
reserve(mo_pool *pool, bool full)
{
    mo_table *table = &pool->table;
    const uint32_t max_entries = pool->bounds->max_entries;
    if (table->count < max_entries &&
        mo_table_reserve(table, max_entries) < 0) {
        return -1;
    }
    if (full && pool->ghost.size < table->count &&
        (pool->policy == MO_S3FIFO || pool->gate.adaptive)) {
        return mo_ghost_reserve(&pool->ghost, table->count, table->capacity);
    }
    return 0;
}

static void
give_back(mo_pool *pool, bool full, size_t size)
{
    if (!full) {
        mo_bounds_give(pool->bounds, 1, size);
    }
}

/* Whether the data of late is such that a new string may not come in. */
static bool
is_kept_out(mo_pool *pool)
{
    const mo_counts *counts = &pool->counts;
    uint64_t calls = counts->hits + counts->misses + counts->bypassed;
    uint64_t repeats = counts->hits - counts->singletons + counts->recalled;
    return mo_gate_is_closed(&pool->gate, calls, repeats);
}

/* Whether a string is kept out at a glance: all entries are taken, the window
 * that found the gate to be closed has not ended, and the ghost did not know
 * the string; now it does.  A third less work than finding that out below, for
 * data whose every string comes this way. */
static bool
is_turned_away(mo_pool *pool, uint64_t hash)
{
    const mo_counts *counts = &pool->counts;
    uint64_t calls = counts->hits + counts->misses + counts->bypassed;
    if (!pool->gate.closed ||
        MO_LOAD_TOTAL(&pool->bounds->entries) < pool->bounds->max_entries ||
        calls - pool->gate.calls >= MO_GATE_WINDOW || pool->ghost.size == 0) {
        return false;
    }
    uint16_t *place = mo_ghost_place(&pool->ghost, hash);
    uint16_t fingerprint = mo_ghost_fingerprint(hash);
    bool known = *place == fingerprint;
    *place = fingerprint;
    return !known;
}

/* Makes a string resident for which memory was reserved and a place taken. */
static uint32_t
insert(mo_pool *pool, PyObject *string, uint64_t hash, bool recalled)
{
    uint32_t index = mo_table_insert(&pool->table, string, hash);
    mo_policy_admit(pool->policy, &pool->queues, pool->table.entries, index,
                    recalled);
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
    if (is_too_large(pool, size) || !mo_bounds_allow(pool->bounds, size)) {
        return mo_pool_bypass_lock_held(pool, string);
    }
    bool full = !mo_bounds_take(pool->bounds, size);
    if (reserve(pool, full) < 0) {
        give_back(pool, full, size);
        return NULL;
    }
    /* Before room is made, which might overwrite what the ghost knows. */
    bool recalled = mo_ghost_recall(&pool->ghost, hash);
    if (full && !recalled && is_kept_out(pool)) {
        mo_ghost_remember(&pool->ghost, hash);
        return mo_pool_bypass_lock_held(pool, string);
    }
    if (full && !make_room(pool, size, victims)) {
        if (recalled) {
            mo_ghost_remember(&pool->ghost, hash); /* still to be admitted */
        }
        return NULL;
    }
    pool->counts.recalled += recalled;
    pool->counts.misses++;
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
    if (result == NULL && !mo_victims_starved(victims)) {
        PyErr_NoMemory();
    }
    return result;
}

static void
count_pinned(mo_pool *pool, PyObject *string)
{
    MO_ADD_TOTAL(&pool->bounds->pinned, 1);
    MO_ADD_TOTAL(&pool->bounds->pinned_bytes, mo_str_size(string));
}

static void
count_unpinned(mo_pool *pool, PyObject *string)
{
    mo_total_give(&pool->bounds->pinned, 1);
    mo_total_give(&pool->bounds->pinned_bytes, mo_str_size(string));
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
    mo_bounds_give(pool->bounds, 1, mo_str_size(resident));
    if (pinned) {
        count_unpinned(pool, resident);
    }
    MO_CHECK_POOL(pool);
    return resident;
}

/* --- pins ------------------------------------------------------------- */

/* Makes a string resident that is to be pinned. */
static mo_pin_result
admit_pinned(mo_pool *pool, PyObject *string, uint64_t hash,
             mo_victims *victims, uint32_t *index)
{
    size_t size = mo_str_size(string);
    if (!mo_bounds_allow(pool->bounds, size)) {
        return MO_PIN_NO_ROOM;
    }
    bool full = !mo_bounds_take(pool->bounds, size);
    if (reserve(pool, full) < 0) {
        give_back(pool, full, size);
        return MO_PIN_NO_MEMORY;
    }
    if (full && !make_room(pool, size, victims)) {
        return MO_PIN_NO_ROOM;
    }
    pool->counts.misses++;
    *index = insert(pool, string, hash, false);
    return MO_PIN_DONE;
}

mo_pin_result
mo_pool_pin_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                      mo_victims *victims, PyObject **resident)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    if (index == MO_NO_ENTRY) {
        mo_pin_result result =
            admit_pinned(pool, string, hash, victims, &index);
        if (result != MO_PIN_DONE) {
            return result;
        }
        *resident = Py_NewRef(string);
    }
    else {
        *resident = mo_pool_visit_lock_held(pool, index);
    }
    mo_entry *entries = pool->table.entries;
    if (entries[index].queue != MO_PINNED) {
        mo_queues_remove(&pool->queues, entries, index);
        mo_queues_append(&pool->queues, entries, index, MO_PINNED);
        count_pinned(pool, *resident);
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
    count_unpinned(pool, entries[index].string);
    MO_CHECK_POOL(pool);
    return true;
}

/* --- shrinking -------------------------------------------------------- */

/* Moves the last entries into the holes before them and frees the rest. */
void
mo_pool_compact_lock_held(mo_pool *pool)
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
    MO_CHECK_POOL(pool);
}

/* The same of one queue. */
static uint32_t
drop_unused(mo_pool *pool, const mo_queue *queue, size_t max_bytes,
            mo_victims *victims)
{
    mo_entry *entries = pool->table.entries;
    uint32_t removed = 0;
    for (uint32_t i = queue->head, next;
         i != MO_NO_ENTRY && MO_LOAD_TOTAL(&pool->bounds->bytes) > max_bytes;
         i = next) {
        next = entries[i].next;
        if (Py_REFCNT(entries[i].string) == 1) {
            uint64_t hash = mo_hash_str(pool->table.key, entries[i].string);
            mo_queues_remove(&pool->queues, entries, i);
            mo_bounds_give(pool->bounds, 1, drop(pool, i, hash, victims));
            removed++;
        }
    }
    return removed;
}

uint32_t
mo_pool_drop_unused_lock_held(mo_pool *pool, size_t max_bytes,
                              mo_victims *victims)
{
    const mo_queue *queue = pool->queues.queue;
    return drop_unused(pool, &queue[MO_PROBATION], max_bytes, victims) +
           drop_unused(pool, &queue[MO_MAIN], max_bytes, victims);
}

void
mo_pool_take_lock_held(mo_pool *pool, mo_table *taken)
{
    *taken = pool->table;
    mo_table_init(&pool->table, taken->key);
    pool->table.tag_mask = taken->tag_mask;
    mo_queues_init(&pool->queues);
    mo_ghost_free(&pool->ghost);
}

/* --- counts and checks ------------------------------------------------ */

void
mo_pool_reset_counts_lock_held(mo_pool *pool)
{
    pool->counts = (mo_counts){0};
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
residents_fault(const mo_pool *pool, mo_tally *tally)
{
    for (uint32_t i = 0; i < pool->table.used; i++) {
        const mo_entry *entry = &pool->table.entries[i];
        if (entry->string == NULL) {
            continue;
        }
        if (mo_str_is_singleton(entry->string)) {
            return "pool: a singleton of CPython is resident";
        }
        if (entry->queue == MO_PROBATION && pool->policy == MO_LRU) {
            return "pool: a resident is on probation under LRU";
        }
        const size_t size = mo_str_size(entry->string);
        const size_t length = (size_t)PyUnicode_GET_LENGTH(entry->string);
        tally->entries++;
        tally->bytes += size;
        tally->pinned += entry->queue == MO_PINNED;
        tally->pinned_bytes += entry->queue == MO_PINNED ? size : 0;
        tally->longest = length > tally->longest ? length : tally->longest;
    }
    return NULL;
}

const char *
mo_pool_fault(const mo_pool *pool, mo_tally *tally)
{
    const char *fault = mo_table_fault(&pool->table);
    fault = fault ? fault : mo_queues_fault(&pool->queues, &pool->table);
    fault = fault ? fault : residents_fault(pool, tally);
    if (fault == NULL &&
        (pool->ghost.fingerprints == NULL) != (pool->ghost.size == 0)) {
        fault = "pool: a ghost without places";
    }
    return fault;
}
