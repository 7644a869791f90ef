/* admission.h - whether a string that comes for the first time gets a place.
 *
 * The ghost is a memory of strings that are not resident, 2 bytes for each:
 * direct-mapped fingerprints.  One stays until another falls on its place,
 * after as many as there are places in the mean.  Against an exact FIFO of
 * hashes that costs 0 to 1 points of hit ratio, and saves 9 bytes in 10.
 *
 * The gate: data that hardly repeats makes a full pool work for nothing, each
 * string driving another out and being driven out in turn.  So calls are
 * counted in windows; after one in which too few asked for something known,
 * the gate is closed: a new string is only remembered in the ghost, and
 * admitted when it comes again while it is.  Once enough do, the gate opens.
 * (PyPy's JSON decoder turns its caches of strings off by such a sample.)
 *
 * Only misses of a full pool look at either, so hits cost nothing.  A ghost
 * owns its array and nothing else; the caller locks. */
#ifndef MO_INTERNPOOL_ADMISSION_H
#define MO_INTERNPOOL_ADMISSION_H

#include "compat.h"

/* --- the ghost --------------------------------------------------------- */

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

/* The place of a hash; there must be one.  Its upper half chooses it, the
 * 16 bits below are the fingerprint, so that the two are independent. */
static inline uint16_t *
mo_ghost_place(const mo_ghost *ghost, uint64_t hash)
{
    return &ghost->fingerprints[(hash >> 32) * ghost->size >> 32];
}

static inline uint16_t
mo_ghost_fingerprint(uint64_t hash)
{
    uint16_t bits = (uint16_t)(hash >> 16);
    return (uint16_t)(bits + (bits == 0));
}

/* Whether a string of this hash was remembered lately; forgets that it was. */
static inline bool
mo_ghost_recall(mo_ghost *ghost, uint64_t hash)
{
    if (ghost->size == 0) {
        return false;
    }
    uint16_t *place = mo_ghost_place(ghost, hash);
    bool known = *place == mo_ghost_fingerprint(hash);
    if (known) {
        *place = 0;
    }
    return known;
}

static inline void
mo_ghost_remember(mo_ghost *ghost, uint64_t hash)
{
    if (ghost->size > 0) {
        *mo_ghost_place(ghost, hash) = mo_ghost_fingerprint(hash);
    }
}

/* Bytes of the array. */
size_t
mo_ghost_nbytes(const mo_ghost *ghost);

/* --- the gate ---------------------------------------------------------- */

/* The least calls in a window: short enough to notice a change, long enough
 * that one in 20 is 200. */
#define MO_GATE_WINDOW 4096

/* One call in so many has to ask for something known. */
#define MO_GATE_SHARE 20

typedef struct {
    bool adaptive;    /* if not, it never closes */
    bool closed;      /* found so at the end of the last window */
    uint64_t calls;   /* of the pool, when this window began */
    uint64_t repeats; /* calls for something known, likewise */
} mo_gate;

/* Ends the window if it is long enough; whether the gate is closed now. */
static inline bool
mo_gate_is_closed(mo_gate *gate, uint64_t calls, uint64_t repeats)
{
    if (gate->adaptive && calls - gate->calls >= MO_GATE_WINDOW) {
        gate->closed =
            (repeats - gate->repeats) * MO_GATE_SHARE < calls - gate->calls;
        gate->calls = calls;
        gate->repeats = repeats;
    }
    return gate->closed;
}

/* Begins anew, open, when the counts begin anew. */
static inline void
mo_gate_reset(mo_gate *gate)
{
    *gate = (mo_gate){.adaptive = gate->adaptive};
}

#endif
