/* cursor.h - one pass over one source, forwards, backwards or by steps.
 *
 * A cursor lives inside its iterator and owns what it reads from.  Reading
 * one may run any code, which may read it again or end it: a cursor is moved
 * on before such code runs, and an ended one stays ended. */
#ifndef MO_LAZYMAP_CURSOR_H
#define MO_LAZYMAP_CURSOR_H

#include "lazymap/internal.h"

typedef enum {
    MO_CURSOR_ENDED,  /* owns nothing */
    MO_CURSOR_LIST,   /* exact list, to its live end */
    MO_CURSOR_TUPLE,  /* exact tuple */
    MO_CURSOR_RANGE,  /* exact range of values that fit in 64 bits */
    MO_CURSOR_STRIDE, /* exact list, by the indices of a window */
    MO_CURSOR_WINDOW, /* any other Sequence, by those */
    MO_CURSOR_BUFFER, /* see mo_is_number_buffer, to its live end */
    MO_CURSOR_GETTER, /* a source of this room, to its live end */
    MO_CURSOR_ITER,   /* anything, by its iterator */
    MO_CURSOR_NESTED, /* the same, by one of this room's iterators */
} mo_cursor_kind;

typedef struct {
    mo_cursor_kind kind;
    PyObject *object;     /* owned: the source, for ITER its iterator; NULL
                             once ended */
    PyObject *sized;      /* owned: the iterator's source if it has a len() */
    mo_getter get;        /* GETTER only */
    bool retries;         /* GETTER only: what fails to be read is not
                             skipped, because it was not there to be read */
    Py_ssize_t index;     /* of the next item; ITER: items read so far */
    Py_ssize_t step;      /* STRIDE, WINDOW: from one index to the next */
    Py_ssize_t remaining; /* those and RANGE: items still to come */
    long long value;      /* RANGE: the next item */
    long long stride;     /* RANGE: from one item to the next */
} mo_cursor;

/* Starts a pass over the source, or over a window on it if that is not NULL.
 * 0, or -1 with an exception and the cursor ended. */
int
mo_cursor_open(mo_lazymap_state *state, mo_cursor *cursor, PyObject *source,
               const mo_window *window);

/* Ends the pass, letting go of what the cursor owns. */
void
mo_cursor_end(mo_cursor *cursor);

/* The tuple (source, index, step, remaining) from which mo_cursor_restore
 * opens an equal cursor; the last two are None for one that follows its
 * source to a live end.  TypeError or ValueError for any other tuple. */
PyObject *
mo_cursor_save(const mo_cursor *cursor);

int
mo_cursor_restore(mo_lazymap_state *state, mo_cursor *cursor, PyObject *saved);

int
mo_cursor_traverse(mo_cursor *cursor, visitproc visit, void *arg);

/* Moves past the next n items, or fewer if another thread has moved past some
 * meanwhile; not for GETTER, ITER and NESTED. */
static inline void
mo_cursor_skip(mo_cursor *cursor, Py_ssize_t n)
{
    switch (cursor->kind) {
        case MO_CURSOR_RANGE:
            n = Py_MIN(n, cursor->remaining);
            cursor->remaining -= n;
            /* Past the last item it may wrap around, and is not used. */
            cursor->value =
                (long long)((unsigned long long)cursor->value +
                            (unsigned long long)n *
                                (unsigned long long)cursor->stride);
            break;
        case MO_CURSOR_STRIDE:
        case MO_CURSOR_WINDOW:
            n = Py_MIN(n, cursor->remaining);
            cursor->remaining -= n;
            if (cursor->remaining > 0) { /* past the last it could overflow */
                cursor->index += n * cursor->step;
            }
            break;
        default:
            cursor->index += n;
    }
}

/* Items still to come; -1 if unknown, -2 with an exception. */
Py_ssize_t
mo_cursor_remaining(mo_lazymap_state *state, mo_cursor *cursor);

/* mo_cursor_next for the kinds that are not inlined below. */
PyObject *
mo_cursor_next_other(mo_cursor *cursor);

/* The next item of an iterator, as mo_cursor_next. */
static inline PyObject *
mo_cursor_iterate(mo_cursor *cursor)
{
    PyObject *iterator = Py_NewRef(cursor->object); /* it may end this pass */
    PyObject *item = Py_TYPE(iterator)->tp_iternext(iterator);
    Py_DECREF(iterator);
    if (MO_LIKELY(item != NULL)) {
        cursor->index++;
    }
    else if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear(); /* the end, which NULL alone says */
    }
    return item;
}

/* The index to read next in a window that is not at its end. */
static inline Py_ssize_t
mo_cursor_next_index(mo_cursor *cursor)
{
    Py_ssize_t index = cursor->index;
    if (--cursor->remaining > 0) { /* past the last it could overflow */
        cursor->index += cursor->step;
    }
    return index;
}

/* The next item, a new reference; NULL at the end, or with an exception,
 * after which the next item may still be asked for. */
static inline PyObject *
mo_cursor_next(mo_cursor *cursor)
{
    if (MO_LIKELY(cursor->kind == MO_CURSOR_LIST)) {
        const Py_ssize_t index = cursor->index++;
        PyObject *item = mo_list_item(cursor->object, index);
        if (item == NULL) {
            cursor->index = index;
        }
        return item;
    }
    switch (cursor->kind) {
        case MO_CURSOR_TUPLE:
            if (cursor->index >= PyTuple_GET_SIZE(cursor->object)) {
                return NULL;
            }
            return Py_NewRef(
                PyTuple_GET_ITEM(cursor->object, cursor->index++));
        case MO_CURSOR_RANGE: {
            if (cursor->remaining == 0) {
                return NULL;
            }
            long long value = cursor->value;
            cursor->remaining--;
            /* Past the last item it may wrap around, and is not used. */
            cursor->value = (long long)((unsigned long long)value +
                                        (unsigned long long)cursor->stride);
            return PyLong_FromLongLong(value);
        }
        case MO_CURSOR_STRIDE: {
            if (cursor->remaining == 0) {
                return NULL;
            }
            Py_ssize_t index = mo_cursor_next_index(cursor);
            PyObject *item = mo_list_item(cursor->object, index);
            if (item == NULL) {
                mo_raise_index_error(); /* the list has become shorter */
            }
            return item;
        }
        case MO_CURSOR_ITER:
            return mo_cursor_iterate(cursor);
        default:
            return mo_cursor_next_other(cursor);
    }
}

#endif
