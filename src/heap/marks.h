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

typedef struct {
    mo_table index;  /* from MiB of address space to numbers of pages */
    uint64_t *pages; /* owned: used of them, one after the other */
    size_t used, capacity;
    uint64_t last_mib;   /* the MiB asked for last, plus 1; 0: none yet */
    uint64_t *last_page; /* borrowed from pages */
} mo_marks;

/* Adds an address: 1; 0 if it is there already; -1 without memory. */
int
mo_marks_add(mo_marks *marks, const void *address);

void
mo_marks_clear(mo_marks *marks);

/* Bytes that it owns. */
size_t
mo_marks_bytes(const mo_marks *marks);

#endif
