/* pool.c - see pool.h for what a pool promises and who locks. */
#include "internpool/pool.h"

/* Debug builds check small pools after every change, and large ones never
 * here: that would make each change O(entries). */
#define MO_CHECK_POOL(pool) \
    MO_CHECK((pool)->table.used > 64 || mo_pool_fault(pool) == NULL)

void
mo_pool_init(mo_pool *pool, const mo_hash_key *key, uint32_t max_entries,
             size_t max_bytes, size_t max_length)
{
    *pool = (mo_pool){
        .key = key,
        .max_bytes = max_bytes,
        .max_length = max_length,
        .max_entries = max_entries,
    };
    mo_table_init(&pool->table, key);
    mo_s3fifo_init(&pool->fifo);
}

void
mo_pool_free(mo_pool *pool)
{
    mo_table_free(&pool->table);
    mo_s3fifo_free(&pool->fifo);
    pool->bytes = 0;
}

PyObject *
mo_pool_bypass_lock_held(mo_pool *pool, PyObject *string)
{
    pool->bypassed++;
    return Py_NewRef(string);
}

/* "" and one-character Latin-1 strings: CPython's own copy, whatever the
 * argument.  Counted as hits, since that copy was there. */
static PyObject *
singleton_lock_held(mo_pool *pool, PyObject *string)
{
    PyObject *kept =
        PyUnicode_GET_LENGTH(string) == 0
            ? PyUnicode_New(0, 0)
            : PyUnicode_FromOrdinal((int)PyUnicode_READ_CHAR(string, 0));
    pool->hits += kept != NULL;
    return kept;
}

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

static void
evict(mo_pool *pool, mo_victims *victims)
{
    mo_table *table = &pool->table;
    uint32_t index = mo_s3fifo_evict(&pool->fifo, table->entries);
    const mo_entry *entry = &table->entries[index];
    uint64_t hash = mo_hash_str(pool->key, entry->string);
    if (!entry->in_main) {
        mo_s3fifo_remember(&pool->fifo, hash);
    }
    PyObject *string = mo_table_remove(table, index, hash);
    pool->bytes -= mo_str_size(string);
    pool->evictions++;
    collect(victims, string);
}

/* Evicts until `entries` more, of `bytes` together, are within the bounds. */
static void
make_room(mo_pool *pool, uint32_t entries, size_t bytes, mo_victims *victims)
{
    while (pool->table.count > pool->max_entries - entries ||
           pool->bytes > pool->max_bytes - bytes) {
        evict(pool, victims);
    }
}

/* All the memory that admitting one string of this size can take. */
static int
reserve(mo_pool *pool, size_t size)
{
    bool full = pool->table.count == pool->max_entries;
    if (!full && mo_table_reserve(&pool->table, pool->max_entries) < 0) {
        return -1;
    }
    if (full || pool->bytes > pool->max_bytes - size) {
        return mo_s3fifo_reserve(&pool->fifo, &pool->table);
    }
    return 0;
}

MO_NOINLINE PyObject *
mo_pool_admit_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                        mo_victims *victims)
{
    if (mo_str_is_singleton(string)) {
        return singleton_lock_held(pool, string);
    }
    size_t size = mo_str_size(string);
    if (size > pool->max_bytes / MO_LARGEST_SHARE) {
        return mo_pool_bypass_lock_held(pool, string);
    }
    if (reserve(pool, size) < 0) {
        return NULL;
    }
    pool->misses++;
    /* Before room is made, which might overwrite what the ghost knows. */
    bool recalled = mo_s3fifo_recall(&pool->fifo, hash);
    make_room(pool, 1, size, victims);
    uint32_t index = mo_table_insert(&pool->table, string, hash);
    mo_s3fifo_admit(&pool->fifo, pool->table.entries, index, recalled);
    pool->bytes += size;
    MO_CHECK_POOL(pool);
    return Py_NewRef(string);
}

PyObject *
mo_pool_discard_lock_held(mo_pool *pool, PyObject *string, uint64_t hash)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    if (index == MO_NO_ENTRY) {
        return NULL;
    }
    mo_s3fifo_remove(&pool->fifo, pool->table.entries, index);
    PyObject *resident = mo_table_remove(&pool->table, index, hash);
    pool->bytes -= mo_str_size(resident);
    MO_CHECK_POOL(pool);
    return resident;
}

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
        mo_s3fifo_moved(&pool->fifo, table->entries, hole);
    }
    mo_table_trim(table);
}

void
mo_pool_resize_lock_held(mo_pool *pool, uint32_t max_entries, size_t max_bytes,
                         mo_victims *victims)
{
    pool->max_entries = max_entries;
    pool->max_bytes = max_bytes;
    mo_s3fifo_forget(&pool->fifo); /* made anew, of the size then needed */
    make_room(pool, 0, 0, victims);
    compact(pool);
    MO_CHECK_POOL(pool);
}

void
mo_pool_take_lock_held(mo_pool *pool, mo_table *taken)
{
    *taken = pool->table;
    mo_table_init(&pool->table, pool->key);
    pool->table.tag_mask = taken->tag_mask;
    mo_s3fifo_free(&pool->fifo);
    pool->bytes = 0;
}

void
mo_pool_reset_counts_lock_held(mo_pool *pool)
{
    pool->hits = 0;
    pool->misses = 0;
    pool->bypassed = 0;
    pool->evictions = 0;
    pool->bytes_saved = 0;
}

size_t
mo_pool_nbytes(const mo_pool *pool)
{
    return mo_table_nbytes(&pool->table) + mo_s3fifo_nbytes(&pool->fifo);
}

static const char *
residents_fault(const mo_pool *pool)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < pool->table.used; i++) {
        PyObject *string = pool->table.entries[i].string;
        if (string == NULL) {
            continue;
        }
        if (mo_pool_is_too_long(pool, string)) {
            return "pool: a resident is longer than max_length";
        }
        if (mo_str_is_singleton(string)) {
            return "pool: a singleton of CPython is resident";
        }
        bytes += mo_str_size(string);
    }
    return bytes == pool->bytes ? NULL : "pool: bytes do not add up";
}

const char *
mo_pool_fault(const mo_pool *pool)
{
    const char *fault = mo_table_fault(&pool->table);
    fault = fault ? fault : mo_s3fifo_fault(&pool->fifo, &pool->table);
    fault = fault ? fault : residents_fault(pool);
    if (fault == NULL && pool->table.count > pool->max_entries) {
        fault = "pool: more residents than max_entries";
    }
    if (fault == NULL && pool->bytes > pool->max_bytes) {
        fault = "pool: more bytes than max_bytes";
    }
    return fault;
}
