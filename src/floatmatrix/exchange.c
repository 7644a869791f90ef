/* exchange.c - the memory of a FloatMatrix or FloatVector as a PEP 3118
 * buffer.
 *
 * An export pins nothing but itself: it counts in storage->exports, which
 * keeps the storage from being resized, and owns its object, which owns the
 * storage.  Shape and strides are the object's own; a matrix with exports
 * does not change them, so that it is exported before they are looked at. */
#include "floatmatrix/internal.h"

/* The requests that every exporter must check; as memoryview does. */
static int
check_request(const Py_buffer *buffer, int flags)
{
    const bool is_c = PyBuffer_IsContiguous(buffer, 'C');
    const bool is_f = PyBuffer_IsContiguous(buffer, 'F');
    const char *problem = NULL;
    if ((flags & PyBUF_WRITABLE) && buffer->readonly) {
        problem = "is not writable";
    }
    else if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !is_c) {
        problem = "is not C-contiguous";
    }
    else if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !is_f) {
        problem = "is not Fortran contiguous";
    }
    else if ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !is_c &&
             !is_f) {
        problem = "is not contiguous";
    }
    else if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !is_c) {
        problem = "is not C-contiguous, so strides must be requested";
    }
    else if (!(flags & PyBUF_ND) && (flags & PyBUF_FORMAT)) {
        problem = "has no format without a shape";
    }
    if (problem != NULL) {
        PyErr_Format(PyExc_BufferError, "%s: underlying buffer %s",
                     mo_view_name(buffer->obj), problem);
        return -1;
    }
    return 0;
}

/* What was not requested is left out, as PEP 3118 has it. */
static void
drop_unrequested(Py_buffer *buffer, int flags)
{
    if (!(flags & PyBUF_FORMAT)) {
        buffer->format = NULL;
    }
    if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES) {
        buffer->strides = NULL;
    }
    if (!(flags & PyBUF_ND)) {
        buffer->shape = NULL;
        buffer->ndim = 1;
    }
}

int
mo_view_getbuffer(PyObject *op, Py_buffer *buffer, int flags)
{
    mo_view *view = &View_CAST(op)->view;
    mo_storage_export(view->storage);
    const char typecode = view->storage->typecode;
    const Py_ssize_t size = mo_itemsize(typecode);
    *buffer = (Py_buffer){
        .obj = op,
        .buf = mo_view_at(view, 0, 0),
        .len = view->shape[0] * view->shape[1] * size,
        .itemsize = size,
        .readonly = view->storage->readonly,
        .ndim = view->ndim,
        .format = typecode == MO_FLOAT64 ? "d" : "f",
        .shape = (Py_ssize_t *)mo_view_shape(view),
        .strides = (Py_ssize_t *)mo_view_strides(view),
    };
    if (check_request(buffer, flags) < 0) {
        buffer->obj = NULL;
        mo_storage_unexport(view->storage);
        return -1;
    }
    drop_unrequested(buffer, flags);
    Py_INCREF(op);
    return 0;
}

void
mo_view_releasebuffer(PyObject *op, Py_buffer *buffer)
{
    mo_storage_unexport(View_CAST(op)->view.storage);
}
