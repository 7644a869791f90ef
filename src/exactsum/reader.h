/* reader.h - numbers in Python objects, into an exact sum.
 *
 * Runs Python code (iterators, __float__, __buffer__): a caller reads into an
 * mo_sum that nothing else can reach and merges it when all is read.  Each
 * function returns 0, or -1 with an exception set and `sum` holding some of
 * the numbers.  `state` is borrowed for the call. */
#ifndef MO_EXACTSUM_READER_H
#define MO_EXACTSUM_READER_H

#include "exactsum/exactsum.h"

/* One number: what math.fsum takes as an item, an ExactSum, or a buffer of
 * no dimensions, such as a NumPy scalar. */
int
mo_read_number(mo_state *state, PyObject *x, mo_sum *sum);

/* A number, or what mo_sum_read takes. */
int
mo_read_any(mo_state *state, PyObject *obj, mo_sum *sum);

#endif
