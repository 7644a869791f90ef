/* shards.c - see shards.h for what a shard is and how it is locked. */
#include "internpool/shards.h"

/* Where a pool of fewer entries than this, or of fewer bytes than so many
 * strings of 64 take, is not divided: a shard evicts by what it has itself, and
 * a tenth of a few strings is no probation. */
#define MIN_ENTRIES 4096u
#define MIN_BYTES (MIN_ENTRIES * 64u)

#if MO_FREE_THREADED

static int
make_shards(mo_shards *shards, const mo_pool_options *options)
{
    bool small =
        options->max_entries < MIN_ENTRIES || options->max_bytes < MIN_BYTES;
    uint32_t count = small ? 1 : MO_MAX_SHARDS;
    shards->memory = PyMem_Calloc(1, count * sizeof(mo_shard) + MO_CACHE_LINE);
    if (shards->memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    uintptr_t behind = (uintptr_t)shards->memory + MO_CACHE_LINE;
    shards->shard = (mo_shard *)(behind - behind % MO_CACHE_LINE);
    shards->count = count;
    return 0;
}

#endif

int
mo_shards_init(mo_shards *shards, const mo_hash_key *key,
               const mo_pool_options *options)
{
    *shards = (mo_shards){
        .key = key,
        .max_length = options->max_length,
        .bounds = {.max_entries = options->max_entries,
                   .max_bytes = options->max_bytes},
    };
#if MO_FREE_THREADED
    if (make_shards(shards, options) < 0) {
        return -1;
    }
#endif
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        mo_pool_init(&shards->shard[i].pool, &shards->bounds, key, options);
    }
    return 0;
}

void
mo_shards_free(mo_shards *shards)
{
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        mo_pool_free(&shards->shard[i].pool);
    }
#if MO_FREE_THREADED
    PyMem_Free(shards->memory);
#endif
}

/* --- locks ---------------------------------------------------------------- */

void
mo_shards_lock_all(mo_shards *shards)
{
#if MO_FREE_THREADED
    for (uint32_t i = 0; i < shards->count; i++) {
        PyMutex_Lock(&shards->shard[i].mutex);
    }
#endif
}

void
mo_shards_unlock_all(mo_shards *shards)
{
#if MO_FREE_THREADED
    for (uint32_t i = shards->count; i-- > 0;) {
        PyMutex_Unlock(&shards->shard[i].mutex);
    }
#endif
}

/* --- making room ---------------------------------------------------------- */

/* The shard with the most residents that may be evicted; NULL if there are
 * none. */
static mo_pool *
fullest(mo_shards *shards)
{
    mo_pool *found = NULL;
    uint32_t most = 0;
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        mo_pool *pool = &shards->shard[i].pool;
        if (mo_pool_evictable(pool) > most) {
            most = mo_pool_evictable(pool);
            found = pool;
        }
    }
    return found;
}

/* Evicts until at most so much is left, or what is pinned; how many. */
static size_t
evict_down_to(mo_shards *shards, size_t entries, size_t bytes, bool counted,
              mo_victims *victims)
{
    size_t evicted = 0;
    mo_pool *pool;
    while (
        (shards->bounds.entries > entries || shards->bounds.bytes > bytes) &&
        (pool = fullest(shards)) != NULL) {
        mo_pool_evict_lock_held(pool, victims);
        pool->counts.evictions += counted;
        evicted++;
    }
    return evicted;
}

static void
compact(mo_shards *shards)
{
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        mo_pool_compact_lock_held(&shards->shard[i].pool);
    }
}

#if MO_FREE_THREADED
mo_pool *
mo_shards_enter_all(mo_shards *shards, uint64_t hash, mo_victims *victims)
{
    const mo_bounds *bounds = &shards->bounds;
    victims->starved = false;
    victims->all_locked = true;
    mo_shards_lock_all(shards);
    if (mo_bounds_allow(bounds, victims->wanted)) {
        evict_down_to(shards, bounds->max_entries - 1,
                      bounds->max_bytes - victims->wanted, true, victims);
    }
    return &shards->shard[mo_shards_which(shards, hash)].pool;
}
#endif

int
mo_shards_resize_all_locked(mo_shards *shards, uint32_t max_entries,
                            size_t max_bytes, mo_victims *victims)
{
    mo_bounds *bounds = &shards->bounds;
    if (bounds->pinned > max_entries || bounds->pinned_bytes > max_bytes) {
        return -1;
    }
    bounds->max_entries = max_entries;
    bounds->max_bytes = max_bytes;
    evict_down_to(shards, max_entries, max_bytes, true, victims);
    compact(shards);
    return 0;
}

size_t
mo_shards_trim_all_locked(mo_shards *shards, bool unused_only,
                          size_t max_bytes, mo_victims *victims)
{
    size_t removed = 0;
    for (uint32_t i = 0; unused_only && i < mo_shards_count(shards); i++) {
        removed += mo_pool_drop_unused_lock_held(&shards->shard[i].pool,
                                                 max_bytes, victims);
    }
    if (!unused_only) {
        removed = evict_down_to(shards, SIZE_MAX, max_bytes, false, victims);
    }
    compact(shards);
    return removed;
}

void
mo_shards_take_all_locked(mo_shards *shards, mo_table taken[MO_MAX_SHARDS])
{
    mo_bounds *bounds = &shards->bounds;
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        mo_pool_take_lock_held(&shards->shard[i].pool, &taken[i]);
    }
    mo_bounds_give(bounds, bounds->entries, bounds->bytes);
    mo_total_give(&bounds->pinned, bounds->pinned);
    mo_total_give(&bounds->pinned_bytes, bounds->pinned_bytes);
}

size_t
mo_shards_nbytes_all_locked(const mo_shards *shards)
{
    size_t bytes = 0;
#if MO_FREE_THREADED
    bytes += shards->count * sizeof(mo_shard) + MO_CACHE_LINE;
#endif
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        bytes += mo_pool_nbytes(&shards->shard[i].pool);
    }
    return bytes;
}

/* --- checks --------------------------------------------------------------- */

/* Whether each resident is where it is looked for. */
static const char *
places_fault(const mo_shards *shards, uint32_t which)
{
    const mo_table *table = &shards->shard[which].pool.table;
    for (uint32_t i = 0; i < table->used; i++) {
        PyObject *string = table->entries[i].string;
        if (string != NULL &&
            mo_shards_which(shards, mo_hash_str(shards->key, string)) !=
                which) {
            return "shards: a resident is in another's shard";
        }
    }
    return NULL;
}

const char *
mo_shards_fault_all_locked(const mo_shards *shards)
{
    const mo_bounds *bounds = &shards->bounds;
    const char *fault = NULL;
    mo_tally tally = {0};
    for (uint32_t i = 0; fault == NULL && i < mo_shards_count(shards); i++) {
        fault = mo_pool_fault(&shards->shard[i].pool, &tally);
        fault = fault ? fault : places_fault(shards, i);
    }
    if (fault == NULL &&
        (tally.entries != bounds->entries || tally.bytes != bounds->bytes)) {
        fault = "shards: residents do not add up";
    }
    if (fault == NULL && (tally.pinned != bounds->pinned ||
                          tally.pinned_bytes != bounds->pinned_bytes)) {
        fault = "shards: what is pinned does not add up";
    }
    if (fault == NULL && tally.entries > bounds->max_entries) {
        fault = "shards: more residents than max_entries";
    }
    if (fault == NULL && tally.bytes > bounds->max_bytes) {
        fault = "shards: more bytes than max_bytes";
    }
    if (fault == NULL && tally.longest > shards->max_length) {
        fault = "shards: a resident is longer than max_length";
    }
    return fault;
}
