/* queue.c - see queue.h. */
#include "internpool/queue.h"

void
mo_queues_init(mo_queues *queues)
{
    for (unsigned i = 0; i < MO_QUEUES; i++) {
        queues->queue[i] = (mo_queue){MO_NO_ENTRY, MO_NO_ENTRY, 0};
    }
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

void
mo_queues_append(mo_queues *queues, mo_entry *entries, uint32_t index,
                 unsigned which)
{
    mo_queue *queue = &queues->queue[which];
    mo_entry *entry = &entries[index];
    entry->queue = which;
    entry->prev = queue->tail;
    entry->next = MO_NO_ENTRY;
    set_next(queue, entries, queue->tail, index);
    queue->tail = index;
    queue->count++;
}

void
mo_queues_remove(mo_queues *queues, mo_entry *entries, uint32_t index)
{
    mo_entry *entry = &entries[index];
    mo_queue *queue = &queues->queue[entry->queue];
    set_next(queue, entries, entry->prev, entry->next);
    set_prev(queue, entries, entry->next, entry->prev);
    queue->count--;
}

void
mo_queues_moved(mo_queues *queues, mo_entry *entries, uint32_t index)
{
    mo_entry *entry = &entries[index];
    mo_queue *queue = &queues->queue[entry->queue];
    set_next(queue, entries, entry->prev, index);
    set_prev(queue, entries, entry->next, index);
}

static const char *
queue_fault(const mo_queue *queue, const mo_table *table, unsigned which)
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
        if (entry->queue != which) {
            return "queue: an entry is in another queue";
        }
        prev = i;
    }
    if (queue->tail != prev || queue->count != counted) {
        return "queue: tail or count is wrong";
    }
    return NULL;
}

const char *
mo_queues_fault(const mo_queues *queues, const mo_table *table)
{
    const char *fault = NULL;
    uint32_t linked = 0;
    for (unsigned i = 0; i < MO_QUEUES && fault == NULL; i++) {
        fault = queue_fault(&queues->queue[i], table, i);
        linked += queues->queue[i].count;
    }
    if (fault == NULL && linked != table->count) {
        fault = "queue: the queues do not add up to the table";
    }
    return fault;
}
