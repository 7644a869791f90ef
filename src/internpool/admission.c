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

size_t
mo_ghost_nbytes(const mo_ghost *ghost)
{
    return ghost->size * sizeof *ghost->fingerprints;
}
