/* heap.h - the door of the room behind memopt.advise: the heap scan. */
#ifndef MO_HEAP_H
#define MO_HEAP_H

#include "compat.h"

typedef struct {
    Py_ssize_t waiting; /* threads in mo_elsewhere; with the GIL */
    int collects;       /* whether the collector is to run after them */
} mo_heap_state;

/* Adds the room's function to the module; 0, or -1 with an exception set. */
int
mo_heap_setup(PyObject *module);

#endif
