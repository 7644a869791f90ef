/* dedup_dict.c - dicts for dedup(): see dedup.h.
 *
 * As long as all keys are exact strs, to look one up runs no code, so that a
 * value can be written like any assignment where it still is: CPython may have
 * cached those of a module's names.  To look up others may run any code.  So
 * their values, and all keys, are places in memory (dedup_places.c): an equal
 * key belongs just where the other is, and order and suspended loops stay. */
#include "internpool/dedup.h"

/* --- values -------------------------------------------------------------- */

/* A part of a dict. */
typedef struct {
    int count;
    bool plain; /* whether all keys of the dict are exact strs */
    bool held;  /* whether keys and values are owned, else borrowed */
    PyObject *key[MO_STRINGS];
    PyObject *value[MO_STRINGS];
} part;

/* Which of its values are looked at. */
typedef struct {
    int count;
    int at[MO_STRINGS];
    PyObject *value[MO_STRINGS];
    bool shared[MO_STRINGS]; /* of tuples */
} choice;

static void
hold(part *items)
{
    for (int i = 0; i < items->count && !items->held; i++) {
        Py_INCREF(items->key[i]);
        Py_INCREF(items->value[i]);
    }
    items->held = true;
}

static void
read_part_lock_held(PyObject *dict, Py_ssize_t *position, part *items)
{
    PyObject *key, *value;
    while (items->count < MO_STRINGS &&
           PyDict_Next(dict, position, &key, &value)) {
        mo_str_fetch(value);
        items->key[items->count] = key;
        items->value[items->count++] = value;
    }
    items->plain = mo_dict_has_str_keys(dict);
    if (MO_FREE_THREADED) {
        hold(items);
    }
}

/* To be followed by let_go(). */
static void
read_part(PyObject *dict, Py_ssize_t *position, part *items)
{
    items->count = 0;
    items->held = false;
    MO_BEGIN_CRITICAL_SECTION(dict);
    read_part_lock_held(dict, position, items);
    MO_END_CRITICAL_SECTION();
}

static void
let_go(part *items)
{
    for (int i = 0; items->held && i < items->count; i++) {
        Py_DECREF(items->key[i]);
        Py_XDECREF(items->value[i]);
    }
    items->held = false;
}

static inline void
add(choice *list, int at, PyObject *value)
{
    list->at[list->count] = at;
    list->value[list->count++] = value;
}

/* Sorts the values by what is to be done with them: strings are to be interned,
 * tuples may be made anew, other containers are walked later.  Runs no code. */
static int
choose(mo_walk *w, const part *items, choice *strings, choice *tuples)
{
    strings->count = tuples->count = 0;
    for (int i = 0; i < items->count; i++) {
        PyObject *value = items->value[i];
        if (PyUnicode_CheckExact(value)) {
            if (MO_STR_IS_READY(value)) {
                add(strings, i, value);
            }
            continue;
        }
        if (!mo_may_be_walked(value)) {
            continue;
        }
        const bool shared = mo_is_shared(value, 1 + items->held);
        if (PyTuple_Check(value)) {
            tuples->shared[tuples->count] = shared;
            add(tuples, i, value);
        }
        else if (mo_walk_later(w, value, shared) < 0) {
            return -1;
        }
    }
    return 0;
}

/* 1 if it is written, 0 if it is not there any more, or -1 with an exception
 * set.  Locked as a whole: from CPython 3.14 on, PyDict_SetItem() does not let go
 * of a lock that is held. */
static int
write_lock_held(PyObject *dict, const part *items, int i, PyObject *new)
{
    if (!mo_dict_has_str_keys(dict) ||
        PyDict_GetItemWithError(dict, items->key[i]) != items->value[i]) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return PyDict_SetItem(dict, items->key[i], new) < 0 ? -1 : 1;
}

/* Writes `new`, if that is not what is there already, for the value i of a
 * part that is held: 1 if so, 0 if not, or -1 with an exception set. */
static int
write_value(mo_walk *w, PyObject *dict, part *items, int i, PyObject *new)
{
    PyObject *old = items->value[i];
    if (new == old) {
        return 0;
    }
    int status;
    MO_BEGIN_CRITICAL_SECTION(dict);
    status = write_lock_held(dict, items, i, new);
    MO_END_CRITICAL_SECTION();
    if (status > 0) {
        items->value[i] = NULL;
        mo_walk_drop_replaced(w, old);
    }
    return status;
}

/* The same for a str in a part that is not held: the dict has it, as no code has
 * run since. */
static inline int
write_plain(mo_walk *w, PyObject *dict, PyObject *key, PyObject *new,
            PyObject *old)
{
    if (new == old) {
        return 0;
    }
    const size_t freed = Py_REFCNT(old) == 1 ? mo_str_size(old) : 0;
    if (PyDict_SetItem(dict, key, new) < 0) {
        return -1;
    }
    w->strings.replaced++;
    w->strings.bytes_freed += freed;
    return 0;
}

static int
intern_values(mo_walk *w, PyObject *dict, part *items, const choice *strings)
{
    PyObject *kept[MO_STRINGS];
    if (mo_intern_strings(w->pool, strings->value, strings->count, kept) < 0) {
        return -1;
    }
    w->strings.seen += (uint64_t)strings->count;
    int status = 0;
    for (int i = 0; i < strings->count; i++) {
        const int at = strings->at[i];
        if (status >= 0) {
            status = items->held ? write_value(w, dict, items, at, kept[i])
                                 : write_plain(w, dict, items->key[at],
                                               kept[i], strings->value[i]);
        }
        Py_DECREF(kept[i]);
    }
    return status < 0 ? -1 : 0;
}

/* Makes the tuple i of a part, which is held, anew if that can be, else walks
 * it later. */
static int
walk_tuple(mo_walk *w, PyObject *dict, part *items, int i, bool shared)
{
    PyObject *instead = mo_walk_item(w, items->value[i], shared);
    if (instead == NULL) {
        return -1;
    }
    int written = write_value(w, dict, items, i, instead);
    mo_walk_settle(w, written > 0);
    Py_DECREF(instead);
    return written < 0 ? -1 : 0;
}

static int
walk_part(mo_walk *w, PyObject *dict, part *items)
{
    choice strings, tuples;
    int status = choose(w, items, &strings, &tuples);
    if (status == 0 && tuples.count > 0) {
        hold(items);
    }
    if (status == 0 && w->values && strings.count > 0) {
        status = intern_values(w, dict, items, &strings);
    }
    for (int i = 0; status == 0 && i < tuples.count; i++) {
        status = walk_tuple(w, dict, items, tuples.at[i], tuples.shared[i]);
    }
    return status;
}

/* --- keys ---------------------------------------------------------------- */

/* Whether interning a key that is not known gives another object to be in its
 * place: 1 or 0, or -1 with an exception set.  If not it is known then, and the
 * older of the two that were in its places is not any more. */
static int
learn_key(mo_walk *w, PyObject **places, PyObject *key)
{
    if (MO_STR_READY(key) < 0) {
        return -1;
    }
    PyObject *kept = mo_internpool_intern_exact(w->pool, key);
    if (kept == NULL) {
        return -1;
    }
    Py_DECREF(kept);
    if (kept != key && !mo_key_stays(key)) {
        return 1;
    }
    PyObject *oldest = places[1];
    places[1] = places[0];
    places[0] = Py_NewRef(key);
    Py_XDECREF(oldest); /* a str: runs no code */
    return 0;
}

/* Whether a key is another object than interning it gives: 1 or 0, or -1 with
 * an exception set.  Most dicts of a document share their keys: those known
 * to be the ones to use, by address, need no lookup. */
static inline int
is_replaced(mo_walk *w, PyObject *key)
{
    PyObject **places = w->known[((uintptr_t)key >> 4) % MO_KNOWN_KEYS];
    return places[0] == key || places[1] == key ? 0
                                                : learn_key(w, places, key);
}

/* Whether one of the keys of a part, which are strs, is to be replaced: 1 or 0,
 * or -1 with an exception set.  If not they are counted. */
static int
wants_part(mo_walk *w, const part *items)
{
    for (int i = 0; i < items->count; i++) {
        int status = is_replaced(w, items->key[i]);
        if (status != 0) {
            return status;
        }
    }
    w->strings.seen += (uint64_t)items->count;
    return 0;
}

/* An OrderedDict has the keys a second time; those of a split table, attribute
 * names, are interned. */
static bool
walks_keys(const mo_walk *w, PyObject *dict)
{
    return w->keys && (PyDict_CheckExact(dict) || !PyODict_Check(dict)) &&
           MO_LOAD_POINTER(&((PyDictObject *)dict)->ma_values) == NULL;
}

/* --- both ---------------------------------------------------------------- */

/* The entries from `start` on, as far as the part goes, which is read again as
 * its keys may be others then. */
static int
walk_keys(mo_walk *w, PyObject *dict, Py_ssize_t start, Py_ssize_t *position,
          part *items)
{
    let_go(items);
    int status = mo_walk_dict_keys(w, dict, start, *position);
    *position = start;
    read_part(dict, position, items);
    return status;
}

int
mo_walk_dict(mo_walk *w, PyObject *dict, Py_ssize_t *position)
{
    const Py_ssize_t start = *position;
    part items;
    read_part(dict, position, &items);
    int wanted = 0;
    if (walks_keys(w, dict)) {
        wanted = items.plain ? wants_part(w, &items) : 1;
    }
    int status =
        wanted > 0 ? walk_keys(w, dict, start, position, &items) : wanted;
    if (status == 0 && items.plain) {
        status = walk_part(w, dict, &items);
    }
    let_go(&items); /* of values, too, which may be counted as freed below */
    if (status == 0 && !items.plain) {
        status = mo_walk_dict_values(w, dict, start, *position);
    }
    return status < 0 ? -1 : items.count == MO_STRINGS;
}
