/* policy.c - see policy.h. */
#include "internpool/policy.h"

/* Probation's share of the residents: one in 10, as in the paper. */
#define PROBATION_SHARE 10u

/* An eviction looks at 1 to 5 entries in the mean of every workload replayed;
 * this bounds the worst call when all have been visited. */
#define MAX_ROTATIONS 64

static const mo_queue *
queue_to_evict_from(const mo_queues *queues)
{
    const mo_queue *probation = &queues->queue[MO_PROBATION];
    const mo_queue *main = &queues->queue[MO_MAIN];
    uint32_t resident = probation->count + main->count;
    /* Never an empty one, as 0 is less than a tenth of anything. */
    return probation->count >=
                   (resident + PROBATION_SHARE - 1) / PROBATION_SHARE
               ? probation
               : main;
}

static uint32_t
evict_by_s3fifo(mo_queues *queues, mo_entry *entries)
{
    for (int rotations = 0;; rotations++) {
        uint32_t index = queue_to_evict_from(queues)->head;
        assert(index != MO_NO_ENTRY);
        mo_entry *entry = &entries[index];
        mo_queues_remove(queues, entries, index);
        if (entry->visits == 0 || rotations == MAX_ROTATIONS) {
            return index;
        }
        entry->visits--;
        mo_queues_append(queues, entries, index, MO_MAIN);
    }
}

static uint32_t
evict_by_lru(mo_queues *queues, mo_entry *entries)
{
    uint32_t index = queues->queue[MO_MAIN].head;
    assert(index != MO_NO_ENTRY);
    mo_queues_remove(queues, entries, index);
    return index;
}

uint32_t
mo_policy_evict(mo_policy policy, mo_queues *queues, mo_entry *entries)
{
    return policy == MO_LRU ? evict_by_lru(queues, entries)
                            : evict_by_s3fifo(queues, entries);
}
