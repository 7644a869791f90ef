/* dedup_dict.c - dicts for dedup(): see dedup.h.
 *
 * Values are written like any assignment.  Nothing replaces a key and keeps
 * the order, so a dict with a key to be replaced is built anew beside, and the
 * two exchange their tables, which can neither fail half way nor run code.
 * Other threads may still be reading the old one, which is freed like one that
 * a dict has outgrown. */
#include "internpool/dedup.h"

/* Whether a dict has a value under a key: 1 or 0, or -1 with an exception set.
 * Other code may have changed that; and a key of a class with a __hash__ may
 * have another one than when it was stored, so that to assign would add it. */
static int
has_item(PyObject *dict, PyObject *key, PyObject *value)
{
    PyObject *found = PyDict_GetItemWithError(dict, key);
    return found ? found == value : -(PyErr_Occurred() != NULL);
}

/* --- values -------------------------------------------------------------- */

/* A part of a dict. */
typedef struct {
    int count;
    bool plain; /* whether it is all there is, under exact strs: then to assign
                   compares the key with no other object, so runs no code */
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
        items->plain &= PyUnicode_CheckExact(key);
        items->key[items->count] = key;
        items->value[items->count++] = value;
    }
    items->plain &= items->count == PyDict_GET_SIZE(dict);
    if (MO_FREE_THREADED) {
        hold(items);
    }
}

/* To be followed by let_go(). */
static void
read_part(PyObject *dict, Py_ssize_t *position, part *items)
{
    items->count = 0;
    items->plain = true;
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
    int there = has_item(dict, items->key[i], items->value[i]);
    if (there <= 0) {
        return there;
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
        mo_drop_replaced(w, old);
    }
    return status;
}

/* The same for a str in a part that is plain and not held: the dict has it, and
 * to write it runs no code. */
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
    if (status == 0 && (!items->plain || tuples.count > 0)) {
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

/* Names in code are interned strings, which CPython finds by their addresses:
 * no other is as good a key. */
static inline bool
stays(PyObject *key)
{
    return PyUnicode_CheckExact(key) && PyUnicode_CHECK_INTERNED(key);
}

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
    if (kept != key && !stays(key)) {
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

/* Whether the keys of a part have to be walked: 1 or 0, or -1 with an exception
 * set.  Counts those that are strs. */
static int
wants_part(mo_walk *w, const part *items, uint64_t *seen)
{
    for (int i = 0; i < items->count; i++) {
        PyObject *key = items->key[i];
        int status = PyUnicode_CheckExact(key) ? is_replaced(w, key)
                                               : mo_walk_wants(w, key);
        if (status != 0) {
            return status;
        }
        *seen += PyUnicode_CheckExact(key);
    }
    return 0;
}

/* The same of a dict.  `first` is its first part, `position` is behind it. */
static int
wants_keys(mo_walk *w, PyObject *dict, const part *first, Py_ssize_t position)
{
    /* An OrderedDict has the keys a second time; those of a split table,
     * attribute names, are interned. */
    if (!w->keys || (!PyDict_CheckExact(dict) && PyODict_Check(dict)) ||
        MO_LOAD_POINTER(&((PyDictObject *)dict)->ma_values) != NULL) {
        return 0;
    }
    uint64_t seen = 0;
    int status = wants_part(w, first, &seen), count = first->count;
    while (status == 0 && count == MO_STRINGS) {
        part items;
        read_part(dict, &position, &items);
        status = wants_part(w, &items, &seen);
        count = items.count;
        let_go(&items);
    }
    w->strings.seen += status == 0 ? seen : 0;
    return status;
}

/* A new dict of the same values under the new keys; with fewer of them if one
 * of the old keys cannot be found, so that their hashes stay as they are. */
static PyObject *
with_keys_lock_held(PyObject *dict, PyObject *now, PyObject *before)
{
    PyObject *made = PyDict_New();
    PyObject *key, *value;
    Py_ssize_t position = 0;
    for (Py_ssize_t i = 0; made != NULL && i < PyList_GET_SIZE(now) &&
                           PyDict_Next(dict, &position, &key, &value) &&
                           key == PyList_GET_ITEM(before, i);
         i++) {
        Py_INCREF(key);
        Py_INCREF(value);
        int found = PyUnicode_CheckExact(key) ? 1 : has_item(dict, key, value);
        int status = found > 0
                         ? PyDict_SetItem(made, PyList_GET_ITEM(now, i), value)
                         : found;
        Py_DECREF(key);
        Py_DECREF(value);
        if (status < 0) {
            Py_CLEAR(made);
        }
        if (found <= 0) {
            break;
        }
    }
    return made;
}

/* Whether two dicts hold the same values in the same places, `made` under the
 * keys that are listed.  A loop over the dict, suspended meanwhile, knows its
 * place in the table, a reversed one even behind the last item: so a dict that
 * has lost items keeps its keys. */
static bool
are_alike_lock_held(PyObject *dict, PyObject *made, PyObject *now,
                    PyObject *before)
{
    PyObject *key, *value, *made_key, *made_value;
    Py_ssize_t at = 0, made_at = 0, i = 0;
    for (; i < PyList_GET_SIZE(now) && PyDict_Next(dict, &at, &key, &value) &&
           PyDict_Next(made, &made_at, &made_key, &made_value);
         i++) {
        if (key != PyList_GET_ITEM(before, i) || value != made_value ||
            made_key != PyList_GET_ITEM(now, i) || at != made_at) {
            return false;
        }
    }
    return i == PyDict_GET_SIZE(dict) && i == PyDict_GET_SIZE(made) &&
           !mo_dict_has_holes(dict);
}

/* Exchanges the tables of two dicts that have no split one. */
static void
exchange_tables_lock_held(PyDictObject *a, PyDictObject *b)
{
    PyDictKeysObject *keys = a->ma_keys;
    MO_STORE_POINTER(&a->ma_keys, b->ma_keys);
    MO_STORE_POINTER(&b->ma_keys, keys);
    assert(a->ma_used == b->ma_used);
    assert(a->ma_values == NULL && b->ma_values == NULL);
}

/* Whether the tables of two dicts that are alike have been exchanged. */
static bool
exchange_if_alike(PyObject *dict, PyObject *made, PyObject *now,
                  PyObject *before)
{
    bool alike;
    MO_BEGIN_CRITICAL_SECTION2(dict, made);
    alike = are_alike_lock_held(dict, made, now, before);
    if (alike) {
        exchange_tables_lock_held((PyDictObject *)dict, (PyDictObject *)made);
    }
    MO_END_CRITICAL_SECTION2();
    return alike;
}

static int
write_keys(mo_walk *w, PyObject *dict, PyObject *now, PyObject *before)
{
    PyObject *made;
    MO_BEGIN_CRITICAL_SECTION(dict);
    made = with_keys_lock_held(dict, now, before);
    MO_END_CRITICAL_SECTION();
    if (made == NULL) {
        return -1;
    }
    bool alike = exchange_if_alike(dict, made, now, before);
    mo_dict_retire(made);
    mo_walk_settle(w, alike);
    for (Py_ssize_t i = 0; alike && i < PyList_GET_SIZE(now); i++) {
        if (PyList_GET_ITEM(now, i) != PyList_GET_ITEM(before, i)) {
            mo_drop_replaced(w, mo_take(before, i));
        }
    }
    return 0;
}

/* A new list of what is to be in place of keys. */
static PyObject *
list_new_keys(mo_walk *w, PyObject *before)
{
    PyObject *now = mo_walk_listed(w, before, true);
    for (Py_ssize_t i = 0; now != NULL && i < PyList_GET_SIZE(now); i++) {
        PyObject *key = PyList_GET_ITEM(before, i);
        if (stays(key)) {
            (void)PyList_SetItem(now, i, Py_NewRef(key)); /* cannot fail */
        }
    }
    return now;
}

static int
replace_keys(mo_walk *w, PyObject *dict, PyObject *before)
{
    PyObject *now = list_new_keys(w, before);
    int status = now ? 0 : -1;
    if (status == 0 && mo_lists_differ(now, before)) {
        status = write_keys(w, dict, now, before);
    }
    mo_walk_settle(w, false);
    Py_XDECREF(now);
    return status;
}

/* Of a dict that has lost items. */
static int
walk_fixed_keys(mo_walk *w, PyObject *keys)
{
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        w->strings.seen += PyUnicode_CheckExact(key);
        status = mo_walk_later(w, key, true);
    }
    return status;
}

static int
walk_keys(mo_walk *w, PyObject *dict)
{
    bool holes;
    MO_BEGIN_CRITICAL_SECTION(dict);
    holes = mo_dict_has_holes(dict);
    MO_END_CRITICAL_SECTION();
    PyObject *before = PyDict_Keys(dict);
    int status = before == NULL ? -1
                 : holes        ? walk_fixed_keys(w, before)
                                : replace_keys(w, dict, before);
    Py_XDECREF(before);
    return status;
}

int
mo_walk_dict(mo_walk *w, PyObject *dict, Py_ssize_t *position)
{
    const bool first = *position == 0;
    part items;
    read_part(dict, position, &items);
    int status = first ? wants_keys(w, dict, &items, *position) : 0;
    if (status > 0) {
        let_go(&items);
        status = walk_keys(w, dict);
        *position = 0;
        read_part(dict, position, &items);
    }
    if (status == 0) {
        status = walk_part(w, dict, &items);
    }
    let_go(&items);
    return status < 0 ? -1 : items.count == MO_STRINGS;
}
