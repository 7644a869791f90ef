/* seen.h - the containers that dedup() has come by and may come by again, and
 * what is to be in place of each.
 *
 * A hash table of addresses with linear probing; nothing is ever removed.  It
 * owns a reference to each object, so that no other gets its address, and to
 * what replaces it.  Nothing here runs Python code but mo_seen_free(). */
#ifndef MO_INTERNPOOL_SEEN_H
#define MO_INTERNPOOL_SEEN_H

#include "compat.h"

typedef struct {
    PyObject *object;  /* owned; NULL in a free place */
    PyObject *instead; /* owned: what replaces a tuple, maybe itself; NULL for
                          what stays in its place */
} mo_seen_entry;

/* All zero when empty. */
typedef struct {
    mo_seen_entry *entries; /* owned */
    size_t places;          /* a power of two, or 0 */
    size_t count;           /* taken; at most half of the places */
} mo_seen;

/* The entry of an object, or NULL; valid until the next mo_seen_add(). */
mo_seen_entry *
mo_seen_find(const mo_seen *seen, PyObject *object);

/* 1 if the object was there already, 0 if it was added, -1 with MemoryError
 * set and nothing changed. */
int
mo_seen_add(mo_seen *seen, PyObject *object);

/* Releases all. */
void
mo_seen_free(mo_seen *seen);

#endif
