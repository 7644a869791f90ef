/* lru.h - which resident string has to leave: the one not asked for the
 * longest.
 *
 * One queue, the main one, in the order of use: a hit moves an entry to its
 * end.  Works on queues and entries that it borrows; the caller locks. */
#ifndef MO_INTERNPOOL_LRU_H
#define MO_INTERNPOOL_LRU_H

#include "internpool/queue.h"

static inline void
mo_lru_admit(mo_queues *queues, mo_entry *entries, uint32_t index)
{
    mo_queues_append(queues, entries, index, MO_MAIN);
}

static inline void
mo_lru_visit(mo_queues *queues, mo_entry *entries, uint32_t index)
{
    const mo_queue *main = &queues->queue[MO_MAIN];
    if (index != main->tail && entries[index].queue == MO_MAIN) {
        mo_queues_remove(queues, entries, index);
        mo_queues_append(queues, entries, index, MO_MAIN);
    }
}

/* Unlinks and gives the entry that should leave; there must be one that is
 * not pinned. */
static inline uint32_t
mo_lru_evict(mo_queues *queues, mo_entry *entries)
{
    uint32_t index = queues->queue[MO_MAIN].head;
    assert(index != MO_NO_ENTRY);
    mo_queues_remove(queues, entries, index);
    return index;
}

#endif
