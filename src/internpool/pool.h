/* pool.h - one bounded set of strings: table, eviction policy, bounds, counts.
 *
 * Everything InternPool does, short of Python's calling conventions.  After
 * each call both bounds hold and the structure is consistent.  The pool owns
 * its residents; strings are exact and ready, see str.h.
 *
 * The caller holds the lock of the object around *_lock_held functions; they
 * run no Python code.  What they evict is handed back in mo_victims, to be
 * released after unlocking. */
#ifndef MO_INTERNPOOL_POOL_H
#define MO_INTERNPOOL_POOL_H

#include "internpool/s3fifo.h"
#include "internpool/table.h"

#define MO_NO_LIMIT SIZE_MAX

/* A string that would take more than one in so many of max_bytes is not worth
 * what it would drive out. */
#define MO_LARGEST_SHARE 10

typedef struct {
    const mo_hash_key *key; /* borrowed from the module's state */
    mo_table table;
    mo_s3fifo fifo;
    size_t bytes;         /* mo_str_size() of all residents together */
    size_t max_bytes;     /* bound on it, or MO_NO_LIMIT */
    size_t max_length;    /* code points of a resident, or MO_NO_LIMIT; like
                             `key` it never changes: no lock needed */
    uint32_t max_entries; /* bound on residents: 1 .. MO_MAX_ENTRIES */
    /* Counts since creation or mo_pool_reset_counts(). */
    uint64_t hits;        /* answered with a string that was there */
    uint64_t misses;      /* answered with the argument, now resident */
    uint64_t bypassed;    /* answered with the argument, not resident */
    uint64_t evictions;   /* residents driven out by a bound */
    uint64_t bytes_saved; /* sizes of arguments that hits made redundant */
} mo_pool;

/* Strings evicted, each with the reference the pool had. */
typedef struct {
    int count;
    PyObject *string[32];
} mo_victims;

static inline void
mo_victims_release(mo_victims *victims)
{
    while (victims->count > 0) {
        Py_DECREF(victims->string[--victims->count]);
    }
}

void
mo_pool_init(mo_pool *pool, const mo_hash_key *key, uint32_t max_entries,
             size_t max_bytes, size_t max_length);

void
mo_pool_free(mo_pool *pool);

/* Whether it may not become resident, whatever the bounds. */
static inline bool
mo_pool_is_too_long(const mo_pool *pool, PyObject *string)
{
    return (size_t)PyUnicode_GET_LENGTH(string) > pool->max_length;
}

/* The string returned as it is, and counted so.  A new reference. */
PyObject *
mo_pool_bypass_lock_held(mo_pool *pool, PyObject *string);

/* What to answer for a string that is not resident: mostly itself, after it
 * was made so.  A new reference, or NULL without an exception if memory ran
 * out, and the pool as it was. */
PyObject *
mo_pool_admit_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                        mo_victims *victims);

/* The resident equal string, or NULL; a borrowed reference. */
static inline PyObject *
mo_pool_find_lock_held(const mo_pool *pool, PyObject *string, uint64_t hash)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    return index == MO_NO_ENTRY ? NULL : pool->table.entries[index].string;
}

/* The one string to use instead of this one.  A new reference, or NULL as
 * mo_pool_admit_lock_held(). */
static inline PyObject *
mo_pool_intern_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                         mo_victims *victims)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    if (MO_UNLIKELY(index == MO_NO_ENTRY)) {
        return mo_pool_admit_lock_held(pool, string, hash, victims);
    }
    mo_entry *entry = &pool->table.entries[index];
    mo_s3fifo_visit(entry);
    pool->hits++;
    if (entry->string != string) {
        pool->bytes_saved += mo_str_size(string);
    }
    return Py_NewRef(entry->string);
}

/* Removes the equal resident and gives it, with the pool's reference; NULL if
 * there is none. */
PyObject *
mo_pool_discard_lock_held(mo_pool *pool, PyObject *string, uint64_t hash);

/* Sets the bounds, evicts until they hold, and gives memory back. */
void
mo_pool_resize_lock_held(mo_pool *pool, uint32_t max_entries, size_t max_bytes,
                         mo_victims *victims);

/* Empties the pool; what was in its table moves to *taken, which the caller
 * frees after unlocking. */
void
mo_pool_take_lock_held(mo_pool *pool, mo_table *taken);

void
mo_pool_reset_counts_lock_held(mo_pool *pool);

/* Bytes of the pool's own arrays. */
size_t
mo_pool_nbytes(const mo_pool *pool);

/* NULL, or what is wrong: checks every invariant.  O(capacity). */
const char *
mo_pool_fault(const mo_pool *pool);

#endif
