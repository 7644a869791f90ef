/* fsum.h - the module function memopt.fsum. */
#ifndef MO_EXACTSUM_FSUM_H
#define MO_EXACTSUM_FSUM_H

#include "exactsum/exactsum.h"

/* Adds it to the module; 0, or -1 with an exception set. */
int
mo_fsum_setup(PyObject *module);

#endif
