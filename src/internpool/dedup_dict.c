/* dedup_dict.c - dicts for dedup(): see dedup.h.
 *
 * A dict of str keys is written in its table, where an equal key belongs too.
 * Values of any other are assigned.  Nothing replaces its keys and keeps their
 * order, so a dict with a key to be replaced is built anew beside, and the two
 * exchange their tables, which can neither fail half way nor run code. */
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
    bool plain; /* whether all keys are known to be exact strs: then to assign
                   runs no code */
    bool held;  /* whether keys and values are owned, else borrowed */
    bool found; /* whether entries are known, and valid: no code has run */
    mo_dict_entry *entry[MO_STRINGS];
    PyObject *key[MO_STRINGS];
    PyObject *value[MO_STRINGS];
} part;

/* Which of its values are looked at. */
typedef struct {
    int count;
    int at[MO_STRINGS];
} choice;

void
mo_fetch_values(PyObject *dict)
{
    Py_ssize_t n;
    const mo_dict_entry *entries = mo_dict_entries(dict, &n);
    for (Py_ssize_t i = 0; entries != NULL && i < n && i < MO_STRINGS; i++) {
        MO_PREFETCH(entries[i].value);
        MO_PREFETCH((const char *)entries[i].value + 64);
    }
}

static void
add_item(part *items, PyObject *key, PyObject *value, mo_dict_entry *entry)
{
    items->entry[items->count] = entry;
    items->key[items->count] = key;
    items->value[items->count++] = value;
}

static void
read_part(PyObject *dict, Py_ssize_t *position, part *items)
{
    Py_ssize_t n;
    mo_dict_entry *entries = mo_dict_entries(dict, &n);
    PyObject *key, *value;
    items->count = 0;
    items->held = false;
    items->plain = items->found = entries != NULL;
    if (entries != NULL) {
        Py_ssize_t i = *position;
        for (; i < n && items->count < MO_STRINGS; i++) {
            if (entries[i].value != NULL) {
                add_item(items, entries[i].key, entries[i].value, &entries[i]);
            }
        }
        *position = i;
        return;
    }
    while (items->count < MO_STRINGS &&
           PyDict_Next(dict, position, &key, &value)) {
        add_item(items, key, value, NULL);
    }
}

static void
hold(part *items)
{
    for (int i = 0; i < items->count; i++) {
        Py_INCREF(items->key[i]);
        Py_INCREF(items->value[i]);
    }
    items->held = true;
    items->found = false;
}

static void
let_go(part *items)
{
    for (int i = 0; items->held && i < items->count; i++) {
        Py_DECREF(items->key[i]);
        Py_XDECREF(items->value[i]);
    }
}

/* Sorts the values by what is to be done with them: strings to be interned,
 * containers to be walked, tuples to be made anew.  0, or -1 with an exception
 * set. */
static int
choose(mo_walk *w, const part *items, choice *strings, choice *others,
       choice *tuples)
{
    strings->count = others->count = tuples->count = 0;
    for (int i = 0; i < items->count; i++) {
        PyObject *value = items->value[i];
        if (PyUnicode_CheckExact(value)) {
            if (w->values && MO_STR_IS_READY(value)) {
                strings->at[strings->count++] = i;
            }
            continue;
        }
        if (!mo_walk_wants(w, value)) {
            continue;
        }
        int remade = mo_is_remade(w, value);
        if (remade < 0) {
            return -1;
        }
        choice *list = remade ? tuples : others;
        list->at[list->count++] = i;
    }
    return 0;
}

/* Writes into the table.  CPython and others cache what a dict has, and ask
 * for its version: whoever does this goes on to assign(), which changes that,
 * before any other code runs. */
static void
write_entry(mo_walk *w, mo_dict_entry *entry, PyObject *new)
{
    PyObject *old = entry->value;
    entry->value = Py_NewRef(new);
    mo_drop_replaced(w, old);
}

/* Assigns `new`, if that is not what is there already, for the value i of a
 * part. */
static int
assign(mo_walk *w, PyObject *dict, part *items, int i, PyObject *new)
{
    PyObject *old = items->value[i];
    if (new == old) {
        return 0;
    }
    int status = items->held ? has_item(dict, items->key[i], old) : 1;
    if (status <= 0) {
        return status;
    }
    Py_INCREF(old);
    status = PyDict_SetItem(dict, items->key[i], new);
    if (status == 0) {
        w->strings.replaced += PyUnicode_CheckExact(old);
        if (items->held) {
            items->value[i] = NULL;
            Py_DECREF(old);
        }
    }
    mo_walk_drop(w, old);
    return status;
}

static int
intern_values(mo_walk *w, PyObject *dict, part *items, const choice *strings)
{
    PyObject *string[MO_STRINGS], *kept[MO_STRINGS];
    if (strings->count == 0) {
        return 0;
    }
    for (int i = 0; i < strings->count; i++) {
        string[i] = items->value[strings->at[i]];
    }
    if (mo_intern_strings(w->pool, string, strings->count, kept) < 0) {
        return -1;
    }
    w->strings.seen += (uint64_t)strings->count;
    int last = strings->count - 1, status = 0;
    while (last > 0 && kept[last] == string[last]) {
        last--;
    }
    for (int i = 0; i < strings->count; i++) {
        if (items->found && i < last && kept[i] != string[i]) {
            write_entry(w, items->entry[strings->at[i]], kept[i]);
        }
        else if (status == 0) {
            status = assign(w, dict, items, strings->at[i], kept[i]);
        }
        Py_DECREF(kept[i]);
    }
    return status;
}

static int
remake_tuples(mo_walk *w, PyObject *dict, part *items, const choice *tuples)
{
    for (int i = 0; i < tuples->count; i++) {
        /* The dict's reference, and the part's. */
        PyObject *tuple = items->value[tuples->at[i]];
        PyObject *instead = mo_walk_tuple(w, tuple, 2);
        if (instead == NULL) {
            return -1;
        }
        int status = assign(w, dict, items, tuples->at[i], instead);
        Py_DECREF(instead);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

static int
walk_part(mo_walk *w, PyObject *dict, part *items)
{
    choice strings, others, tuples;
    if (choose(w, items, &strings, &others, &tuples) < 0) {
        return -1;
    }
    for (int i = 0; i < others.count; i++) {
        if (mo_walk_later(w, items->value[others.at[i]], 1) < 0) {
            return -1;
        }
    }
    if (!items->plain || tuples.count > 0) {
        hold(items);
    }
    int status = intern_values(w, dict, items, &strings);
    if (status == 0) {
        status = remake_tuples(w, dict, items, &tuples);
    }
    let_go(items);
    return status;
}

/* --- keys ---------------------------------------------------------------- */

/* What interning a key gives, borrowed; NULL with an exception set.  Most
 * dicts of a document share their keys: those known to be the ones to use, by
 * address, need no lookup. */
static PyObject *
kept_key(mo_walk *w, PyObject *key)
{
    PyObject **known = &w->known[((uintptr_t)key >> 4) % MO_KNOWN_KEYS];
    if (*known != key) {
        if (MO_STR_READY(key) < 0) {
            return NULL;
        }
        PyObject *kept = mo_internpool_intern_exact(w->pool, key);
        if (kept == NULL) {
            return NULL;
        }
        if (kept != key) {
            known = &w->known[((uintptr_t)kept >> 4) % MO_KNOWN_KEYS];
        }
        Py_XSETREF(*known, kept); /* a str: runs no code */
    }
    return *known;
}

/* Writes keys into the table: each belongs where an equal one is. */
static int
write_entry_keys(mo_walk *w, part *items)
{
    for (int i = 0; i < items->count; i++) {
        PyObject *key = items->key[i];
        PyObject *kept = kept_key(w, key);
        if (kept == NULL) {
            return -1;
        }
        if (kept != key) {
            (void)PyObject_Hash(kept); /* of a str: caches it, cannot fail */
            items->key[i] = items->entry[i]->key = Py_NewRef(kept);
            mo_drop_replaced(w, key);
        }
    }
    w->strings.seen += (uint64_t)items->count;
    return 0;
}

/* Whether there are keys to be walked, or other strs to be used: 1 or 0, or
 * -1 with an exception set.  `items` are the first, `position` is behind. */
static int
wants_keys(mo_walk *w, PyObject *dict, const part *items, Py_ssize_t position)
{
    uint64_t seen = 0;
    int i = 0;
    PyObject *key;
    while (i < items->count || (items->count == MO_STRINGS &&
                                PyDict_Next(dict, &position, &key, NULL))) {
        key = i < items->count ? items->key[i++] : key;
        if (PyUnicode_CheckExact(key)) {
            PyObject *kept = kept_key(w, key);
            if (kept != key) {
                return kept == NULL ? -1 : 1;
            }
            seen++;
        }
        else if (mo_walk_wants(w, key)) {
            return 1;
        }
    }
    w->strings.seen += seen;
    return 0;
}

/* A new dict of the same values under the new keys; with fewer of them if one
 * of the old keys cannot be found, so that their hashes stay as they are. */
static PyObject *
with_keys(PyObject *dict, PyObject *now, PyObject *before)
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

/* Whether two dicts hold the same values in the same order, `made` under the
 * keys that are listed. */
static bool
are_alike(PyObject *dict, PyObject *made, PyObject *now, PyObject *before)
{
    PyObject *key, *value, *made_key, *made_value;
    Py_ssize_t at = 0, made_at = 0, i = 0;
    for (; i < PyList_GET_SIZE(now) && PyDict_Next(dict, &at, &key, &value) &&
           PyDict_Next(made, &made_at, &made_key, &made_value);
         i++) {
        if (key != PyList_GET_ITEM(before, i) || value != made_value ||
            made_key != PyList_GET_ITEM(now, i)) {
            return false;
        }
    }
    return i == PyDict_GET_SIZE(dict) && i == PyDict_GET_SIZE(made);
}

/* Exchanges the tables of two dicts that have no split one. */
static void
exchange_tables(PyDictObject *a, PyDictObject *b)
{
    PyDictKeysObject *keys = a->ma_keys;
    a->ma_keys = b->ma_keys;
    b->ma_keys = keys;
    assert(a->ma_used == b->ma_used);
    assert(a->ma_values == NULL && b->ma_values == NULL);
}

static int
write_keys(mo_walk *w, PyObject *dict, PyObject *now, PyObject *before)
{
    PyObject *made = with_keys(dict, now, before);
    if (made == NULL) {
        return -1;
    }
    bool alike = are_alike(dict, made, now, before);
    if (alike) {
        exchange_tables((PyDictObject *)dict, (PyDictObject *)made);
    }
    Py_DECREF(made);
    for (Py_ssize_t i = 0; alike && i < PyList_GET_SIZE(now); i++) {
        if (PyList_GET_ITEM(now, i) != PyList_GET_ITEM(before, i)) {
            mo_drop_replaced(w, mo_take(before, i));
        }
    }
    return 0;
}

static int
walk_keys(mo_walk *w, PyObject *dict)
{
    PyObject *before = PyDict_Keys(dict);
    PyObject *now = before ? mo_walk_listed(w, before, true) : NULL;
    int status = now ? 0 : -1;
    if (status == 0 && mo_lists_differ(now, before)) {
        status = write_keys(w, dict, now, before);
    }
    Py_XDECREF(now);
    Py_XDECREF(before);
    return status;
}

/* Sees to the keys of a part, or at the beginning to all of them. */
static int
walk_part_keys(mo_walk *w, PyObject *dict, part *items, bool first,
               Py_ssize_t *position)
{
    /* An OrderedDict has the keys a second time; those of a split table,
     * attribute names, are interned. */
    if (!w->keys || PyODict_Check(dict) ||
        ((PyDictObject *)dict)->ma_values != NULL) {
        return 0;
    }
    if (items->found) {
        return write_entry_keys(w, items);
    }
    int status = first ? wants_keys(w, dict, items, *position) : 0;
    if (status > 0) {
        status = walk_keys(w, dict);
        *position = 0;
        read_part(dict, position, items);
    }
    return status;
}

int
mo_walk_dict(mo_walk *w, PyObject *dict, Py_ssize_t *position)
{
    const bool first = *position == 0;
    part items;
    read_part(dict, position, &items);
    int status = walk_part_keys(w, dict, &items, first, position);
    if (status == 0) {
        status = walk_part(w, dict, &items);
    }
    return status < 0 ? -1 : items.count == MO_STRINGS;
}
