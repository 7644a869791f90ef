/* errand.h - has the main thread do something between two instructions. */
#ifndef MO_ERRAND_H
#define MO_ERRAND_H

#include "compat.h"

/* Asks for a call of `callable`, without arguments; True, or False if too much
 * else was asked of the main thread before. */
PyObject *
mo_ask_main_thread(PyObject *module, PyObject *callable);

#endif
