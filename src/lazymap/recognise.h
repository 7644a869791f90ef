/* recognise.h - which of a chain's functions are arithmetic, as programs.
 *
 * memopt/recognition.py decides; what it found is kept in the chain.  The
 * contract is that a program does what its callable does to exact ints and
 * floats, for as long as the callable has its guard: for a function its
 * code object, for a functools.partial its (func, args). */
#ifndef MO_LAZYMAP_RECOGNISE_H
#define MO_LAZYMAP_RECOGNISE_H

#include "lazymap/chain.h"

/* Finds the programs of a chain that takes n arguments, the first time: sets
 * chain->native and chain->reason.  0, or -1 with an exception.  Runs Python
 * code, but none of the callables. */
int
mo_chain_recognise(mo_lazymap_state *state, mo_chain *chain, Py_ssize_t n);

/* Whether tools watch the calls of this thread: a tracer, a profiler, or any
 * tool of sys.monitoring.  Sets no exception. */
bool
mo_is_watched(mo_lazymap_state *state);

/* Whether no partial has been changed (by __setstate__); sets no exception. */
bool
mo_chain_partials_are_current(mo_lazymap_state *state, const mo_chain *chain);

/* Whether every function that is a program still has its code. */
static inline bool
mo_chain_is_current(const mo_chain *chain)
{
    for (int i = 0; i < chain->native; i++) {
        const mo_stage *stage = &chain->stage[i];
        if (stage->guard != NULL && PyFunction_Check(stage->callable) &&
            PyFunction_GET_CODE(stage->callable) != stage->guard) {
            return false;
        }
    }
    return true;
}

#endif
