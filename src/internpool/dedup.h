/* dedup.h - what the parts of InternPool.dedup() share.
 *
 *   dedup.c           the method and its report
 *   dedup_walk.c      which objects are walked, and in what order
 *   dedup_places.c    lists, attributes, sets, dict keys, NumPy arrays: items in
 *                     places of memory
 *   dedup_arrays.c    whether arrays may be written into
 *   dedup_dict.c      dicts
 *   dedup_tuple.c     tuples, which are made anew
 *   dedup_deque.c     deques
 *   dedup_object.c    which places instances have
 *   seen.c            what was walked already
 *
 * The walk has a stack of its own: nesting has no limit but memory.  One step
 * takes a part of a container: it interns the strings there and writes back
 * those that have changed, then puts the containers there on the stack.
 *
 * An item is only ever replaced by an equal one of its type, and only where it
 * still is at the moment of writing: code that runs in between, of a signal
 * handler, a finalizer or the __eq__ of a name in a class, may change anything,
 * which is at worst not walked.  So may other threads: a container is locked
 * while it is read and while it is written, not in between, and what is taken
 * out of it is owned meanwhile, unless the GIL is held and no code runs.  The
 * stack owns what is on it. */
#ifndef MO_INTERNPOOL_DEDUP_H
#define MO_INTERNPOOL_DEDUP_H

#include "internpool/internal.h"
#include "internpool/seen.h"

/* Places, of two each, for dict keys that need no lookup, by address; see
 * dedup_dict.c. */
#define MO_KNOWN_KEYS 128

typedef enum {
    MO_NO_CONTAINER,
    MO_LIST,
    MO_DICT,
    MO_TUPLE,
    MO_SET, /* or frozenset */
    MO_DEQUE,
    MO_ARRAY,    /* a NumPy array */
    MO_INSTANCE, /* of a class made at run time: all in Python, some in C */
} mo_container;

/* A container to be walked, or walked in part. */
typedef struct {
    PyObject *object;    /* owned */
    Py_ssize_t position; /* where to go on, 0 at first; its unit is that of
                            the container */
    mo_container kind;
} mo_open;

/* A tuple that is being made anew. */
typedef struct {
    PyObject *tuple;     /* owned: as it was */
    PyObject *made;      /* owned: a plain copy with what changed; or NULL */
    Py_ssize_t position; /* of the item that is looked at */
    uint64_t strings; /* that others replace in `made`, and in tuples in it */
    uint64_t bytes;   /* of those that nothing has but `tuple`, and tuples in
                            it that nothing else has */
    bool shared;      /* whether it may be reached again */
} mo_nested;

/* A shared tuple in whose place another is now. */
typedef struct {
    PyObject *tuple; /* owned */
    uint64_t bytes;  /* of strings that go with it */
} mo_replaced;

typedef struct {
    PyObject *pool;                  /* borrowed: the InternPool */
    bool keys;                       /* whether to intern keys of dicts */
    bool values;                     /* whether to intern everything else */
    const mo_internpool_state *room; /* borrowed */
    PyTypeObject *ndarray; /* owned: NumPy's, or NULL if that is not loaded */
    PyObject *base;        /* owned: its attribute, which gives whose memory
                              an array uses; or NULL */
    bool arrays;           /* whether to walk arrays of objects */
    mo_open *open;         /* owned: the stack */
    size_t depth;          /* taken of it */
    size_t capacity;       /* allocated */
    mo_seen seen;          /* objects that more than one reference leads to */
    mo_nested *nested;     /* owned: a tuple, one in it, one in that, ... */
    size_t nested_depth;
    size_t nested_capacity;
    mo_replaced *replaced; /* owned: one tuple before those that hold it */
    size_t replaced_count;
    size_t replaced_written; /* of these, where whoever had them was told */
    size_t replaced_capacity;
    uint64_t made_strings; /* what tuples made anew replace, and free, once */
    uint64_t made_bytes;   /* they are written */
    PyObject *known[MO_KNOWN_KEYS][2]; /* owned, or NULL */
    mo_intern_counts strings;
    uint64_t containers; /* walked */
} mo_walk;

/* Functions give 0, or -1 with an exception set, unless said otherwise. */

/* --- dedup_walk.c -------------------------------------------------------- */

/* To be followed by mo_walk_end(), whatever it returns. */
int
mo_walk_begin(mo_walk *w, PyObject *pool, bool keys, bool values);

/* Walks all that an object holds. */
int
mo_walk_all(mo_walk *w, PyObject *root);

void
mo_walk_end(mo_walk *w);

mo_container
mo_container_kind(const mo_walk *w, PyObject *object);

/* Whether it is types.SimpleNamespace, which has no name in C. */
bool
mo_is_namespace(PyTypeObject *type);

/* False for most of what the walk neither changes nor enters. */
static inline bool
mo_may_be_walked(PyObject *object)
{
    const PyTypeObject *type = Py_TYPE(object);
    return PyType_HasFeature((PyTypeObject *)type, Py_TPFLAGS_HAVE_GC) ||
           type->tp_as_buffer != NULL;
}

/* Whether an item can be reached by other ways than by a container that has
 * `references` to it.  To be asked as it is taken out, before any code runs:
 * what other ways there are may end then, but those that lead through it remain. */
static inline bool
mo_is_shared(PyObject *item, Py_ssize_t references)
{
    return MO_FREE_THREADED || Py_REFCNT(item) > references;
}

/* Puts an object on the stack if it is a container that was not walked yet.
 * What is not shared cannot be met again.  Runs no code. */
int
mo_walk_later(mo_walk *w, PyObject *item, bool shared);

/* Releases a string or tuple that was replaced, and counts a string that goes
 * with that. */
static inline void
mo_walk_drop(mo_walk *w, PyObject *old)
{
    if (Py_REFCNT(old) == 1 && PyUnicode_CheckExact(old)) {
        w->strings.bytes_freed += mo_str_size(old);
    }
    Py_DECREF(old);
}

/* The same, and counts a string as replaced. */
static inline void
mo_walk_drop_replaced(mo_walk *w, PyObject *old)
{
    w->strings.replaced += PyUnicode_CheckExact(old);
    mo_walk_drop(w, old);
}

/* Each walks a part of a container from *position on, and moves that: 1 if
 * something is left, 0 if not, -1 with an exception set. */
typedef int
mo_walk_part(mo_walk *w, PyObject *object, Py_ssize_t *position);

/* Room for one more of *count items of `size` bytes each. */
int
mo_walk_reserve(void *items, size_t count, size_t *capacity, size_t size);

/* --- dedup_places.c, dedup_dict.c, dedup_tuple.c, dedup_deque.c,
 *     dedup_object.c ------------------------------------------------------ */

mo_walk_part mo_walk_list, mo_walk_set, mo_walk_array, mo_walk_dict,
    mo_walk_fixed_tuple, mo_walk_deque, mo_walk_instance;

/* The attributes and slots of an instance of a subclass of list, dict, ... */
int
mo_walk_attributes_beside(mo_walk *w, PyObject *container);

/* The item, or what is to be in its place if it is a tuple, as it has the pool's
 * strings; a new reference, or NULL with an exception set.  Containers, that is
 * the item or those in the tuple, are put on the stack.  `shared` as above.  The
 * caller holds a tuple, for which Python code may run. */
PyObject *
mo_walk_item(mo_walk *w, PyObject *item, bool shared);

/* Counts what is replaced in the tuples that mo_walk_item() gave since the last
 * call, if they were written; else it is as if they had not been made. */
void
mo_walk_settle(mo_walk *w, bool written);

/* Forgets what was seen and releases the tuples that were replaced, which may
 * end the last strings. */
void
mo_walk_forget(mo_walk *w);

/* The slots of an instance at `n` offsets, MO_STRINGS at most. */
int
mo_walk_slots(mo_walk *w, PyObject *instance, const Py_ssize_t *offsets,
              int n);

/* The attributes of one that has them in line, not in a __dict__. */
int
mo_walk_attributes(mo_walk *w, PyObject *instance);

/* Names in code are interned strings, which CPython finds by their addresses:
 * no other is as good a key.  Of exact strs. */
static inline bool
mo_key_stays(PyObject *key)
{
    return PyUnicode_CHECK_INTERNED(key) != 0;
}

/* The keys of a dict's entries from `start` to `stop`, and the values, of a dict
 * whose keys are not all exact strs; others are left alone. */
int
mo_walk_dict_keys(mo_walk *w, PyObject *dict, Py_ssize_t start,
                  Py_ssize_t stop);
int
mo_walk_dict_values(mo_walk *w, PyObject *dict, Py_ssize_t start,
                    Py_ssize_t stop);

/* --- dedup_arrays.c ------------------------------------------------------ */

/* Sets `ndarray`, `base` and `arrays`. */
int
mo_walk_find_arrays(mo_walk *w);

/* Whether an array's memory is NumPy's: 1 or 0, or -1 with an exception set.  An
 * array over that of another object, such as one of ctypes, does not own the
 * references there. */
int
mo_array_has_own_items(const mo_walk *w, PyObject *array);

#endif
