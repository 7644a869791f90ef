/* admission.c - the ghost of admission.h. */
#include "internpool/admission.h"

void
mo_ghost_free(mo_ghost *ghost)
{
    PyMem_Free(ghost->fingerprints);
    *ghost = (mo_ghost){NULL, 0};
}

int
mo_ghost_reserve(mo_ghost *ghost, uint32_t count, uint32_t size)
{
    assert(count <= size);
    if (count <= ghost->size) {
        return 0;
    }
    /* Places depend on the size, so a new ghost starts with no memory. */
    uint16_t *fingerprints = PyMem_Calloc(size, sizeof *fingerprints);
    if (fingerprints == NULL) {
        return -1;
    }
    PyMem_Free(ghost->fingerprints);
    *ghost = (mo_ghost){fingerprints, size};
    return 0;
}

/* The place of a hash; there must be one.  Its upper half chooses it, the
 * 16 bits below are the fingerprint, so that the two are independent. */
static uint16_t *
place_of(const mo_ghost *ghost, uint64_t hash)
{
    return &ghost->fingerprints[(hash >> 32) * ghost->size >> 32];
}

static uint16_t
fingerprint_of(uint64_t hash)
{
    uint16_t bits = (uint16_t)(hash >> 16);
    return (uint16_t)(bits + (bits == 0));
}

bool
mo_ghost_recall(mo_ghost *ghost, uint64_t hash)
{
    if (ghost->size == 0) {
        return false;
    }
    uint16_t *place = place_of(ghost, hash);
    bool known = *place == fingerprint_of(hash);
    if (known) {
        *place = 0;
    }
    return known;
}

void
mo_ghost_remember(mo_ghost *ghost, uint64_t hash)
{
    if (ghost->size > 0) {
        *place_of(ghost, hash) = fingerprint_of(hash);
    }
}

size_t
mo_ghost_nbytes(const mo_ghost *ghost)
{
    return ghost->size * sizeof *ghost->fingerprints;
}
