/* feed.h - the numbers that a cursor is about to give, without their objects.
 *
 * A feed looks at the items after a cursor's position and leaves the cursor
 * where it is.  It is open for as long as no Python code runs, and while it
 * is, keeps a buffer from being resized; the caller holds the GIL but where
 * said otherwise.  It owns that buffer's view, and the list or tuple, whose
 * items are read in its critical section. */
#ifndef MO_LAZYMAP_FEED_H
#define MO_LAZYMAP_FEED_H

#include "lazymap/blocks.h"
#include "lazymap/cursor.h"

typedef enum {
    MO_FEED_RANGE,
    MO_FEED_OBJECTS, /* of a list or tuple: needs the GIL */
    MO_FEED_BUFFER,
} mo_feed_kind;

typedef struct {
    mo_feed_kind kind;
    const mo_operations *operations; /* static: to count up by */
    bool numpy;                      /* the items are NumPy's scalars */
    char format;                     /* BUFFER: of struct's, or ? for bool */
    Py_ssize_t available;            /* items from the cursor on */
    Py_ssize_t index;   /* OBJECTS, BUFFER: the cursor's index... */
    Py_ssize_t step;    /* ...and from one item to the next */
    PyObject *sequence; /* OBJECTS: owned */
    long long value;    /* RANGE: the cursor's */
    long long stride;
    Py_buffer view; /* BUFFER: owned */
} mo_feed;

/* True if a pass that this cursor makes could be read by a feed. */
bool
mo_feed_suits(mo_lazymap_state *state, const mo_cursor *cursor);

/* True, or false if there is nothing to be read now; sets no exception. */
bool
mo_feed_open(mo_lazymap_state *state, mo_feed *feed, const mo_cursor *cursor);

void
mo_feed_close(mo_feed *feed);

/* Reads up to n items, from the one `skip` after the cursor on, of one type,
 * into `room`, and says how many: 0 if the first is no number that fits.
 * With in_place given, numbers that lie as a lane does are not copied, and
 * *in_place is set to where they are; else it is left alone.  Needs the GIL for OBJECTS alone. */
size_t
mo_feed_read(mo_feed *feed, Py_ssize_t skip, mo_value *room, size_t n,
             mo_type *type, const void **in_place);

/* True if the item that the cursor would give next is still the number at
 * `value`; for sources that can change. */
bool
mo_feed_is_current(const mo_cursor *cursor, mo_type type, mo_value value);

#endif
