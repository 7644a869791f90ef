/* s3fifo.h - which resident string has to leave: the S3-FIFO policy.
 *
 * Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache
 * eviction", SOSP 2023.  New strings enter a short FIFO, "probation".  Those
 * asked for again by the time they reach its head move to "main", where a
 * 2-bit counter of visits gives further rounds (CLOCK); the rest leave, but
 * are remembered in the ghost for a while, and one that returns goes to main
 * at once.  A scan thus passes through without harm.
 *
 * Works on queues and entries that it borrows with each call; what is recalled
 * and remembered is the caller's business, who also locks. */
#ifndef MO_INTERNPOOL_S3FIFO_H
#define MO_INTERNPOOL_S3FIFO_H

#include "internpool/queue.h"

#define MO_MAX_VISITS 3u

/* Links a new entry. */
static inline void
mo_s3fifo_admit(mo_queues *queues, mo_entry *entries, uint32_t index,
                bool recalled)
{
    mo_queues_append(queues, entries, index,
                     recalled ? MO_MAIN : MO_PROBATION);
}

/* A hit.  Frequent strings are at the maximum, so a hit mostly only reads. */
static inline void
mo_s3fifo_visit(mo_entry *entry)
{
    if (entry->visits < MO_MAX_VISITS) {
        entry->visits++;
    }
}

/* Unlinks and gives the entry that should leave; there must be one that is
 * not pinned.  O(1): the number of entries looked at is bounded. */
uint32_t
mo_s3fifo_evict(mo_queues *queues, mo_entry *entries);

#endif
