/* foreign.h - memory of other objects, described alike wherever it is from.
 *
 * buffers.c fills one in from the buffer protocol and __array_interface__,
 * dlpack.c from __dlpack__; foreign.c shares or converts it. */
#ifndef MO_FLOATMATRIX_FOREIGN_H
#define MO_FLOATMATRIX_FOREIGN_H

#include "floatmatrix/internal.h"

typedef struct {
    char *first;           /* borrowed from buffer or owner: item [0, 0] */
    int ndim;              /* 0, 1 or 2: the number of axes it has ... */
    Py_ssize_t shape[2];   /* ... and always two here, the first ones 1 */
    Py_ssize_t strides[2]; /* bytes; any sign */
    bool readonly;
    char kind;        /* 'i' signed, 'u' unsigned, 'f' float, 'b' bool */
    int itemsize;     /* bytes: 1, 2, 4 or 8 */
    bool is_swapped;  /* not in this machine's byte order */
    Py_buffer buffer; /* owned if buffer.obj is not NULL */
    PyObject *owner;  /* owned; or NULL */
} mo_foreign;

/* Releases what it owns; also one that was never opened, if zeroed. */
void
mo_foreign_release(mo_foreign *foreign);

/* Each fills in a zeroed mo_foreign: 1, 0 if obj does not offer this, -1 with
 * an exception.  The caller releases it in each case. */
int
mo_foreign_from_buffer(mo_foreign *foreign, PyObject *obj);

int
mo_foreign_from_interface(mo_foreign *foreign, PyObject *obj);

int
mo_foreign_from_dlpack(mo_foreign *foreign, PyObject *obj);

/* Sets kind and itemsize; TypeError, naming the format, for items that are
 * not real numbers of a size known here. */
int
mo_foreign_set_type(mo_foreign *foreign, char kind, Py_ssize_t itemsize,
                    const char *format);

/* Sets shape and strides, ndim of each; no strides means C order, and so does
 * no items, whatever the strides.
 * ValueError for more than two axes. */
int
mo_foreign_set_layout(mo_foreign *foreign, int ndim, const Py_ssize_t *shape,
                      const Py_ssize_t *strides);

/* Makes a view of an opened block, shared or converted, as
 * mo_view_from_foreign() does.  What is shared leaves foreign. */
int
mo_foreign_take(mo_view *view, mo_floatmatrix_state *room, mo_foreign *foreign,
                int ndim, char typecode, mo_copy_mode mode);

#endif
