/* exactsum.h - the door of the room that sums floats without error.
 *
 * fsum, the ExactSum type, and the accumulator they share with
 * FloatMatrix: every sum here is the infinitely precise one, rounded once. */
#ifndef MO_EXACTSUM_H
#define MO_EXACTSUM_H

#include "compat.h"
#include "exactsum/accumulator.h"

typedef struct mo_state mo_state;

/* What the room keeps in its module's state; owned references. */
typedef struct {
    PyTypeObject *types_go_here;
} mo_exactsum_state;

/* Adds the room's types and functions to the module; 0, or -1 with an
 * exception set. */
int
mo_exactsum_setup(PyObject *module, mo_state *state);

int
mo_exactsum_traverse(mo_state *state, visitproc visit, void *arg);

void
mo_exactsum_clear(mo_state *state);

#endif
