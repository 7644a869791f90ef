/* lazymap.c - see lazymap.h. */
#include "lazymap/lazymap.h"

#include "state.h"

int
mo_lazymap_setup(PyObject *module, mo_state *state)
{
    return 0;
}

int
mo_lazymap_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->lazymap.types_go_here);
    return 0;
}

void
mo_lazymap_clear(mo_state *state)
{
    Py_CLEAR(state->lazymap.types_go_here);
}
