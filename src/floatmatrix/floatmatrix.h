/* floatmatrix.h - the door of the room that stores matrices without boxes.
 *
 * FloatMatrix keeps rows * columns C doubles or floats in one block, shared
 * by its row views and slices.  The block owns the memory or the buffer it
 * was taken from.  Other rooms read a matrix through the buffer protocol. */
#ifndef MO_FLOATMATRIX_H
#define MO_FLOATMATRIX_H

#include "compat.h"

typedef struct mo_state mo_state;

/* What the room keeps in its module's state; owned references. */
typedef struct {
    PyTypeObject *FloatMatrixType;
    PyTypeObject *FloatVectorType;
    /* Internal: not in the module's namespace. */
    PyTypeObject *StorageType;
    PyTypeObject *IteratorType;
    bool has_numpy; /* NumPy's C API has been looked up */
} mo_floatmatrix_state;

/* Adds the room's types and functions to the module; 0, or -1 with an
 * exception set. */
int
mo_floatmatrix_setup(PyObject *module, mo_state *state);

int
mo_floatmatrix_traverse(mo_state *state, visitproc visit, void *arg);

void
mo_floatmatrix_clear(mo_state *state);

#endif
