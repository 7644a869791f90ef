/* buffer.h - the numbers in an exported buffer, into an accumulator.
 *
 * Any object with the buffer protocol (PEP 3118): array.array, memoryview,
 * bytes, ctypes arrays, NumPy arrays and scalars, FloatMatrix.  The view is
 * held while it is read and released before returning. */
#ifndef MO_EXACTSUM_BUFFER_H
#define MO_EXACTSUM_BUFFER_H

#include "exactsum/exactsum.h"
#include "exactsum/progress.h"

/* Stands for a buffer of any number of dimensions. */
#define MO_ANY_NDIM MO_MAX_NDIM

/* Adds every item of obj's buffer, which may have up to max_ndim dimensions
 * (0: one number), to *total, and their number to *count, which must be what
 * was really read so far and therefore cannot overflow.  A large one is read
 * without the GIL, in parts, after each of which the progress is reported.
 * 0, or -1 with an exception set and some of the items added: TypeError if
 * they are not real numbers of at most 64 bits, or what a report raised. */
int
mo_buffer_read(PyObject *obj, int max_ndim, mo_plan *plan,
               mo_progress *progress, mo_accumulator *total, int64_t *count);

#endif
