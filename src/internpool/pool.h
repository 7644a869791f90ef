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

#include "internpool/admission.h"
#include "internpool/policy.h"
#include "internpool/table.h"

#define MO_NO_LIMIT SIZE_MAX

/* A string that would take more than one in so many of max_bytes is not worth
 * what it would drive out. */
#define MO_LARGEST_SHARE 10

/* What a new pool is told; see the members of mo_pool. */
typedef struct {
    uint32_t max_entries;
    size_t max_bytes;
    size_t max_length;
    mo_policy policy;
    bool adaptive;
} mo_pool_options;

typedef struct {
    const mo_hash_key *key; /* borrowed from the module's state */
    mo_table table;
    mo_queues queues;     /* the residents in the order of eviction */
    mo_ghost ghost;       /* strings evicted or kept out lately */
    mo_gate gate;         /* whether new strings are worth admitting */
    size_t bytes;         /* mo_str_size() of all residents together */
    size_t pinned_bytes;  /* of those that are pinned */
    size_t max_bytes;     /* bound on bytes, or MO_NO_LIMIT */
    size_t max_length;    /* code points of a resident, or MO_NO_LIMIT; like
                             key and policy it never changes: no lock needed */
    mo_policy policy;     /* who is evicted */
    uint32_t max_entries; /* bound on residents: 1 .. MO_MAX_ENTRIES */
    /* Counts since creation or mo_pool_reset_counts(). */
    uint64_t hits;        /* answered with a string that was there */
    uint64_t misses;      /* answered with a new resident */
    uint64_t bypassed;    /* answered with a string that is not resident */
    uint64_t evictions;   /* residents driven out by a bound */
    uint64_t bytes_saved; /* sizes of strings that hits made redundant */
    uint64_t recalled;    /* misses that the ghost knew */
    uint64_t singletons;  /* hits that CPython answered, not the pool */
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
mo_pool_init(mo_pool *pool, const mo_hash_key *key,
             const mo_pool_options *options);

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

/* Counts a string that was made without being looked up: CPython's singleton,
 * or too long. */
static inline void
mo_pool_count_outsider_lock_held(mo_pool *pool, bool singleton)
{
    pool->hits += singleton;
    pool->singletons += singleton;
    pool->bypassed += !singleton;
}

/* What to answer for a string that is not resident: mostly itself, after it
 * was made so.  A new reference, or NULL without an exception if memory ran
 * out, and the pool as it was. */
PyObject *
mo_pool_admit_lock_held(mo_pool *pool, PyObject *string, uint64_t hash,
                        mo_victims *victims);

/* The same for a text: a new str, or CPython's.  NULL with an exception set
 * if memory ran out. */
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
    pool->hits++;
    return Py_NewRef(entries[index].string);
}

/* A hit of an entry by a string. */
static inline PyObject *
mo_pool_hit_lock_held(mo_pool *pool, PyObject *string, uint32_t index)
{
    PyObject *resident = mo_pool_visit_lock_held(pool, index);
    if (resident != string) {
        pool->bytes_saved += mo_str_size(string);
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
    pool->bytes_saved += mo_str_size(resident);
    return resident;
}

/* Removes the equal resident and gives it, with the pool's reference; NULL if
 * there is none. */
PyObject *
mo_pool_discard_lock_held(mo_pool *pool, PyObject *string, uint64_t hash);

typedef enum {
    MO_PIN_DONE,
    MO_PIN_NO_ROOM,   /* not without evicting what is pinned */
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

/* Sets the bounds, evicts until they hold, and gives memory back.  0, or -1
 * without an exception and nothing changed if what is pinned exceeds them. */
int
mo_pool_resize_lock_held(mo_pool *pool, uint32_t max_entries, size_t max_bytes,
                         mo_victims *victims);

/* Removes residents in the order of eviction until at most max_bytes are left,
 * only those that nobody else holds if unused_only, never pinned ones; gives
 * memory back.  How many were removed. */
uint32_t
mo_pool_trim_lock_held(mo_pool *pool, bool unused_only, size_t max_bytes,
                       mo_victims *victims);

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

/* NULL, or what is wrong: checks every invariant.  O(capacity). */
const char *
mo_pool_fault(const mo_pool *pool);

#endif
