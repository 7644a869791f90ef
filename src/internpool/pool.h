/* pool.h - a set of strings within bounds: table, eviction policy, counts.
 *
 * Everything InternPool does, short of Python's calling conventions and of
 * shards: a pool is the only shard of an InternPool, or one of several that
 * have their bounds in common, see shards.h.  After each call both bounds hold
 * and the structure is consistent.  The pool owns its residents; strings are
 * exact and ready, see str.h.
 *
 * The caller holds the shard's lock around *_lock_held functions; they run no
 * Python code.  What they evict is handed back in mo_victims, to be released
 * after unlocking. */
#ifndef MO_INTERNPOOL_POOL_H
#define MO_INTERNPOOL_POOL_H

#include "internpool/admission.h"
#include "internpool/bounds.h"
#include "internpool/policy.h"
#include "internpool/table.h"

/* A string that would take more than one in so many of max_bytes is not worth
 * what it would drive out. */
#define MO_LARGEST_SHARE 10

/* What a new pool is told; see the members of mo_bounds and mo_pool. */
typedef struct {
    uint32_t max_entries;
    size_t max_bytes;
    size_t max_length; /* code points of a resident, or MO_NO_LIMIT */
    mo_policy policy;
    bool adaptive;
} mo_pool_options;

/* Since creation or mo_pool_reset_counts(). */
typedef struct {
    uint64_t hits;        /* answered with a string that was there */
    uint64_t misses;      /* answered with a new resident */
    uint64_t bypassed;    /* answered with a string that is not resident */
    uint64_t evictions;   /* residents driven out by a bound */
    uint64_t bytes_saved; /* sizes of strings that hits made redundant */
    uint64_t recalled;    /* misses that the ghost knew */
    uint64_t singletons;  /* hits that CPython answered, not the pool */
} mo_counts;

typedef struct {
    mo_counts counts;  /* at the front, see mo_shard */
    mo_bounds *bounds; /* borrowed: of all shards together */
    mo_table table;
    mo_queues queues; /* the residents in the order of eviction */
    mo_ghost ghost;   /* strings evicted or kept out lately */
    mo_gate gate;     /* whether new strings are worth admitting */
    mo_policy policy; /* who is evicted; never changes: no lock needed */
} mo_pool;

/* Strings evicted, each with the reference the pool had; and what there was no
 * room for, as none of the shard's own strings could leave. */
typedef struct {
    int count;
    bool starved;    /* nothing was done: other shards have to make room */
    bool all_locked; /* so that they can, see shards.h */
    size_t wanted;   /* bytes, if starved */
    PyObject *string[32];
} mo_victims;

static inline void
mo_victims_init(mo_victims *victims)
{
    victims->count = 0;
    victims->starved = victims->all_locked = false;
}

/* Never, if there is but one shard; known when compiling with a GIL. */
static inline bool
mo_victims_starved(const mo_victims *victims)
{
    return MO_FREE_THREADED && victims->starved;
}

static inline void
mo_victims_release(mo_victims *victims)
{
    while (victims->count > 0) {
        Py_DECREF(victims->string[--victims->count]);
    }
}

void
mo_pool_init(mo_pool *pool, mo_bounds *bounds, const mo_hash_key *key,
             const mo_pool_options *options);

void
mo_pool_free(mo_pool *pool);

/* The string returned as it is, and counted so.  A new reference. */
PyObject *
mo_pool_bypass_lock_held(mo_pool *pool, PyObject *string);

/* Counts a string that was made without being looked up: CPython's singleton,
 * or too long. */
static inline void
mo_pool_count_outsider_lock_held(mo_pool *pool, bool singleton)
{
    pool->counts.hits += singleton;
    pool->counts.singletons += singleton;
    pool->counts.bypassed += !singleton;
}

/* What to answer for a string that is not resident: mostly itself, after it
 * was made so.  A new reference; or NULL without an exception if memory ran
 * out, and the pool as it was, or if starved. */
PyObject *
mo_pool_admit_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                        mo_victims *victims);

/* The same for a text: a new str, or CPython's.  NULL with an exception set
 * if memory ran out, without one if starved. */
PyObject *
mo_pool_admit_text_lock_held(mo_pool *pool, const mo_text *text, uint64_t hash,
                             mo_victims *victims);

/* The resident equal string, or NULL; a borrowed reference. */
static inline PyObject *
mo_pool_find_lock_held(const mo_pool *pool, PyObject *string, uint64_t hash)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    return index == MO_NO_ENTRY ? NULL : pool->table.entries[index].string;
}

/* A hit of an entry: what the policy and the counts have to know. */
static inline PyObject *
mo_pool_visit_lock_held(mo_pool *pool, uint32_t index)
{
    mo_entry *entries = pool->table.entries;
    mo_policy_visit(pool->policy, &pool->queues, entries, index);
    pool->counts.hits++;
    return Py_NewRef(entries[index].string);
}

/* A hit of an entry by a string. */
static inline PyObject *
mo_pool_hit_lock_held(mo_pool *pool, PyObject *string, uint32_t index)
{
    PyObject *resident = mo_pool_visit_lock_held(pool, index);
    if (resident != string) {
        pool->counts.bytes_saved += mo_str_size(string);
    }
    return resident;
}

/* The one string to use instead of this one.  A new reference, or NULL as
 * mo_pool_admit_lock_held(). */
static inline PyObject *
mo_pool_intern_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                         mo_victims *victims)
{
    uint32_t index = mo_table_find(&pool->table, string, hash);
    return MO_LIKELY(index != MO_NO_ENTRY)
               ? mo_pool_hit_lock_held(pool, string, index)
               : mo_pool_admit_lock_held(pool, string, hash, victims);
}

/* The same with the entry that mo_table_fetch_entry() gave, which others may
 * have taken since. */
static inline PyObject *
mo_pool_intern_at_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                            uint32_t index, mo_victims *victims)
{
    if (MO_LIKELY(index != MO_NO_ENTRY)) {
        PyObject *resident = pool->table.entries[index].string;
        if (MO_LIKELY(resident != NULL && mo_str_equal(resident, string))) {
            return mo_pool_hit_lock_held(pool, string, index);
        }
    }
    return mo_pool_intern_lock_held(pool, string, hash, victims);
}

/* The one str to use for this text.  A new reference, or NULL as
 * mo_pool_admit_text_lock_held(). */
static inline PyObject *
mo_pool_intern_text_lock_held(mo_pool *pool, const mo_text *text,
                              uint64_t hash, mo_victims *victims)
{
    uint32_t index = mo_table_find_text(&pool->table, text, hash);
    if (MO_UNLIKELY(index == MO_NO_ENTRY)) {
        return mo_pool_admit_text_lock_held(pool, text, hash, victims);
    }
    PyObject *resident = mo_pool_visit_lock_held(pool, index);
    pool->counts.bytes_saved += mo_str_size(resident);
    return resident;
}

/* Removes the equal resident and gives it, with the pool's reference; NULL if
 * there is none. */
PyObject *
mo_pool_discard_lock_held(mo_pool *pool, PyObject *string, uint64_t hash);

typedef enum {
    MO_PIN_DONE,
    MO_PIN_NO_ROOM,   /* not without evicting what is pinned; or starved */
    MO_PIN_NO_MEMORY, /* without an exception */
} mo_pin_result;

/* Makes the string resident, unless an equal one is, and keeps that until it
 * is unpinned; *resident is then a new reference.  On failure nothing has
 * changed.  Not for singletons and what is too long. */
mo_pin_result
mo_pool_pin_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                      mo_victims *victims, PyObject **resident);

/* Whether an equal resident was pinned; it no longer is. */
bool
mo_pool_unpin_lock_held(mo_pool *pool, PyObject *string, uint64_t hash);

/* Residents that may be evicted: all that are not pinned. */
static inline uint32_t
mo_pool_evictable(const mo_pool *pool)
{
    return pool->queues.queue[MO_PROBATION].count +
           pool->queues.queue[MO_MAIN].count;
}

/* Evicts one; there must be one.  It is not counted. */
void
mo_pool_evict_lock_held(mo_pool *pool, mo_victims *victims);

/* Removes residents in the order of eviction that nobody else holds, until at
 * most max_bytes are left, in all shards; how many. */
uint32_t
mo_pool_drop_unused_lock_held(mo_pool *pool, size_t max_bytes,
                              mo_victims *victims);

/* Gives spare memory back.  O(entries). */
void
mo_pool_compact_lock_held(mo_pool *pool);

/* Empties the pool; what was in its table moves to *taken, which the caller
 * frees after unlocking. */
void
mo_pool_take_lock_held(mo_pool *pool, mo_table *taken);

void
mo_pool_reset_counts_lock_held(mo_pool *pool);

/* Bytes that copies would take now, were every reference to a resident one to
 * a copy of its own.  O(entries). */
uint64_t
mo_pool_live_saved_lock_held(const mo_pool *pool);

/* Bytes of the pool's own arrays. */
size_t
mo_pool_nbytes(const mo_pool *pool);

/* What is found by looking at each resident. */
typedef struct {
    size_t entries;
    size_t bytes;
    size_t pinned;
    size_t pinned_bytes;
    size_t longest; /* in code points */
} mo_tally;

/* NULL, or what is wrong: checks every invariant, and adds to the tally.
 * O(capacity). */
const char *
mo_pool_fault(const mo_pool *pool, mo_tally *tally);

#endif
