/* queue.h - doubly linked lists of table entries, oldest first.
 *
 * Links are indices into the table's array of entries, which the caller passes
 * in: entries may move, and a link takes 30 bits.  Every entry in use is in
 * exactly one queue and names it.  Nothing is owned here; the caller locks. */
#ifndef MO_INTERNPOOL_QUEUE_H
#define MO_INTERNPOOL_QUEUE_H

#include "internpool/table.h"

typedef struct {
    uint32_t head; /* oldest: the next to be considered; MO_NO_ENTRY if none */
    uint32_t tail; /* newest; MO_NO_ENTRY if none */
    uint32_t count; /* entries linked */
} mo_queue;

/* What mo_entry.queue says. */
enum {
    MO_PROBATION, /* S3-FIFO: came lately, not asked for again yet */
    MO_MAIN,      /* S3-FIFO: asked for again; LRU: all, by last use */
    MO_PINNED,    /* never evicted */
    MO_QUEUES,
};

typedef struct {
    mo_queue queue[MO_QUEUES];
} mo_queues;

void
mo_queues_init(mo_queues *queues);

/* Links an entry that is in no queue at the end of one. */
void
mo_queues_append(mo_queues *queues, mo_entry *entries, uint32_t index,
                 unsigned which);

/* Unlinks an entry from the queue that it is in. */
void
mo_queues_remove(mo_queues *queues, mo_entry *entries, uint32_t index);

/* Follows mo_table_move(): the entry's neighbours learn its new index. */
void
mo_queues_moved(mo_queues *queues, mo_entry *entries, uint32_t index);

/* NULL, or what is wrong: checks every invariant.  O(entries). */
const char *
mo_queues_fault(const mo_queues *queues, const mo_table *table);

#endif
