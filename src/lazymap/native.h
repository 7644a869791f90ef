/* native.h - a pass over a LazyMap whose functions are programs.
 *
 * An iterator owns at most one mo_native, which looks at the items that the
 * iterator's cursors are about to give, runs the programs of its chain over a
 * block of them, and hands out the results.  The cursors stay the truth: they
 * move as results are handed out, and a result is handed out only if its item
 * still is the number it was computed from, the functions have kept their
 * code, and nobody traces them.  What cannot be had exactly is not had here,
 * and the caller goes on by calling the functions.  The critical section of
 * the iterator is held, but let go of while another thread holds a list that is
 * read, and where mo_native_fold releases the GIL: `busy` then. */
#ifndef MO_LAZYMAP_NATIVE_H
#define MO_LAZYMAP_NATIVE_H

#include "lazymap/blocks.h"
#include "lazymap/cursor.h"
#include "lazymap/recognise.h"

typedef struct {
    mo_lazymap_state *state; /* borrowed from the module */
    int arguments;           /* how many cursors */
    bool busy;               /* a call uses it, perhaps without the GIL or the
                                lock just now: for others it is not there */
    bool overtaken;          /* meanwhile another call has moved the cursors */
    Py_ssize_t called;       /* items still to be had by calling, from a
                                block that could not be run */
    Py_ssize_t ready, given; /* results in `results`, and of them handed out */
    bool fixed;              /* no source can change while iterated */
    bool gives;              /* handing out results beats calling for them */
    mo_type type;            /* of the results */
    const mo_value *results; /* in blocks */
    /* Owned: the objects last handed out, each of which becomes another once
     * nobody else has it, as zip() does with its tuple.  Two, since a loop's
     * variable still has the last one when it asks for the next. */
    PyObject *kept[2];
    int turn; /* which of them is next */
    mo_blocks blocks;
} mo_native;

/* A new one for a pass by these n cursors, or NULL if the chain or the sources
 * are not for it or the pass is too short to gain by it.  0, or -1 with an
 * exception; may run Python code. */
int
mo_native_new(mo_lazymap_state *state, mo_chain *chain,
              const mo_cursor *cursors, Py_ssize_t n, mo_native **native);

void
mo_native_free(mo_native *native);

/* mo_native_next for whatever is not the next result of a block. */
PyObject *
mo_native_next_block(mo_native *native, mo_chain *chain, mo_cursor *cursors);

/* A result as Python has it. */
static inline PyObject *
mo_native_box(mo_type type, mo_value value)
{
    if (type == MO_INT) {
        return PyLong_FromLongLong(value.i);
    }
    return type == MO_FLOAT ? PyFloat_FromDouble(value.f)
                            : Py_NewRef(value.i ? Py_True : Py_False);
}

/* Makes `kept` the number if nobody else has it.  That saves making and freeing
 * an object: a for loop over x * 2 is 3 x as fast as over a generator, and was
 * 2 x without (CPython 3.11). */
static inline bool
mo_native_rebox(PyObject *kept, mo_type type, mo_value value)
{
    if (kept == NULL || !MO_IS_UNSHARED(kept)) {
        return false;
    }
    if (type == MO_INT) {
        return PyLong_CheckExact(kept) && mo_int_become(kept, value.i);
    }
    if (type != MO_FLOAT || !PyFloat_CheckExact(kept)) {
        return false;
    }
    mo_float_become(kept, value.f);
    return true;
}

/* As mo_native_box, by an object that was handed out before if that can be. */
static inline PyObject *
mo_native_box_again(mo_native *native, mo_type type, mo_value value)
{
    PyObject **kept = &native->kept[native->turn];
    native->turn ^= 1;
    if (MO_LIKELY(mo_native_rebox(*kept, type, value))) {
        return Py_NewRef(*kept);
    }
    PyObject *boxed = mo_native_box(type, value);
    if (boxed != NULL) {
        Py_XSETREF(*kept, Py_NewRef(boxed));
    }
    return boxed;
}

/* Hands out the next result that is ready: a new reference, or NULL with
 * MemoryError. */
static inline PyObject *
mo_native_give(mo_native *native, mo_cursor *cursors)
{
    PyObject *value = mo_native_box_again(native, native->type,
                                          native->results[native->given]);
    if (value != NULL) {
        native->given++;
        for (int i = 0; i < native->arguments; i++) {
            mo_cursor_skip(&cursors[i], 1);
        }
    }
    return value;
}

/* True if the next result can be handed out without another look at its
 * item. */
static inline bool
mo_native_is_ready(const mo_native *native, const mo_chain *chain)
{
    return native->given < native->ready && native->fixed &&
           !mo_thread_is_traced() && mo_chain_is_current(chain);
}

/* The next value of the chain's first chain->native stages, a new reference,
 * with the cursors moved on.  NULL without an exception if it is to be had by
 * calling; NULL with MemoryError. */
static inline PyObject *
mo_native_next(mo_native *native, mo_chain *chain, mo_cursor *cursors)
{
    if (MO_LIKELY(mo_native_is_ready(native, chain))) {
        return mo_native_give(native, cursors);
    }
    return mo_native_next_block(native, chain, cursors);
}

/* Counts an item that was had by calling, without mo_native_next. */
static inline void
mo_native_called(mo_native *native)
{
    if (native->called > 0 && !native->busy) {
        native->called--;
    }
}

/* What a whole pass does with the values. */
struct mo_consumer {
    /* Takes n results, or none of them, which are then had as objects; false
     * for none.  Must not touch Python but if needs_gil. */
    bool (*take)(mo_consumer *self, mo_type type, const mo_value *results,
                 size_t n);
    /* Where the n results that are taken next may be written, 8 bytes each
     * and aligned, or NULL for anywhere; may be NULL
     * itself.  As take(). */
    mo_value *(*place)(mo_consumer *self, mo_type type, size_t n);
    /* Takes a value, borrowed: 0, or -1 with an exception. */
    int (*each)(mo_consumer *self, PyObject *value);
    bool needs_gil;
    bool needs_types; /* the results' Python types matter, so that none can
                         be had from NumPy's scalars */
    bool stopped;     /* set by either: no more is wanted */
};

/* Runs as many blocks as can be had now, moving the cursors past the items
 * that were taken; 0, or -1 with KeyboardInterrupt or what another signal
 * handler raised.  The caller goes on item by item, then here again. */
int
mo_native_fold(mo_native *native, mo_chain *chain, mo_cursor *cursors,
               mo_consumer *consumer);

#endif
