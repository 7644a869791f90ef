/* table.c - see table.h for what it keeps and who owns what. */
#include "internpool/table.h"

static_assert(sizeof(mo_entry) <= 16, "an entry takes at most 16 bytes");

/* At most 4 in 5 slots are taken: 10 to 20 bytes of slots an entry.  A search
 * that fails then reads 13 slots in the mean, a search that succeeds 3 (Knuth,
 * 6.4): one or two cache lines of 8 slots. */
#define MIN_SLOTS 8u
#define MAX_LOAD(slots) ((slots) / 5 * 4)

/* Entries grow by a quarter, so 16 bytes each become at most 20. */
#define ENTRY_GROWTH(capacity) ((capacity) / 4 + 8)

/* What a table without storage searches; never written, because its load is
 * at the limit from the start. */
static const mo_slot no_slots[1] = {{0, MO_NO_ENTRY}};

static bool
owns_slots(const mo_table *table)
{
    return table->slots != no_slots;
}

static uint32_t
max_count(const mo_table *table)
{
    return owns_slots(table) ? MAX_LOAD(table->mask + 1) : 0;
}

void
mo_table_init(mo_table *table, const mo_hash_key *key)
{
    *table = (mo_table){
        .slots = (mo_slot *)no_slots,
        .shift = 32,
        .tag_mask = UINT32_MAX,
        .key = key,
        .free_head = MO_NO_ENTRY,
    };
}

void
mo_table_free(mo_table *table)
{
    for (uint32_t i = 0; i < table->used; i++) {
        Py_XDECREF(table->entries[i].string);
    }
    PyMem_Free(table->entries);
    if (owns_slots(table)) {
        PyMem_Free(table->slots);
    }
    mo_table_init(table, table->key);
}

static uint32_t
tag_of(const mo_table *table, PyObject *string)
{
    return mo_table_tag(table, mo_hash_str(table->key, string));
}

/* Puts a slot into the first empty place from its home on. */
static void
place(mo_table *table, mo_slot slot)
{
    uint32_t i = mo_table_home(table, slot.tag);
    while (table->slots[i].index != MO_NO_ENTRY) {
        i = (i + 1) & table->mask;
    }
    table->slots[i] = slot;
}

/* Where the slot of an entry is; the entry must be in use. */
static uint32_t
slot_of(const mo_table *table, uint32_t index, uint32_t tag)
{
    uint32_t i = mo_table_home(table, tag);
    while (table->slots[i].index != index) {
        i = (i + 1) & table->mask;
    }
    return i;
}

/* Replaces the slots by n, a power of two.  0, or -1 and nothing changed. */
static int
resize_slots(mo_table *table, size_t n)
{
    const mo_table old = *table;
    mo_slot *slots = PyMem_New(mo_slot, n);
    if (slots == NULL) {
        return -1;
    }
    table->slots = slots;
    table->mask = (uint32_t)(n - 1);
    for (table->shift = 32; n > 1; n /= 2) {
        table->shift--;
    }
    for (uint32_t i = 0; i <= table->mask; i++) {
        slots[i] = no_slots[0];
    }
    for (uint32_t i = 0; i <= old.mask; i++) {
        if (old.slots[i].index != MO_NO_ENTRY) {
            place(table, old.slots[i]);
        }
    }
    if (owns_slots(&old)) {
        PyMem_Free(old.slots);
    }
    return 0;
}

static int
resize_entries(mo_table *table, size_t capacity)
{
    mo_entry *entries = table->entries;
    PyMem_Resize(entries, mo_entry, capacity);
    if (entries == NULL) {
        return -1;
    }
    table->entries = entries;
    table->capacity = (uint32_t)capacity;
    return 0;
}

int
mo_table_reserve(mo_table *table, uint32_t max_entries)
{
    assert(table->count < max_entries && max_entries <= MO_MAX_ENTRIES);
    if (table->count == max_count(table)) {
        size_t n =
            owns_slots(table) ? ((size_t)table->mask + 1) * 2 : MIN_SLOTS;
        if (resize_slots(table, n) < 0) {
            return -1;
        }
    }
    if (table->count == table->capacity) {
        uint32_t more = ENTRY_GROWTH(table->capacity);
        uint32_t most = max_entries - table->capacity;
        if (resize_entries(
                table, table->capacity + (more < most ? more : most)) < 0) {
            return -1;
        }
    }
    return 0;
}

uint32_t
mo_table_insert(mo_table *table, PyObject *string, uint64_t hash)
{
    uint32_t index = table->free_head;
    assert(table->count < max_count(table));
    if (index != MO_NO_ENTRY) {
        table->free_head = table->entries[index].next;
    }
    else {
        index = table->used++;
        assert(index < table->capacity);
    }
    table->entries[index] = (mo_entry){
        .string = Py_NewRef(string),
        .next = MO_NO_ENTRY,
        .prev = MO_NO_ENTRY,
    };
    place(table, (mo_slot){mo_table_tag(table, hash), index});
    table->count++;
    return index;
}

/* Empties a slot and moves those behind it up, each no further than its home,
 * until none of them would be missed by a search. */
static void
delete_slot(mo_table *table, uint32_t hole)
{
    mo_slot *slots = table->slots;
    uint32_t mask = table->mask;
    for (uint32_t i = (hole + 1) & mask; slots[i].index != MO_NO_ENTRY;
         i = (i + 1) & mask) {
        uint32_t from_home = (i - mo_table_home(table, slots[i].tag)) & mask;
        uint32_t from_hole = (i - hole) & mask;
        if (from_home >= from_hole) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole].index = MO_NO_ENTRY;
}

PyObject *
mo_table_remove(mo_table *table, uint32_t index, uint64_t hash)
{
    mo_entry *entry = &table->entries[index];
    PyObject *string = entry->string;
    delete_slot(table, slot_of(table, index, mo_table_tag(table, hash)));
    entry->string = NULL;
    entry->next = table->free_head;
    table->free_head = index;
    table->count--;
    return string;
}

void
mo_table_move(mo_table *table, uint32_t from, uint32_t to)
{
    uint32_t tag = tag_of(table, table->entries[from].string);
    assert(table->entries[to].string == NULL);
    table->slots[slot_of(table, from, tag)].index = to;
    table->entries[to] = table->entries[from];
    table->entries[from].string = NULL;
}

void
mo_table_trim(mo_table *table)
{
    table->used = table->count;
    table->free_head = MO_NO_ENTRY;
    if (table->count == 0) {
        uint32_t tag_mask = table->tag_mask;
        mo_table_free(table);
        table->tag_mask = tag_mask;
        return;
    }
    uint32_t n = MIN_SLOTS;
    while (MAX_LOAD(n) < table->count) {
        n *= 2;
    }
    /* Without memory for smaller arrays the larger ones stay. */
    if (n <= table->mask) {
        (void)resize_slots(table, n);
    }
    if (table->count < table->capacity) {
        (void)resize_entries(table, table->count);
    }
}

size_t
mo_table_nbytes(const mo_table *table)
{
    size_t slots = owns_slots(table) ? (size_t)table->mask + 1 : 0;
    return slots * sizeof(mo_slot) +
           (size_t)table->capacity * sizeof(mo_entry);
}

uint64_t
mo_table_probes(const mo_table *table)
{
    uint64_t probes = 0;
    for (uint32_t i = 0; i <= table->mask; i++) {
        if (table->slots[i].index != MO_NO_ENTRY) {
            uint32_t home = mo_table_home(table, table->slots[i].tag);
            probes += ((i - home) & table->mask) + 1;
        }
    }
    return probes;
}

/* Every taken slot belongs to a live entry, has its tag, and is where a
 * search for that entry ends: so no entry has two. */
static const char *
slots_fault(const mo_table *table)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i <= table->mask; i++) {
        mo_slot slot = table->slots[i];
        if (slot.index == MO_NO_ENTRY) {
            continue;
        }
        taken++;
        if (slot.index >= table->used ||
            table->entries[slot.index].string == NULL) {
            return "table: a slot names a free entry";
        }
        PyObject *string = table->entries[slot.index].string;
        if (slot.tag != tag_of(table, string)) {
            return "table: a slot's tag is not its string's";
        }
        for (uint32_t j = mo_table_home(table, slot.tag); j != i;
             j = (j + 1) & table->mask) {
            if (table->slots[j].index == MO_NO_ENTRY ||
                table->slots[j].index == slot.index) {
                return "table: a slot cannot be reached from its home";
            }
        }
    }
    return taken == table->count ? NULL : "table: slots and count differ";
}

static const char *
entries_fault(const mo_table *table)
{
    uint32_t live = 0, listed = 0;
    for (uint32_t i = 0; i < table->used; i++) {
        PyObject *string = table->entries[i].string;
        if (string == NULL) {
            continue;
        }
        live++;
        if (!PyUnicode_CheckExact(string)) {
            return "table: an entry holds something else than a str";
        }
        uint64_t hash = mo_hash_str(table->key, string);
        if (mo_table_find(table, string, hash) != i) {
            return "table: a resident string is not found, or there twice";
        }
    }
    for (uint32_t i = table->free_head; i != MO_NO_ENTRY;
         i = table->entries[i].next) {
        if (i >= table->used || table->entries[i].string != NULL ||
            listed++ == table->used) {
            return "table: the free list is broken";
        }
    }
    if (live != table->count || live + listed != table->used) {
        return "table: entries and count differ";
    }
    return NULL;
}

const char *
mo_table_fault(const mo_table *table)
{
    if ((uint64_t)table->mask + 1 != UINT64_C(1) << (32 - table->shift)) {
        return "table: shift and number of slots differ";
    }
    if (table->count > max_count(table)) {
        return "table: too many entries for the slots";
    }
    if (table->used > table->capacity) {
        return "table: more entries used than allocated";
    }
    const char *fault = slots_fault(table);
    return fault ? fault : entries_fault(table);
}
