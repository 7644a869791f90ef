/* table.h - an open-addressing hash table from 64-bit keys to 32-bit values,
 * or a set of such keys, or of shorter ones that have notes in the same word.
 *
 * Plain C: no Python objects, memory from block.h.  The owner zeroes it
 * (for a set, that is all), and clears it.  Keys are pointers or hashes: they
 * are mixed again by multiplication (Knuth, vol. 3, 6.4), probed linearly. */
#ifndef MO_HEAP_TABLE_H
#define MO_HEAP_TABLE_H

#include "compat.h"

typedef struct {
    uint64_t *keys;     /* owned; capacity of them, 0 is an empty slot */
    uint32_t *values;   /* owned; as many, or NULL in a set */
    size_t used;        /* at most 5/8 of the capacity */
    size_t capacity;    /* a power of two, or 0 */
    uint64_t notes;     /* which bits are no part of a key; 0 in a map */
    unsigned int shift; /* 64 less its binary logarithm */
    bool is_map;
} mo_table;

/* Where the search for a key begins: to be had in the cache in time.  The upper
 * bits, so that a table that grows keeps the order of its keys, and both are
 * gone through from one end to the other. */
static inline size_t
mo_table_start(const mo_table *table, uint64_t key)
{
    /* 2**64 divided by the golden ratio, odd. */
    return (size_t)((key & ~table->notes) * UINT64_C(0x9E3779B97F4A7C15) >>
                    table->shift);
}

/* Asks for it. */
static inline void
mo_table_prefetch(const mo_table *table, uint64_t key)
{
    if (table->capacity != 0) {
        size_t i = mo_table_start(table, key);
        MO_PREFETCH(&table->keys[i]);
        if (table->is_map) {
            MO_PREFETCH(&table->values[i]);
        }
    }
}

/* The slot of `key`, which is not 0, or the empty one where it would go. */
static inline size_t
mo_table_slot(const mo_table *table, uint64_t key)
{
    size_t mask = table->capacity - 1;
    size_t i = mo_table_start(table, key);
    while (((table->keys[i] ^ key) & ~table->notes) != 0 &&
           table->keys[i] != 0) {
        i = (i + 1) & mask;
    }
    return i;
}

/* Makes a table larger that is full; 0, or -1 without memory. */
int
mo_table_grow(mo_table *table);

/* Makes sure of room for one more key; 0, or -1 without memory. */
static inline int
mo_table_reserve(mo_table *table)
{
    bool is_full = table->used >= table->capacity / 8 * 5;
    return is_full ? mo_table_grow(table) : 0;
}

/* The value of `key`, or `missing`. */
uint32_t
mo_table_get(const mo_table *table, uint64_t key, uint32_t missing);

/* Adds `key`, with `value` in a map.  1; 0 if it is there already, which
 * changes nothing; -1 without memory, with the table as it was. */
static inline int
mo_table_add(mo_table *table, uint64_t key, uint32_t value)
{
    if (mo_table_reserve(table) < 0) {
        return -1;
    }
    key = key != 0 ? key : 1;
    size_t i = mo_table_slot(table, key);
    if (table->keys[i] == key) {
        return 0;
    }
    table->keys[i] = key;
    if (table->is_map) {
        table->values[i] = value;
    }
    table->used++;
    return 1;
}

/* Where the value of `key` is in a map, 0 if it is new there; NULL without
 * memory. */
static inline uint32_t *
mo_table_value(mo_table *table, uint64_t key)
{
    if (mo_table_reserve(table) < 0) {
        return NULL;
    }
    key = key != 0 ? key : 1;
    size_t i = mo_table_slot(table, key);
    table->used += table->keys[i] == 0;
    table->keys[i] = key;
    return &table->values[i];
}

/* Where `key` is, with its note; 0 if it is new there, to be written: not as 0.
 * NULL without memory. */
static inline uint64_t *
mo_table_noted(mo_table *table, uint64_t key)
{
    if (mo_table_reserve(table) < 0) {
        return NULL;
    }
    uint64_t *there = &table->keys[mo_table_slot(table, key)];
    if (*there == 0) {
        table->used++;
    }
    return there;
}

void
mo_table_clear(mo_table *table);

/* Bytes that it owns. */
size_t
mo_table_bytes(const mo_table *table);

#endif
