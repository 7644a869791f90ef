/* policy.h - which resident string has to leave: S3-FIFO, or LRU.
 *
 * S3-FIFO: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for
 * cache eviction", SOSP 2023.  New strings enter a short FIFO, "probation".
 * Those asked for again by the time they reach its head move to "main", where
 * a 2-bit counter of visits gives further rounds (CLOCK); the rest leave, but
 * are remembered in the ghost for a while (see admission.h), and one that
 * returns goes to main at once.  A scan thus passes through without harm.
 *
 * LRU: the main queue alone, in the order of use, so a hit has to write.  For
 * streams in which only recency tells.
 *
 * Both work on queues and entries that they borrow; the caller locks. */
#ifndef MO_INTERNPOOL_POLICY_H
#define MO_INTERNPOOL_POLICY_H

#include "internpool/queue.h"

#define MO_MAX_VISITS 3u

typedef enum {
    MO_S3FIFO,
    MO_LRU,
} mo_policy;

/* Links a new entry; `recalled` if the ghost knew it. */
static inline void
mo_policy_admit(mo_policy policy, mo_queues *queues, mo_entry *entries,
                uint32_t index, bool recalled)
{
    bool to_main = recalled || policy == MO_LRU;
    mo_queues_append(queues, entries, index, to_main ? MO_MAIN : MO_PROBATION);
}

/* A hit.  Under S3-FIFO frequent strings are at the maximum, so that a hit
 * mostly only reads. */
static inline void
mo_policy_visit(mo_policy policy, mo_queues *queues, mo_entry *entries,
                uint32_t index)
{
    mo_entry *entry = &entries[index];
    if (MO_LIKELY(policy == MO_S3FIFO)) {
        if (entry->visits < MO_MAX_VISITS) {
            entry->visits++;
        }
    }
    else if (entry->queue == MO_MAIN && entry->next != MO_NO_ENTRY) {
        mo_queues_remove(queues, entries, index);
        mo_queues_append(queues, entries, index, MO_MAIN);
    }
}

/* Unlinks and gives the entry that should leave; there must be one that is
 * not pinned.  O(1): the number of entries looked at is bounded. */
uint32_t
mo_policy_evict(mo_policy policy, mo_queues *queues, mo_entry *entries);

#endif
