/* table.h - the hash table of resident strings, and the entries it finds.
 *
 * Open addressing with linear probing and backward-shift deletion (Knuth,
 * TAOCP vol. 3, section 6.4, algorithms L and R).  A slot holds the 32 bits of
 * the hash that place it, so that growth touches no string.  An entry in use
 * keeps its index, but for mo_table_move(); others may link it by that.
 *
 * The table owns its arrays and one reference to each resident string.  The
 * caller locks.  No Python code runs: only exact strs get in. */
#ifndef MO_INTERNPOOL_TABLE_H
#define MO_INTERNPOOL_TABLE_H

#include "internpool/hash.h"

/* Indices have 30 bits, so that an entry takes 16 bytes; the last is none. */
#define MO_NO_ENTRY UINT32_C(0x3fffffff)
#define MO_MAX_ENTRIES MO_NO_ENTRY /* indices 0 .. MO_NO_ENTRY - 1 */

/* All but the string belong to the queue that links the entry, see queue.h;
 * the free list uses `next`.  Links are indices, MO_NO_ENTRY at the ends. */
typedef struct {
    PyObject *string;    /* owned, an exact str; NULL in a free entry */
    uint32_t next : 30;  /* toward the tail */
    uint32_t visits : 2; /* hits that it has not spent yet, at most 3 */
    uint32_t prev : 30;  /* toward the head */
    uint32_t queue : 2;  /* which one, see queue.h */
} mo_entry;

typedef struct {
    uint32_t tag;   /* upper half of the string's hash; any if empty */
    uint32_t index; /* of the entry; MO_NO_ENTRY marks an empty slot */
} mo_slot;

typedef struct {
    mo_slot *slots;         /* owned but for the shared empty one: mask + 1 */
    uint32_t mask;          /* number of slots, a power of two, less one */
    uint8_t shift;          /* 32 - log2(number of slots) */
    uint32_t tag_mask;      /* all ones but in tests that force collisions */
    const mo_hash_key *key; /* borrowed from the module's state */
    mo_entry *entries;      /* owned, `capacity` of them; NULL if none */
    uint32_t capacity;      /* entries allocated, 0 .. MO_MAX_ENTRIES */
    uint32_t used;          /* entries in use or free listed: 0 .. used - 1 */
    uint32_t count;         /* entries in use */
    uint32_t free_head;     /* first free entry, MO_NO_ENTRY if none */
} mo_table;

/* An empty table that owns nothing yet. */
void
mo_table_init(mo_table *table, const mo_hash_key *key);

/* Releases the strings and the arrays. */
void
mo_table_free(mo_table *table);

/* Makes room for one more entry; at most max_entries are allocated.  0, or
 * -1 without an exception and the table as it was. */
int
mo_table_reserve(mo_table *table, uint32_t max_entries);

/* Adds a string that is not there and gives its entry, all links unset.
 * Room must have been reserved.  Takes a reference of its own. */
uint32_t
mo_table_insert(mo_table *table, PyObject *string, uint64_t hash);

/* Frees the entry and gives its string, with the table's reference. */
PyObject *
mo_table_remove(mo_table *table, uint32_t index, uint64_t hash);

/* Moves an entry to a free index, which does not leave the free list: only
 * for use before mo_table_trim(). */
void
mo_table_move(mo_table *table, uint32_t from, uint32_t to);

/* Gives unneeded memory back, as far as it can.  Entries 0 .. count - 1 must
 * be those in use. */
void
mo_table_trim(mo_table *table);

/* Bytes of the arrays. */
size_t
mo_table_nbytes(const mo_table *table);

/* Slots read in searching once for each resident: what hashes are worth. */
uint64_t
mo_table_probes(const mo_table *table);

/* NULL, or what is wrong: checks every invariant.  O(capacity). */
const char *
mo_table_fault(const mo_table *table);

static inline uint32_t
mo_table_tag(const mo_table *table, uint64_t hash)
{
    return (uint32_t)(hash >> 32) & table->tag_mask;
}

/* The slot where the search for a tag begins. */
static inline uint32_t
mo_table_home(const mo_table *table, uint32_t tag)
{
    return (uint32_t)((uint64_t)tag >> table->shift);
}

/* A search: the slots from the home of a tag on, as far as they are taken. */
typedef struct {
    uint32_t tag;
    uint32_t place; /* of the next slot to look at, below 2 * (mask + 1) */
} mo_search;

static inline mo_search
mo_table_search(const mo_table *table, uint64_t hash)
{
    uint32_t tag = mo_table_tag(table, hash);
    return (mo_search){tag, mo_table_home(table, tag)};
}

/* The next entry whose string may be the one sought; MO_NO_ENTRY at the end.
 * A tag may match by chance or malice: always compare strings in full. */
static inline uint32_t
mo_table_next(const mo_table *table, mo_search *search)
{
    for (;;) {
        mo_slot slot = table->slots[search->place++ & table->mask];
        if (slot.tag == search->tag || slot.index == MO_NO_ENTRY) {
            return slot.index;
        }
    }
}

/* The entry of the equal string, or MO_NO_ENTRY. */
static inline uint32_t
mo_table_find(const mo_table *table, PyObject *string, uint64_t hash)
{
    mo_search search = mo_table_search(table, hash);
    uint32_t index = mo_table_next(table, &search);
    while (index != MO_NO_ENTRY &&
           !mo_str_equal(table->entries[index].string, string)) {
        index = mo_table_next(table, &search);
    }
    return index;
}

static inline uint32_t
mo_table_find_text(const mo_table *table, const mo_text *text, uint64_t hash)
{
    mo_search search = mo_table_search(table, hash);
    uint32_t index = mo_table_next(table, &search);
    while (index != MO_NO_ENTRY &&
           !mo_str_equal_text(table->entries[index].string, text)) {
        index = mo_table_next(table, &search);
    }
    return index;
}

/* The search in steps, each of which fetches into the processor's cache what
 * the next one reads, so that those of many strings can overlap. */
static inline void
mo_table_fetch_slot(const mo_table *table, uint64_t hash)
{
    MO_PREFETCH(&table->slots[mo_table_search(table, hash).place]);
}

/* Needs the slot. */
static inline uint32_t
mo_table_fetch_entry(const mo_table *table, uint64_t hash)
{
    mo_search search = mo_table_search(table, hash);
    uint32_t index = mo_table_next(table, &search);
    if (index != MO_NO_ENTRY) {
        MO_PREFETCH(&table->entries[index]);
    }
    return index;
}

/* Needs the entry, of an index that mo_table_fetch_entry() gave. */
static inline void
mo_table_fetch_string(const mo_table *table, uint32_t index)
{
    if (index != MO_NO_ENTRY) {
        mo_str_fetch(table->entries[index].string);
    }
}

#endif
