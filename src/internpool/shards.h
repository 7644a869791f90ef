/* shards.h - the parts of an InternPool that threads may use at once.
 *
 * Without a GIL, a pool that is not small is MO_MAX_SHARDS pools, each with a
 * lock of its own; the hash of a string says in which of them it is, so that
 * equal strings are one object.  With a GIL there is one and nothing to lock,
 * which the compiler knows.
 *
 * A lock here is held for a few strings, or to look at all residents.  Under
 * it no Python code runs and nothing else is waited for, but, by who holds none
 * yet, the locks of all shards in their order: no order of calls can lock two
 * threads out.  A critical section may be held when one is asked for, and may
 * be let go of then. */
#ifndef MO_INTERNPOOL_SHARDS_H
#define MO_INTERNPOOL_SHARDS_H

#include "internpool/pool.h"

#if MO_FREE_THREADED
# define MO_MAX_SHARDS 16 /* a power of two */
#else
# define MO_MAX_SHARDS 1
#endif

/* What each call writes is in one cache line, the lock and the counts, and what
 * a hit only reads is in others. */
typedef struct {
#if MO_FREE_THREADED
    _Alignas(MO_CACHE_LINE) PyMutex mutex;
#endif
    mo_pool pool;
} mo_shard;

typedef struct {
    const mo_hash_key *key; /* borrowed from the module's state */
    size_t max_length;      /* code points of a resident, or MO_NO_LIMIT; like
                               key and count it never changes */
#if MO_FREE_THREADED
    uint32_t count; /* of shards: 1 or MO_MAX_SHARDS; 0 before there are any */
    mo_shard *shard; /* in `memory`, where a cache line begins */
    void *memory;    /* owned */
    char apart[MO_CACHE_LINE];
#else
    mo_shard shard[MO_MAX_SHARDS];
#endif
    mo_bounds bounds; /* of all together; read under any lock */
} mo_shards;

/* 0, or -1 with MemoryError set. */
int
mo_shards_init(mo_shards *shards, const mo_hash_key *key,
               const mo_pool_options *options);

void
mo_shards_free(mo_shards *shards);

static inline uint32_t
mo_shards_count(const mo_shards *shards)
{
#if MO_FREE_THREADED
    return shards->count;
#else
    return MO_MAX_SHARDS;
#endif
}

/* Which shard a string of this hash is in: bits that neither the table nor the
 * ghost looks at. */
static inline uint32_t
mo_shards_which(const mo_shards *shards, uint64_t hash)
{
    return (uint32_t)(hash >> 12) & (mo_shards_count(shards) - 1);
}

/* Whether it may not become resident, whatever the bounds. */
static inline bool
mo_shards_is_too_long(const mo_shards *shards, PyObject *string)
{
    return (size_t)PyUnicode_GET_LENGTH(string) > shards->max_length;
}

/* --- one shard ------------------------------------------------------------ */

static inline mo_pool *
mo_shards_lock(mo_shards *shards, uint64_t hash)
{
    mo_shard *shard = &shards->shard[mo_shards_which(shards, hash)];
#if MO_FREE_THREADED
    PyMutex_Lock(&shard->mutex);
#endif
    return &shard->pool;
}

static inline void
mo_shards_unlock(mo_pool *pool)
{
#if MO_FREE_THREADED
    char *shard = (char *)pool - offsetof(mo_shard, pool);
    PyMutex_Unlock(&((mo_shard *)shard)->mutex);
#endif
}

/* --- all shards ----------------------------------------------------------- */

void
mo_shards_lock_all(mo_shards *shards);

void
mo_shards_unlock_all(mo_shards *shards);

/* Sets the bounds, evicts until they hold, and gives memory back.  0, or -1
 * without an exception and nothing changed if what is pinned exceeds them. */
int
mo_shards_resize_all_locked(mo_shards *shards, uint32_t max_entries,
                            size_t max_bytes, mo_victims *victims);

/* Removes residents, the next to be evicted of the fullest shard, until at most
 * max_bytes are left, only those that nobody else holds if unused_only, never
 * pinned ones; gives memory back.  How many were removed. */
size_t
mo_shards_trim_all_locked(mo_shards *shards, bool unused_only,
                          size_t max_bytes, mo_victims *victims);

/* Empties the shards; what was in the table of each moves to taken[], which the
 * caller frees after unlocking. */
void
mo_shards_take_all_locked(mo_shards *shards, mo_table taken[MO_MAX_SHARDS]);

/* Bytes that the shards own. */
size_t
mo_shards_nbytes_all_locked(const mo_shards *shards);

/* NULL, or what is wrong.  O(capacity). */
const char *
mo_shards_fault_all_locked(const mo_shards *shards);

/* --- one shard, or all if that has no room -------------------------------- */

#if MO_FREE_THREADED
/* Locks all and makes the room that was wanted, if that can be. */
mo_pool *
mo_shards_enter_all(mo_shards *shards, uint64_t hash, mo_victims *victims);
#endif

/* Locks the shard of a hash for what may make a string resident:
 *
 *     do {
 *         mo_pool *pool = mo_shards_enter(shards, hash, &victims);
 *         ... mo_pool_..._lock_held(pool, ..., &victims) ...
 *     } while (mo_shards_leave(shards, pool, &victims));
 *
 * It goes round once but if the shard is starved. */
static inline mo_pool *
mo_shards_enter(mo_shards *shards, uint64_t hash, mo_victims *victims)
{
#if MO_FREE_THREADED
    if (MO_UNLIKELY(victims->starved)) {
        return mo_shards_enter_all(shards, hash, victims);
    }
#endif
    return mo_shards_lock(shards, hash);
}

/* Unlocks; whether to enter once more, as others are to make room. */
static inline bool
mo_shards_leave(mo_shards *shards, mo_pool *pool, mo_victims *victims)
{
#if MO_FREE_THREADED
    if (MO_UNLIKELY(victims->all_locked)) {
        victims->all_locked = false;
        mo_shards_unlock_all(shards);
        return victims->starved;
    }
#endif
    mo_shards_unlock(pool);
    return mo_victims_starved(victims);
}

#endif
