/* marks.h - a set of objects, kept as one bit for each address that an object
 * can have.
 *
 * Plain C, as table.h is; the owner zeroes it and clears it.  A page of bits
 * is made for each MiB of addresses that has a member, which is the size of
 * CPython's arenas: 1/128 of the heap at most, where a table of addresses took
 * eight times as much, and neighbours share a cache line.
 * Objects never lie closer together than the two pointers of their header. */
#ifndef MO_HEAP_MARKS_H
#define MO_HEAP_MARKS_H

#include "heap/table.h"

/* A page asked for lately: of which MiB, plus 1; 0: none. */
typedef struct {
    uint64_t mib;
    size_t page;
} mo_recent_page;

#define MO_RECENT_PAGES 256

typedef struct {
    mo_table
        index; /* from MiB of address space, plus 1, to numbers of pages */
    uint64_t *pages; /* owned: used of them, one after the other */
    size_t used, capacity;
    mo_recent_page recent[MO_RECENT_PAGES];
} mo_marks;

#define MO_MIB_SHIFT 20
#define MO_PLACE_BYTES (2 * sizeof(void *))
#define MO_PLACES_PER_PAGE (((size_t)1 << MO_MIB_SHIFT) / MO_PLACE_BYTES)

/* The number of the page of a MiB (plus 1), made if need be; SIZE_MAX without
 * memory. */
size_t
mo_marks_page(mo_marks *marks, uint64_t mib);

/* The word and bit of an address; NULL without memory. */
static inline uint64_t *
mo_marks_word(mo_marks *marks, const void *address, uint64_t *bit)
{
    const uint64_t mib = ((uint64_t)(uintptr_t)address >> MO_MIB_SHIFT) + 1;
    const mo_recent_page *recent = &marks->recent[mib % MO_RECENT_PAGES];
    const size_t page =
        recent->mib == mib ? recent->page : mo_marks_page(marks, mib);
    if (page == SIZE_MAX) {
        return NULL;
    }
    const size_t place = page * MO_PLACES_PER_PAGE + (uintptr_t)address /
                                                         MO_PLACE_BYTES %
                                                         MO_PLACES_PER_PAGE;
    *bit = UINT64_C(1) << place % 64;
    return &marks->pages[place / 64];
}

/* Adds an address: 1; 0 if it is there already; -1 without memory. */
static inline int
mo_marks_add(mo_marks *marks, const void *address)
{
    uint64_t bit, *word = mo_marks_word(marks, address, &bit);
    if (word == NULL) {
        return -1;
    }
    const bool is_new = (*word & bit) == 0;
    *word |= bit;
    return is_new;
}

/* Whether it is there: 1 or 0; -1 without memory. */
static inline int
mo_marks_has(mo_marks *marks, const void *address)
{
    uint64_t bit, *word = mo_marks_word(marks, address, &bit);
    return word != NULL ? (*word & bit) != 0 : -1;
}

void
mo_marks_clear(mo_marks *marks);

/* Bytes that it owns. */
size_t
mo_marks_bytes(const mo_marks *marks);

#endif
