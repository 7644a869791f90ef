/* dispatch.h - which kernel sums, and what tests may ask about it.
 *
 * The choice is a datum of the module's state, made at import. */
#ifndef MO_EXACTSUM_DISPATCH_H
#define MO_EXACTSUM_DISPATCH_H

#include "exactsum/exactsum.h"

/* Chooses the best kernel, and adds the private functions _isas, _set_isa,
 * _sum_steps and _sum_attempt to the module; 0, or -1 with an exception. */
int
mo_dispatch_setup(PyObject *module, mo_state *state);

#endif
