/* generator.h - what a generator, coroutine or asynchronous generator that waits
 * has in its variables, without a frame object being made, which would stay. */
#ifndef MO_GENERATOR_H
#define MO_GENERATOR_H

#include "compat.h"

bool
mo_is_generator(PyObject *obj);

/* `name` is NULL for what is no variable, such as what it awaits. */
typedef int (*mo_visit_variable)(PyObject *name, PyObject *value,
                                 void *argument);

/* Its tp_traverse, which may tell of no variables while it runs.  What functions
 * within it use is in cells. */
int
mo_generator_traverse(PyObject *generator, mo_visit_variable visit,
                      void *argument);

/* The variables of one that waits, as a dict; TypeError for another object. */
PyObject *
mo_variables(PyObject *generator);

#endif
