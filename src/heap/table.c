/* table.c - see table.h. */
#include "heap/table.h"

#include "heap/block.h"

#define FIRST_SHIFT 56 /* 256 slots */

/* A table of fewer slots, 1 MiB of keys, grows to four times its size: filling
 * the next ones took 1/8 of a scan of 450 000 objects. */
#define SMALL_SLOTS ((size_t)1 << 17)

uint32_t
mo_table_get(const mo_table *table, uint64_t key, uint32_t missing)
{
    if (table->capacity == 0) {
        return missing;
    }
    key = key != 0 ? key : 1;
    size_t i = mo_table_slot(table, key);
    return table->keys[i] == key ? table->values[i] : missing;
}

int
mo_table_grow(mo_table *table)
{
    mo_table bigger = {
        .used = table->used, .notes = table->notes, .is_map = table->is_map};
    const unsigned int doublings = table->capacity < SMALL_SLOTS ? 2 : 1;
    bigger.shift =
        table->capacity != 0 ? table->shift - doublings : FIRST_SHIFT;
    bigger.capacity = (size_t)1 << (64 - bigger.shift);
    if (bigger.capacity > SIZE_MAX / sizeof(uint64_t)) {
        return -1;
    }
    bigger.keys = mo_block_new(bigger.capacity * sizeof(uint64_t));
    if (table->is_map) {
        bigger.values = mo_block_new(bigger.capacity * sizeof(uint32_t));
    }
    if (bigger.keys == NULL || (table->is_map && bigger.values == NULL)) {
        mo_table_clear(&bigger);
        return -1;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->keys[i] != 0) {
            size_t slot = mo_table_slot(&bigger, table->keys[i]);
            bigger.keys[slot] = table->keys[i];
            if (table->is_map) {
                bigger.values[slot] = table->values[i];
            }
        }
    }
    mo_table_clear(table);
    *table = bigger;
    return 0;
}

void
mo_table_clear(mo_table *table)
{
    mo_block_free(table->keys, table->capacity * sizeof(uint64_t));
    mo_block_free(table->values, table->capacity * sizeof(uint32_t));
    table->keys = NULL;
    table->values = NULL;
    table->used = table->capacity = 0;
}

size_t
mo_table_bytes(const mo_table *table)
{
    size_t slot = sizeof(uint64_t) + (table->is_map ? sizeof(uint32_t) : 0);
    return table->capacity * slot;
}
