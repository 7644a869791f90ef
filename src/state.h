/* state.h - what one import of memopt._memopt owns.
 *
 * Every mutable datum of the extension lives in its module's mo_state, so
 * that several interpreters can each hold a memopt of their own.  A room
 * (a folder below src/) keeps its part in a struct of its own header and is
 * the only one to touch it; another room reaches it through that header's
 * functions.
 *
 * An mo_state pointer is borrowed from the module object: it is valid while
 * any object of a memopt type is alive, because each such object owns its
 * type and each type owns the module. */
#ifndef MO_STATE_H
#define MO_STATE_H

#include "compat.h"
#include "exactsum/exactsum.h"
#include "floatmatrix/floatmatrix.h"
#include "heap/heap.h"
#include "internpool/internpool.h"
#include "lazymap/lazymap.h"
#include "platform/memory_module.h"

struct mo_state {
    mo_lazymap_state lazymap;
    mo_internpool_state internpool;
    mo_exactsum_state exactsum;
    mo_floatmatrix_state floatmatrix;
    mo_heap_state heap;
    mo_memory_state memory;
};

/* The state behind a memopt type or a subclass of one.  Never NULL. */
mo_state *
mo_state_of(PyTypeObject *type);

#endif
