/* errand.h - has the main thread do something between two instructions, and
 * knows whether that, or another, has a tracer. */
#ifndef MO_ERRAND_H
#define MO_ERRAND_H

#include "compat.h"

/* Asks for a call of `callable`, without arguments; True, or False if too much
 * else was asked of the main thread before. */
PyObject *
mo_ask_main_thread(PyObject *module, PyObject *callable);

/* Whether a thread has a tracer or profiler, which may be about to write a frame's
 * f_locals back into its variables, as CPython does up to 3.12. */
PyObject *
mo_is_traced(PyObject *module, PyObject *ignored);

#endif
