/* floatmatrix.c - see floatmatrix.h. */
#include "floatmatrix/floatmatrix.h"

#include "state.h"

int
mo_floatmatrix_setup(PyObject *module, mo_state *state)
{
    return 0;
}

int
mo_floatmatrix_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->floatmatrix.types_go_here);
    return 0;
}

void
mo_floatmatrix_clear(mo_state *state)
{
    Py_CLEAR(state->floatmatrix.types_go_here);
}
