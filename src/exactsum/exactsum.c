/* exactsum.c - see exactsum.h. */
#include "exactsum/exactsum.h"

#include "state.h"

int
mo_exactsum_setup(PyObject *module, mo_state *state)
{
    return 0;
}

int
mo_exactsum_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->exactsum.types_go_here);
    return 0;
}

void
mo_exactsum_clear(mo_state *state)
{
    Py_CLEAR(state->exactsum.types_go_here);
}
