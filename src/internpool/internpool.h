/* internpool.h - the door of the room that keeps one copy of equal strings.
 *
 * InternPool is a bounded, evicting replacement for sys.intern.  It owns a
 * reference to every resident string and never runs Python code while its
 * table is being changed. */
#ifndef MO_INTERNPOOL_H
#define MO_INTERNPOOL_H

#include "internpool/hash.h"

typedef struct mo_state mo_state;

/* What the room keeps in its module's state. */
typedef struct {
    PyTypeObject *InternPoolType;     /* owned */
    PyTypeObject *InternPoolInfoType; /* owned; what cache_info() returns */
    PyTypeObject *DedupReportType;    /* owned; what dedup() returns */
    PyTypeObject *deque;              /* owned; collections.deque */
    traverseproc traverse_instance; /* of all classes that Python code makes */
    mo_hash_key key;                /* of all pools; set once */
} mo_internpool_state;

/* Adds the room's types and functions to the module; 0, or -1 with an
 * exception set. */
int
mo_internpool_setup(PyObject *module, mo_state *state);

int
mo_internpool_traverse(mo_state *state, visitproc visit, void *arg);

void
mo_internpool_clear(mo_state *state);

#endif
