/* internal.h - what the files of this room know of each other's objects.
 *
 * Each type is in the .c file named with it.  No other room includes this. */
#ifndef MO_LAZYMAP_INTERNAL_H
#define MO_LAZYMAP_INTERNAL_H

#include "lazymap/chain.h"
#include "lazymap/lazymap.h"
#include "lazymap/source.h"
#include "lazymap/window.h"

typedef struct mo_consumer mo_consumer; /* see native.h */

/* --- lazymap.c, view.c: LazyMap ---------------------------------------- */

/* A LazyMap never changes, but for a LazyMapIterator's sources. */
typedef struct {
    PyObject_HEAD
    mo_lazymap_state *state; /* borrowed from the module, see state.h */
    mo_chain *chain;         /* owned; empty only over a single source */
    PyObject *sources;       /* owned tuple, not empty; NULL once a
                                LazyMapIterator is exhausted */
    PyObject *weakrefs;      /* for weakref.ref; may be NULL */
    mo_window window;        /* which items of the sources, if frozen */
    mo_kind kind;            /* of the sources and the chain together */
    bool frozen;             /* a slice: window decides, not the sources */
    bool strict;             /* the sources must end together */
    bool may_pull;           /* len() may read an iterator to its end */
} mo_lazymap;

/* The sources, a new reference; NULL once a LazyMapIterator is exhausted. */
static inline PyObject *
mo_lazymap_sources(PyObject *op)
{
    PyObject *sources;
    MO_BEGIN_CRITICAL_SECTION(op);
    sources = Py_XNewRef(((mo_lazymap *)op)->sources);
    MO_END_CRITICAL_SECTION();
    return sources;
}

/* A new LazyMap of class `cls`; or, over a one-shot iterator, what stands
 * for one.  window may be NULL, and must be unless all are Sequences. */
PyObject *
mo_lazymap_make(mo_lazymap_state *state, PyTypeObject *cls, mo_chain *chain,
                PyObject *sources, const mo_window *window, bool strict);

/* True if a range is its only source: items and slices are then that range's,
 * whose indices need not fit in Py_ssize_t, and no slice needs a window. */
static inline bool
mo_lazymap_is_range(const mo_lazymap *self)
{
    return PyTuple_GET_SIZE(self->sources) == 1 &&
           mo_is_range(PyTuple_GET_ITEM(self->sources, 0));
}

/* As mo_source_length. */
Py_ssize_t
mo_lazymap_length(mo_lazymap *self, Py_ssize_t limit);

/* self[index], index >= 0, for the kind MO_SEQUENCE. */
PyObject *
mo_lazymap_item(mo_lazymap *self, Py_ssize_t index);

/* self[slice] for the kind MO_SEQUENCE. */
PyObject *
mo_lazymap_slice(mo_lazymap *self, PyObject *slice);

/* The ValueError of strict=True: the source of that number (from 0), the
 * first to do so, is shorter or longer than those before it. */
void
mo_raise_unequal(Py_ssize_t source, bool longer);

/* Sets the TypeError that says why `self` has not got what was asked for
 * (`refusal`: "has no len()", "cannot be indexed"...), and what does. */
void
mo_lazymap_refuse(mo_lazymap *self, const char *refusal);

/* Slots and methods that LazyMapIterator shares or that have own files. */
int
mo_lazymap_traverse_fields(PyObject *op, visitproc visit, void *arg);

void
mo_lazymap_release_fields(PyObject *op);

PyObject *
mo_lazymap_repr(PyObject *op); /* repr.c */

int
mo_lazymap_contains(PyObject *op, PyObject *value); /* search.c */

PyObject *
mo_lazymap_count(PyObject *op, PyObject *value);

PyObject *
mo_lazymap_index(PyObject *op, PyObject *const *args, Py_ssize_t nargs);

PyObject *
mo_lazymap_any(PyObject *op, PyObject *ignored);

PyObject *
mo_lazymap_all(PyObject *op, PyObject *ignored);

PyObject *
mo_lazymap_to_list(PyObject *op, PyObject *ignored); /* collect.c */

PyObject *
mo_lazymap_to_array(PyObject *op, PyObject *args, PyObject *kwargs);

PyObject *
mo_lazymap_to_numpy(PyObject *op, PyObject *args, PyObject *kwargs);

int
mo_collect_setup(PyObject *module);

PyObject *
mo_lazymap_sum(PyObject *op, PyObject *args, PyObject *kwargs); /* reduce.c */

PyObject *
mo_lazymap_mean(PyObject *op, PyObject *ignored);

PyObject *
mo_lazymap_min(PyObject *op, PyObject *ignored);

PyObject *
mo_lazymap_max(PyObject *op, PyObject *ignored);

PyObject *
mo_lazymap_native(PyObject *op, void *closure); /* recognise.c */

PyObject *
mo_lazymap_native_reason(PyObject *op, void *closure);

/* closed.c: what the LazyMap has for that function of memopt.closed_forms,
 * with `argument`, which may be NULL; or NULL, without an exception if there
 * is no closed form. */
PyObject *
mo_lazymap_closed_form(PyObject *op, const char *function, PyObject *argument);

/* The sum of start, an int or NULL, and all values; or NULL, as above. */
PyObject *
mo_lazymap_polynomial_sum(PyObject *op, PyObject *start);

/* True if all its sources are of types that can be read without boxing. */
bool
mo_lazymap_feeds(mo_lazymap *self);

PyObject *
mo_lazymap_reduce(PyObject *op, PyObject *ignored); /* pickle.c */

PyObject *
mo_lazymap_copy(PyObject *op, PyObject *ignored);

/* --- iterator.c: what iter(LazyMap) returns ----------------------------- */

/* A new iterator over the sources.  It keeps `owner`, which may be NULL,
 * alive until it is exhausted. */
PyObject *
mo_iterator_new(mo_lazymap_state *state, PyObject *owner, mo_chain *chain,
                PyObject *sources, const mo_window *window, bool strict);

/* The iterator that its __reduce__ describes; args is a tuple. */
PyObject *
mo_iterator_restore(mo_lazymap_state *state, PyObject *args);

/* Its tp_iternext: NULL without an exception at the end. */
PyObject *
mo_iterator_next(PyObject *op);

/* All values of a LazyMap to the consumer, in blocks where they can be had
 * without calling the functions, else by consumer->each.  0 or -1. */
int
mo_lazymap_consume(PyObject *op, mo_consumer *consumer);

/* Gives the consumer what can be had without calling the functions, and goes
 * past it; 0 or -1.  Then mo_iterator_next, then this again, to the end. */
int
mo_iterator_fold(PyObject *op, mo_consumer *consumer);

/* True from its end on, when it has let go of all that it owned. */
bool
mo_iterator_ended(PyObject *op);

/* Items still to come; -1 if unknown, -2 with an exception. */
Py_ssize_t
mo_iterator_remaining(PyObject *op);

/* --- cache.c, slices.c: sources that LazyMaps make themselves ----------- */

/* An item by index, >= 0: a new reference; NULL without an exception past
 * the end, so that an IndexError is always a function's own. */
typedef PyObject *(*mo_getter)(PyObject *op, Py_ssize_t index);

PyObject *
mo_cache_new(mo_lazymap_state *state, PyObject *lazymap);

PyObject *
mo_cache_get(PyObject *op, Py_ssize_t index);

Py_ssize_t
mo_cache_length(PyObject *op, Py_ssize_t limit);

/* True if it reads an iterator, in order. */
bool
mo_cache_pulls(PyObject *op);

/* True if its len() would read on, there or in what it caches. */
bool
mo_cache_may_pull(PyObject *op);

PyObject *
mo_slices_new(mo_lazymap_state *state, PyObject *lazymap, Py_ssize_t n,
              bool strict);

PyObject *
mo_slices_get(PyObject *op, Py_ssize_t index);

Py_ssize_t
mo_slices_length(PyObject *op, Py_ssize_t limit);

bool
mo_slices_may_pull(PyObject *op);

/* 0, or -1 and ValueError if it is not positive. */
int
mo_check_batch_size(Py_ssize_t n);

/* The ValueError of a last batch that strict=True does not let pass. */
void
mo_raise_incomplete_batch(void);

/* --- tuples.c ------------------------------------------------------------ */

PyObject *
mo_tuples_new(mo_lazymap_state *state, PyObject *lazymap, Py_ssize_t n,
              bool strict);

/* --- one setup for each type --------------------------------------------- */

int
mo_chain_setup(PyObject *module, mo_lazymap_state *state);

int
mo_program_setup(PyObject *module, mo_lazymap_state *state);

int
mo_recognise_setup(PyObject *module, mo_lazymap_state *state);

int
mo_lazymap_type_setup(PyObject *module, mo_lazymap_state *state);

int
mo_iterator_setup(PyObject *module, mo_lazymap_state *state);

int
mo_oneshot_setup(PyObject *module, mo_lazymap_state *state);

int
mo_cache_setup(PyObject *module, mo_lazymap_state *state);

int
mo_slices_setup(PyObject *module, mo_lazymap_state *state);

int
mo_tuples_setup(PyObject *module, mo_lazymap_state *state);

int
mo_pickle_setup(PyObject *module, mo_lazymap_state *state);

#endif
