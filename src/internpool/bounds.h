/* bounds.h - the bounds of a pool, and how much of them its shards have taken.
 *
 * A string becomes resident after its shard has taken a place for it here, and
 * gives it back after it has left, so that the totals are never less than what
 * is resident, and never more than the bounds.  Threads take and give back at
 * once; the bounds change only while all shards are locked. */
#ifndef MO_INTERNPOOL_BOUNDS_H
#define MO_INTERNPOOL_BOUNDS_H

#include "compat.h"

#define MO_NO_LIMIT SIZE_MAX

typedef struct {
    uint32_t max_entries;   /* bound on residents: 1 .. MO_MAX_ENTRIES */
    size_t max_bytes;       /* bound on bytes, or MO_NO_LIMIT */
    uintptr_t entries;      /* residents */
    uintptr_t bytes;        /* mo_str_size() of all residents together */
    uintptr_t pinned;       /* residents that are pinned */
    uintptr_t pinned_bytes; /* of those */
} mo_bounds;

/* Adds to a total unless it would exceed `most`; whether it did. */
static inline bool
mo_total_take(uintptr_t *total, size_t n, size_t most)
{
    uintptr_t before = MO_LOAD_TOTAL(total);
    do {
        if (before > most || n > most - before) {
            return false;
        }
    } while (!MO_SWAP_TOTAL(total, &before, before + n));
    return true;
}

static inline void
mo_total_give(uintptr_t *total, size_t n)
{
    if (n > 0) {
        MO_ADD_TOTAL(total, (uintptr_t)0 - n);
    }
}

/* Takes a place of `size` bytes, if there is one. */
static inline bool
mo_bounds_take(mo_bounds *bounds, size_t size)
{
    if (!mo_total_take(&bounds->entries, 1, bounds->max_entries)) {
        return false;
    }
    if (!mo_total_take(&bounds->bytes, size, bounds->max_bytes)) {
        mo_total_give(&bounds->entries, 1);
        return false;
    }
    return true;
}

/* Gives places back, of so many bytes together. */
static inline void
mo_bounds_give(mo_bounds *bounds, size_t entries, size_t bytes)
{
    mo_total_give(&bounds->entries, entries);
    mo_total_give(&bounds->bytes, bytes);
}

/* The same in exchange for one of `size` bytes; false, and nothing changed, if
 * they do not suffice.  No other thread gets them first, and what is as large
 * as what it replaces changes no total. */
static inline bool
mo_bounds_exchange(mo_bounds *bounds, size_t entries, size_t bytes,
                   size_t size)
{
    assert(entries > 0);
    if (size > bytes &&
        !mo_total_take(&bounds->bytes, size - bytes, bounds->max_bytes)) {
        return false;
    }
    mo_bounds_give(bounds, entries - 1, size < bytes ? bytes - size : 0);
    return true;
}

/* Whether one more string of this size, or a larger one in place of smaller
 * ones, would leave what is pinned alone. */
static inline bool
mo_bounds_allow(const mo_bounds *bounds, size_t size)
{
    return MO_LOAD_TOTAL(&bounds->pinned) < bounds->max_entries &&
           size <= bounds->max_bytes &&
           MO_LOAD_TOTAL(&bounds->pinned_bytes) <= bounds->max_bytes - size;
}

#endif
