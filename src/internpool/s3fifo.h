/* s3fifo.h - which resident string has to leave: the S3-FIFO policy.
 *
 * Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache
 * eviction", SOSP 2023.  New strings enter a short FIFO, "probation".  Those
 * asked for again by the time they reach its head move to "main", where a
 * 2-bit counter of visits gives further rounds (CLOCK); the rest leave, but
 * their fingerprints stay for a while in the "ghost", and one that returns
 * goes to main at once.  A scan thus passes through without harm.
 *
 * The queues are linked through the table's entries, which they borrow with
 * each call; this struct owns only the ghost.  The caller locks. */
#ifndef MO_INTERNPOOL_S3FIFO_H
#define MO_INTERNPOOL_S3FIFO_H

#include "internpool/table.h"

#define MO_MAX_VISITS 3u

/* A doubly linked list of entries; MO_NO_ENTRY ends it either way. */
typedef struct {
    uint32_t head;  /* oldest: the next to be considered */
    uint32_t tail;  /* newest */
    uint32_t count; /* entries linked */
} mo_queue;

typedef struct {
    mo_queue probation;
    mo_queue main;
    uint16_t *ghost;     /* owned fingerprints, 0 if empty; NULL if none */
    uint32_t ghost_size; /* number of them */
} mo_s3fifo;

void
mo_s3fifo_init(mo_s3fifo *fifo);

/* Drops the ghost and empties the queues. */
void
mo_s3fifo_free(mo_s3fifo *fifo);

/* Drops the ghost. */
void
mo_s3fifo_forget(mo_s3fifo *fifo);

/* Sees that the ghost can remember as much as is resident, without which
 * evictions leave no trace.  0, or -1 without an exception and nothing
 * changed. */
int
mo_s3fifo_reserve(mo_s3fifo *fifo, const mo_table *table);

/* Whether a string of this hash was evicted lately; forgets that it was. */
bool
mo_s3fifo_recall(mo_s3fifo *fifo, uint64_t hash);

/* Links a new entry: into main if it was recalled, else into probation. */
void
mo_s3fifo_admit(mo_s3fifo *fifo, mo_entry *entries, uint32_t index,
                bool recalled);

/* Unlinks and gives the entry that should leave; there must be one.  O(1):
 * the number of entries looked at is bounded. */
uint32_t
mo_s3fifo_evict(mo_s3fifo *fifo, mo_entry *entries);

/* Leaves a trace in the ghost, if there is one, of a string that was evicted
 * from probation. */
void
mo_s3fifo_remember(mo_s3fifo *fifo, uint64_t hash);

/* Unlinks one that leaves for another reason. */
void
mo_s3fifo_remove(mo_s3fifo *fifo, mo_entry *entries, uint32_t index);

/* Follows mo_table_move(): the entry's neighbours learn its new index. */
void
mo_s3fifo_moved(mo_s3fifo *fifo, mo_entry *entries, uint32_t index);

/* Bytes of the ghost. */
size_t
mo_s3fifo_nbytes(const mo_s3fifo *fifo);

/* NULL, or what is wrong: checks every invariant.  O(entries). */
const char *
mo_s3fifo_fault(const mo_s3fifo *fifo, const mo_table *table);

/* A hit.  Frequent strings are at the maximum, so a hit mostly only reads. */
static inline void
mo_s3fifo_visit(mo_entry *entry)
{
    if (entry->visits < MO_MAX_VISITS) {
        entry->visits++;
    }
}

#endif
