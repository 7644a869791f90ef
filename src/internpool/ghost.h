/* ghost.h - a memory of strings that are not resident: 2 bytes for each.
 *
 * Direct-mapped fingerprints: one stays until another falls on its place,
 * after as many as there are places in the mean.  Against an exact FIFO of
 * hashes that costs 0 to 1 points of hit ratio, and saves 9 bytes in 10.
 *
 * Owns its array and nothing else; the caller locks. */
#ifndef MO_INTERNPOOL_GHOST_H
#define MO_INTERNPOOL_GHOST_H

#include "compat.h"

typedef struct {
    uint16_t *fingerprints; /* owned, 0 in an empty place; NULL if none */
    uint32_t size;          /* number of places */
} mo_ghost;

/* Forgets everything and gives the memory back. */
void
mo_ghost_free(mo_ghost *ghost);

/* Sees that there are `count` places or more; if not, makes `size` of them,
 * all empty.  0, or -1 without an exception and nothing changed. */
int
mo_ghost_reserve(mo_ghost *ghost, uint32_t count, uint32_t size);

/* Whether a string of this hash was remembered lately; forgets that it was. */
bool
mo_ghost_recall(mo_ghost *ghost, uint64_t hash);

void
mo_ghost_remember(mo_ghost *ghost, uint64_t hash);

/* Bytes of the array. */
size_t
mo_ghost_nbytes(const mo_ghost *ghost);

#endif
