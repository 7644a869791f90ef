/* s3fifo.c - see s3fifo.h for the policy and who owns what. */
#include "internpool/s3fifo.h"

/* Probation's share of the residents: one in 10, as in the paper. */
#define PROBATION_SHARE 10u

/* An eviction looks at 1 to 5 entries in the mean of every workload replayed;
 * this bounds the worst call when all have been visited. */
#define MAX_ROTATIONS 64

static const mo_queue empty_queue = {MO_NO_ENTRY, MO_NO_ENTRY, 0};

void
mo_s3fifo_init(mo_s3fifo *fifo)
{
    *fifo = (mo_s3fifo){.probation = empty_queue, .main = empty_queue};
}

void
mo_s3fifo_forget(mo_s3fifo *fifo)
{
    PyMem_Free(fifo->ghost);
    fifo->ghost = NULL;
    fifo->ghost_size = 0;
}

void
mo_s3fifo_free(mo_s3fifo *fifo)
{
    mo_s3fifo_forget(fifo);
    mo_s3fifo_init(fifo);
}

/* Tells `value` to the neighbour of an entry, or to the end of the queue. */
static void
set_next(mo_queue *queue, mo_entry *entries, uint32_t prev, uint32_t value)
{
    if (prev == MO_NO_ENTRY) {
        queue->head = value;
    }
    else {
        entries[prev].next = value;
    }
}

static void
set_prev(mo_queue *queue, mo_entry *entries, uint32_t next, uint32_t value)
{
    if (next == MO_NO_ENTRY) {
        queue->tail = value;
    }
    else {
        entries[next].prev = value;
    }
}

static mo_queue *
queue_of(mo_s3fifo *fifo, const mo_entry *entry)
{
    return entry->in_main ? &fifo->main : &fifo->probation;
}

static void
append(mo_s3fifo *fifo, mo_entry *entries, uint32_t index, bool in_main)
{
    mo_entry *entry = &entries[index];
    entry->in_main = in_main;
    mo_queue *queue = queue_of(fifo, entry);
    entry->prev = queue->tail;
    entry->next = MO_NO_ENTRY;
    set_next(queue, entries, queue->tail, index);
    queue->tail = index;
    queue->count++;
}

void
mo_s3fifo_remove(mo_s3fifo *fifo, mo_entry *entries, uint32_t index)
{
    mo_entry *entry = &entries[index];
    mo_queue *queue = queue_of(fifo, entry);
    set_next(queue, entries, entry->prev, entry->next);
    set_prev(queue, entries, entry->next, entry->prev);
    queue->count--;
}

void
mo_s3fifo_moved(mo_s3fifo *fifo, mo_entry *entries, uint32_t index)
{
    mo_entry *entry = &entries[index];
    mo_queue *queue = queue_of(fifo, entry);
    set_next(queue, entries, entry->prev, index);
    set_prev(queue, entries, entry->next, index);
}

void
mo_s3fifo_admit(mo_s3fifo *fifo, mo_entry *entries, uint32_t index,
                bool recalled)
{
    entries[index].visits = 0;
    append(fifo, entries, index, recalled);
}

/* The ghost is direct-mapped: a fingerprint stays until another falls on its
 * place, after as many evictions as there are places in the mean.  It loses
 * 0 to 1 points of hit ratio against an exact FIFO of hashes and takes 2 bytes
 * an entry instead of some 20. */
typedef struct {
    uint32_t place;
    uint16_t fingerprint; /* never 0 */
} trace;

static trace
trace_of(const mo_s3fifo *fifo, uint64_t hash)
{
    uint16_t bits = (uint16_t)(hash >> 16);
    return (trace){
        .place = (uint32_t)((hash >> 32) * fifo->ghost_size >> 32),
        .fingerprint = (uint16_t)(bits + (bits == 0)),
    };
}

void
mo_s3fifo_remember(mo_s3fifo *fifo, uint64_t hash)
{
    if (fifo->ghost_size == 0) {
        return;
    }
    trace t = trace_of(fifo, hash);
    fifo->ghost[t.place] = t.fingerprint;
}

bool
mo_s3fifo_recall(mo_s3fifo *fifo, uint64_t hash)
{
    if (fifo->ghost_size == 0) {
        return false;
    }
    trace t = trace_of(fifo, hash);
    bool known = fifo->ghost[t.place] == t.fingerprint;
    if (known) {
        fifo->ghost[t.place] = 0;
    }
    return known;
}

int
mo_s3fifo_reserve(mo_s3fifo *fifo, const mo_table *table)
{
    if (fifo->ghost_size >= table->count) {
        return 0;
    }
    /* Places depend on the size, so a new ghost starts with no memory. */
    uint16_t *ghost = PyMem_Calloc(table->capacity, sizeof *ghost);
    if (ghost == NULL) {
        return -1;
    }
    PyMem_Free(fifo->ghost);
    fifo->ghost = ghost;
    fifo->ghost_size = table->capacity;
    return 0;
}

static mo_queue *
queue_to_evict_from(mo_s3fifo *fifo)
{
    uint32_t in_probation = fifo->probation.count;
    uint32_t resident = in_probation + fifo->main.count;
    /* Never an empty one, as 0 is less than a tenth of anything. */
    return in_probation >= (resident + PROBATION_SHARE - 1) / PROBATION_SHARE
               ? &fifo->probation
               : &fifo->main;
}

uint32_t
mo_s3fifo_evict(mo_s3fifo *fifo, mo_entry *entries)
{
    for (int rotations = 0;; rotations++) {
        mo_queue *queue = queue_to_evict_from(fifo);
        uint32_t index = queue->head;
        mo_entry *entry = &entries[index];
        assert(index != MO_NO_ENTRY);
        mo_s3fifo_remove(fifo, entries, index);
        if (entry->visits == 0 || rotations == MAX_ROTATIONS) {
            return index;
        }
        entry->visits--;
        append(fifo, entries, index, true);
    }
}

size_t
mo_s3fifo_nbytes(const mo_s3fifo *fifo)
{
    return fifo->ghost_size * sizeof *fifo->ghost;
}

static const char *
queue_fault(const mo_queue *queue, const mo_table *table, bool in_main)
{
    uint32_t prev = MO_NO_ENTRY, counted = 0;
    for (uint32_t i = queue->head; i != MO_NO_ENTRY;
         i = table->entries[i].next) {
        if (i >= table->used || counted++ == table->used) {
            return "queue: a link leads astray";
        }
        const mo_entry *entry = &table->entries[i];
        if (entry->string == NULL) {
            return "queue: a free entry is linked";
        }
        if (entry->prev != prev) {
            return "queue: links forth and back differ";
        }
        if (entry->in_main != in_main) {
            return "queue: an entry is in the other queue";
        }
        prev = i;
    }
    if (queue->tail != prev || queue->count != counted) {
        return "queue: tail or count is wrong";
    }
    return NULL;
}

const char *
mo_s3fifo_fault(const mo_s3fifo *fifo, const mo_table *table)
{
    if (fifo->probation.count + fifo->main.count != table->count) {
        return "queue: the queues do not add up to the table";
    }
    if ((fifo->ghost == NULL) != (fifo->ghost_size == 0)) {
        return "queue: a ghost without places";
    }
    const char *fault = queue_fault(&fifo->probation, table, false);
    return fault ? fault : queue_fault(&fifo->main, table, true);
}
