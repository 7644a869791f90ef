/* lazymap.h - the door of the room that maps lazily.
 *
 * LazyMap applies functions to the items of its sources when they are asked
 * for and stores no result.  Objects own their functions and sources; state
 * is per iterator, and under the GIL. */
#ifndef MO_LAZYMAP_H
#define MO_LAZYMAP_H

#include "compat.h"

typedef struct mo_state mo_state;

/* What the room keeps in its module's state; owned references. */
typedef struct {
    PyTypeObject *types_go_here;
} mo_lazymap_state;

/* Adds the room's types and functions to the module; 0, or -1 with an
 * exception set. */
int
mo_lazymap_setup(PyObject *module, mo_state *state);

int
mo_lazymap_traverse(mo_state *state, visitproc visit, void *arg);

void
mo_lazymap_clear(mo_state *state);

#endif
