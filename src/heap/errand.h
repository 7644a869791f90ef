/* errand.h - has another thread do something: the main one between two
 * instructions, or a new one while the caller waits; and knows whether a thread
 * has a tracer. */
#ifndef MO_ERRAND_H
#define MO_ERRAND_H

#include "compat.h"

/* Asks for a call of `callable`, without arguments; True, or False if too much
 * else was asked of the main thread before. */
PyObject *
mo_ask_main_thread(PyObject *module, PyObject *callable);

/* (start_new_thread, patience, callable, items): unless the list is empty, a new
 * thread calls callable(items, identifier of the calling thread), which waits until
 * there is no such thread any more, for `patience` seconds at most, and runs no Python
 * code, so no handler of a signal; the collector does not run meanwhile.  True, or
 * False if there could be no thread, or it went on for longer. */
PyObject *
mo_elsewhere(PyObject *module, PyObject *args);

/* In a child of fork: no thread waits there for one of those any more. */
PyObject *
mo_forget_waiting(PyObject *module, PyObject *ignored);

/* Waits until the system has no such thread any more, where it tells. */
PyObject *
mo_wait_for_thread(PyObject *module, PyObject *native_id);

/* Whether a thread has a tracer or profiler, which may be about to write a frame's
 * f_locals back into its variables, as CPython does up to 3.12. */
PyObject *
mo_is_traced(PyObject *module, PyObject *ignored);

#endif
