/* lazymap.h - the door of the room that maps lazily.
 *
 * LazyMap applies functions to the items of its sources when they are asked
 * for and stores no result.  A LazyMap is sources (source.h, cursor.h), a
 * chain of functions and predicates to run on their items (chain.h), and,
 * for a slice, a window on the indices (window.h).  Objects own their
 * functions and sources; what moves is in iterators and caches, each of which
 * has a critical section.  Any callback may re-enter any object, as may other
 * threads whenever Python code runs: functions are called outside of it. */
#ifndef MO_LAZYMAP_H
#define MO_LAZYMAP_H

#include "compat.h"
#include "lazymap/operations.h"

typedef struct mo_state mo_state;

/* Attribute names that the room looks up.  They are interned once, because
 * CPython's attribute cache keeps each new string that it is asked for. */
typedef enum {
    MO_NAME_APPEND,
    MO_NAME_ARGS,
    MO_NAME_FUNC,
    MO_NAME_GETSTATE,
    MO_NAME_REDUCE_EX,
    MO_NAME_SETSTATE,
    MO_NAME_START,
    MO_NAME_STEP,
    MO_NAME_STOP,
    MO_NAMES, /* how many */
} mo_lazymap_name;

/* What was found out about callables: a few of them, so that the same lambda
 * in a loop, or a comprehension, is looked at once. */
#define MO_KNOWN_CALLABLES 64
#define MO_KNOWN_GROUP 4 /* among which one is looked for */

typedef struct {
    PyObject *key;        /* owned: a function's code, or another callable that
                             cannot change; NULL: free */
    PyObject *answer;     /* owned: of memopt.recognition.recognise */
    Py_ssize_t arguments; /* that it was asked about */
} mo_known_callable;

/* What the room keeps in its module's state; owned references. */
typedef struct {
    PyTypeObject *lazymap_type;        /* LazyMap: the re-iterable kinds */
    PyTypeObject *oneshot_type;        /* LazyMapIterator, its subtype */
    PyTypeObject *iterator_type;       /* what iter() of a LazyMap returns */
    PyTypeObject *chain_type;          /* mo_chain, never seen by callers */
    PyTypeObject *program_type;        /* mo_program, neither */
    PyTypeObject *cache_type;          /* the source that .cached() makes */
    PyTypeObject *slices_type;         /* .batched() over Sequences */
    PyTypeObject *tuples_type;         /* .batched() over the rest */
    PyTypeObject *tuple_iterator_type; /* what iter() of those returns */
    PyObject *identity;                /* the chain of no stages */
    PyObject *sequence_abc;            /* collections.abc.Sequence */
    PyObject *restore;                 /* _restore_lazymap, for pickles */
    PyObject *restore_iterator;        /* _restore_lazymap_iterator */
    PyObject *array_type;              /* array.array; NULL before its use */
    PyObject *recogniser;              /* memopt.recognition.recognise; NULL
                                          before its use */
    PyObject *closed_forms;            /* memopt.closed_forms; NULL before */
    PyObject *get_tool;                /* sys.monitoring.get_tool, or NULL */
    mo_known_callable known[MO_KNOWN_CALLABLES]; /* in groups by the
                                          key's address, latest first */
    const mo_operations *operations; /* static: those of new programs */
    Py_ssize_t short_pass;           /* items; shorter ones are called */
    PyObject *name[MO_NAMES];        /* interned str, by mo_lazymap_name */
} mo_lazymap_state;

/* Adds the room's types and functions to the module; 0, or -1 with an
 * exception set. */
int
mo_lazymap_setup(PyObject *module, mo_state *state);

int
mo_lazymap_traverse(mo_state *state, visitproc visit, void *arg);

void
mo_lazymap_clear(mo_state *state);

#endif
