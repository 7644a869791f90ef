/* internpool.c - see internpool.h. */
#include "internpool/internpool.h"

#include "state.h"

int
mo_internpool_setup(PyObject *module, mo_state *state)
{
    return 0;
}

int
mo_internpool_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->internpool.types_go_here);
    return 0;
}

void
mo_internpool_clear(mo_state *state)
{
    Py_CLEAR(state->internpool.types_go_here);
}
