/* dedup_table.c - dicts whose keys dedup() replaces, or whose keys are not all
 * exact strs: see dedup.h.
 *
 * Nothing replaces a key and keeps the order; and to look up a key may run a
 * __hash__ or __eq__, which may do anything to the dict before a value is
 * written there.  So such a dict is built anew beside, and the two exchange
 * their tables if the dict still is as it was, which can neither fail half way
 * nor run code.  Other threads may still be reading the old table, which is
 * freed like one that a dict has outgrown. */
#include "internpool/dedup.h"

/* Parts of a dict that has simple keys, see below: all of them are looked at for
 * each part, which has no fewer than MO_STRINGS values. */
#define PARTS 4

/* Keys in keys that are looked at: few have more, and all may have common ones,
 * as many times as there are ways to them. */
#define NESTING 8

/* What is replaced in a dict, in lists that nothing else knows. */
typedef struct {
    PyObject *keys, *new_keys; /* all, in order */
    PyObject *values,
        *new_values; /* the first ones, None for what is no string
                                      and no tuple; or NULL */
} change;

/* What is to be where a value is that is number i. */
static PyObject *
new_value(const change *c, Py_ssize_t i, PyObject *value)
{
    return c->values != NULL && i < PyList_GET_SIZE(c->values) &&
                   PyList_GET_ITEM(c->values, i) == value
               ? PyList_GET_ITEM(c->new_values, i)
               : value;
}

/* Whether a dict has a value under a key: 1 or 0, or -1 with an exception set.
 * Other code may have changed that; and a key of a class with a __hash__ may
 * have another one than when it was stored. */
static int
has_item(PyObject *dict, PyObject *key, PyObject *value)
{
    PyObject *found = PyDict_GetItemWithError(dict, key);
    return found ? found == value : -(PyErr_Occurred() != NULL);
}

/* A new dict of what is to be in place of keys and values; with fewer of them
 * if one of the old keys cannot be found, so that their hashes stay as they
 * are. */
static PyObject *
changed_lock_held(PyObject *dict, const change *c)
{
    PyObject *made = PyDict_New();
    PyObject *key, *value;
    Py_ssize_t position = 0;
    for (Py_ssize_t i = 0; made != NULL && i < PyList_GET_SIZE(c->keys) &&
                           PyDict_Next(dict, &position, &key, &value) &&
                           key == PyList_GET_ITEM(c->keys, i);
         i++) {
        Py_INCREF(key);
        Py_INCREF(value);
        int found = PyUnicode_CheckExact(key) ? 1 : has_item(dict, key, value);
        int status =
            found > 0 ? PyDict_SetItem(made, PyList_GET_ITEM(c->new_keys, i),
                                       new_value(c, i, value))
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

/* Whether `made` is what a dict is to become, item by item in the same places.
 * A loop over the dict, suspended meanwhile, knows its place in the table, a
 * reversed one even behind the last item: so a dict that has lost items keeps
 * its table. */
static bool
are_alike_lock_held(PyObject *dict, PyObject *made, const change *c)
{
    PyObject *key, *value, *made_key, *made_value;
    Py_ssize_t at = 0, made_at = 0, i = 0;
    for (; i < PyList_GET_SIZE(c->keys) &&
           PyDict_Next(dict, &at, &key, &value) &&
           PyDict_Next(made, &made_at, &made_key, &made_value);
         i++) {
        if (key != PyList_GET_ITEM(c->keys, i) ||
            made_value != new_value(c, i, value) ||
            made_key != PyList_GET_ITEM(c->new_keys, i) || at != made_at) {
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
exchange_if_alike(PyObject *dict, PyObject *made, const change *c)
{
    bool alike;
    MO_BEGIN_CRITICAL_SECTION2(dict, made);
    alike = are_alike_lock_held(dict, made, c);
    if (alike) {
        exchange_tables_lock_held((PyDictObject *)dict, (PyDictObject *)made);
    }
    MO_END_CRITICAL_SECTION2();
    return alike;
}

/* Releases what has been replaced, and counts. */
static void
drop_all(mo_walk *w, PyObject *now, PyObject *before)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(now); i++) {
        if (PyList_GET_ITEM(now, i) != PyList_GET_ITEM(before, i)) {
            mo_drop_replaced(w, mo_take(before, i));
        }
    }
}

static int
write_table(mo_walk *w, PyObject *dict, const change *c)
{
    PyObject *made;
    MO_BEGIN_CRITICAL_SECTION(dict);
    made = changed_lock_held(dict, c);
    MO_END_CRITICAL_SECTION();
    if (made == NULL) {
        return -1;
    }
    bool alike = exchange_if_alike(dict, made, c);
    mo_dict_retire(made);
    mo_walk_settle(w, alike);
    if (alike) {
        drop_all(w, c->new_keys, c->keys);
    }
    if (alike && c->values != NULL) {
        drop_all(w, c->new_values, c->values);
    }
    return 0;
}

/* Whether a dict has to keep its table. */
static bool
keeps_table(PyObject *dict)
{
    bool holes;
    MO_BEGIN_CRITICAL_SECTION(dict);
    holes = mo_dict_has_holes(dict);
    MO_END_CRITICAL_SECTION();
    return holes || (!PyDict_CheckExact(dict) && PyODict_Check(dict));
}

/* --- keys ---------------------------------------------------------------- */

/* A new list of what is to be in place of keys. */
static PyObject *
list_new_keys(mo_walk *w, PyObject *before)
{
    PyObject *now = mo_walk_listed(w, before, true);
    for (Py_ssize_t i = 0; now != NULL && i < PyList_GET_SIZE(now); i++) {
        PyObject *key = PyList_GET_ITEM(before, i);
        if (PyUnicode_CheckExact(key) && mo_key_stays(key)) {
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
        const change c = {before, now, NULL, NULL};
        status = write_table(w, dict, &c);
    }
    mo_walk_settle(w, false);
    Py_XDECREF(now);
    return status;
}

/* Of a dict that keeps its table. */
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

int
mo_walk_keys(mo_walk *w, PyObject *dict)
{
    const bool fixed = keeps_table(dict);
    PyObject *keys = PyDict_Keys(dict);
    int status = keys == NULL ? -1
                 : fixed      ? walk_fixed_keys(w, keys)
                              : replace_keys(w, dict, keys);
    Py_XDECREF(keys);
    return status;
}

/* --- values under keys that are not all strs ----------------------------- */

static bool
compares_like(PyObject *key, const PyTypeObject *type)
{
    return Py_TYPE(key)->tp_richcompare == type->tp_richcompare &&
           Py_TYPE(key)->tp_hash == type->tp_hash;
}

/* Whether to look a key up among others like it runs no code; but for a warning
 * of `python -b`, if bytes and a str have the same hash. */
static bool
is_simple(PyObject *key, int nesting)
{
    if (PyLong_CheckExact(key) || PyUnicode_CheckExact(key)) {
        return true; /* as most are */
    }
    bool simple = nesting-- > 0;
    if (PyTuple_Check(key) && compares_like(key, &PyTuple_Type)) {
        for (Py_ssize_t i = 0; simple && i < PyTuple_GET_SIZE(key); i++) {
            simple = is_simple(PyTuple_GET_ITEM(key, i), nesting);
        }
        return simple;
    }
    if (PyFrozenSet_Check(key) && compares_like(key, &PyFrozenSet_Type)) {
        const PySetObject *set = (PySetObject *)key;
        for (Py_ssize_t i = 0; simple && i <= set->mask; i++) {
            PyObject *item = set->table[i].key;
            simple = item == NULL || is_simple(item, nesting);
        }
        return simple;
    }
    return compares_like(key, &PyUnicode_Type) ||
           compares_like(key, &PyLong_Type) ||
           compares_like(key, &PyBytes_Type) ||
           compares_like(key, &PyFloat_Type) || key == Py_None ||
           compares_like(key, &PyBaseObject_Type);
}

static bool
has_simple_keys_lock_held(PyObject *dict)
{
    Py_ssize_t position = 0;
    PyObject *key;
    while (PyDict_Next(dict, &position, &key, NULL)) {
        if (!is_simple(key, NESTING)) {
            return false;
        }
    }
    return true;
}

/* Appends the item that is to be number i, and None for those before it. */
static int
append_at(PyObject *list, Py_ssize_t i, PyObject *item)
{
    int status = 0;
    while (status == 0 && PyList_GET_SIZE(list) < i) {
        status = PyList_Append(list, Py_None);
    }
    return status < 0 ? -1 : PyList_Append(list, item);
}

/* Lists those of up to `most` values that may be replaced; containers are walked
 * later.  How many values there were, or -1 with an exception set.  Runs no
 * code. */
static Py_ssize_t
list_values_lock_held(mo_walk *w, PyObject *dict, Py_ssize_t *position,
                      Py_ssize_t most, PyObject *values)
{
    PyObject *key, *value;
    Py_ssize_t n = 0;
    for (; n < most && PyDict_Next(dict, position, &key, &value); n++) {
        int status = 0;
        if (PyUnicode_CheckExact(value) || PyTuple_Check(value)) {
            status = append_at(values, n, value);
        }
        else if (mo_may_be_walked(value)) {
            status = mo_walk_later(w, value, mo_is_shared(value, 1));
        }
        if (status < 0) {
            return -1;
        }
    }
    return n;
}

/* Assigns values from a position on, where they still are.  1 if so, 0 if that
 * might run code, or -1 with an exception set. */
static int
assign_lock_held(PyObject *dict, Py_ssize_t position, PyObject *now,
                 PyObject *before)
{
    PyObject *key, *value;
    if (!has_simple_keys_lock_held(dict)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(now) &&
                           PyDict_Next(dict, &position, &key, &value);
         i++) {
        PyObject *new = PyList_GET_ITEM(now, i);
        if (value == PyList_GET_ITEM(before, i) &&
            new != value &&PyDict_SetItem(dict, key, new) < 0) {
            return -1;
        }
    }
    return 1;
}

static int
assign_values(mo_walk *w, PyObject *dict, Py_ssize_t position, PyObject *now,
              PyObject *before)
{
    int status;
    MO_BEGIN_CRITICAL_SECTION(dict);
    status = assign_lock_held(dict, position, now, before);
    MO_END_CRITICAL_SECTION();
    if (status > 0) {
        mo_walk_settle(w, true);
        drop_all(w, now, before);
    }
    return status < 0 ? -1 : 0;
}

static int
exchange_values(mo_walk *w, PyObject *dict, PyObject *now, PyObject *before)
{
    if (keeps_table(dict)) {
        return 0;
    }
    PyObject *keys = PyDict_Keys(dict);
    const change c = {keys, keys, before, now};
    int status = keys ? write_table(w, dict, &c) : -1;
    Py_XDECREF(keys);
    return status;
}

static int
replace_values(mo_walk *w, PyObject *dict, Py_ssize_t start, bool simple,
               PyObject *before)
{
    if (PyList_GET_SIZE(before) == 0) {
        return 0;
    }
    PyObject *now = mo_walk_listed(w, before, w->values);
    int status = now ? 0 : -1;
    if (status == 0 && mo_lists_differ(now, before)) {
        status = simple ? assign_values(w, dict, start, now, before)
                        : exchange_values(w, dict, now, before);
    }
    mo_walk_settle(w, false);
    Py_XDECREF(now);
    return status;
}

int
mo_walk_mixed(mo_walk *w, PyObject *dict, Py_ssize_t *position)
{
    const Py_ssize_t start = *position;
    PyObject *values = PyList_New(0);
    if (values == NULL) {
        return -1;
    }
    bool simple;
    Py_ssize_t most, n;
    MO_BEGIN_CRITICAL_SECTION(dict);
    simple = has_simple_keys_lock_held(dict);
    most =
        simple ? PyDict_GET_SIZE(dict) / PARTS + MO_STRINGS : PY_SSIZE_T_MAX;
    n = list_values_lock_held(w, dict, position, most, values);
    MO_END_CRITICAL_SECTION();
    int status = n < 0 ? -1 : 0;
    if (n > 0 && (simple || start == 0)) {
        status = replace_values(w, dict, start, simple, values);
    }
    Py_DECREF(values);
    return status < 0 ? -1 : n == most;
}
