/* memory_module.h - the module functions about this process's memory. */
#ifndef MO_PLATFORM_MEMORY_MODULE_H
#define MO_PLATFORM_MEMORY_MODULE_H

#include "compat.h"

typedef struct mo_state mo_state;

/* What these functions keep in their module's state. */
typedef struct {
    PyTypeObject *MemoryInfoType; /* owned */
    void *job; /* what mo_memory_limit keeps: the system's, never freed */
} mo_memory_state;

/* Adds the functions and their type to the module; 0, or -1 with an exception
 * set. */
int
mo_memory_setup(PyObject *module, mo_state *state);

int
mo_memory_traverse(mo_state *state, visitproc visit, void *arg);

void
mo_memory_clear(mo_state *state);

#endif
