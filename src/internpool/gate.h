/* gate.h - whether strings that come for the first time are worth a place.
 *
 * Data that hardly repeats makes a full pool work for nothing: each string
 * drives another out and is driven out in turn.  So calls are counted in
 * windows; after one in which too few asked for something known, the gate is
 * closed: a new string is only remembered in the ghost, and admitted when it
 * comes again while it is.  Once enough do, the gate opens.  (PyPy's JSON
 * decoder turns its caches of strings off by such a sample.)
 *
 * Only misses of a full pool look at it, so hits cost nothing.  The caller
 * locks. */
#ifndef MO_INTERNPOOL_GATE_H
#define MO_INTERNPOOL_GATE_H

#include "compat.h"

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
