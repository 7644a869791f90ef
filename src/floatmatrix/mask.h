/* mask.h - what where= means: the items of a matrix that count.
 *
 * A mask lends bytes, not zero where an item counts, each with its place in
 * the matrix by strides.  They are the memory of the argument, held as a
 * buffer, or a copy that the mask owns. */
#ifndef MO_FLOATMATRIX_MASK_H
#define MO_FLOATMATRIX_MASK_H

#include "floatmatrix/view.h"

typedef struct {
    const char *bytes;     /* that of item [0, 0] */
    Py_ssize_t strides[2]; /* to the next row, the next column; 0: the same */
    Py_buffer buffer;      /* owned if buffer.obj is not NULL */
    char *copy;            /* owned (PyMem), or NULL */
} mo_mask;

/* A bool, or bools in a buffer or in nested sequences, of any shape that
 * broadcasts to the view's as NumPy has it.  0, or -1 with TypeError or
 * ValueError set and nothing to release.  May run Python code. */
int
mo_mask_from(mo_mask *mask, PyObject *where, const mo_view *view);

void
mo_mask_release(mo_mask *mask);

#endif
