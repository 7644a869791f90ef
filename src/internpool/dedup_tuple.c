/* dedup_tuple.c - tuples that dedup() makes anew: see dedup.h.
 *
 * A tuple whose strings, or tuples, have others in their place is copied with
 * these, and whoever holds it writes the copy.  Tuples in tuples are entered
 * before the outer one is left; a shared one is made once, and `seen` says
 * what is in its place. */
#include "internpool/dedup.h"

/* Whether a new tuple of this type would lack nothing but identity: 1 or 0, or
 * -1 with an exception set. */
static int
can_be_remade(PyTypeObject *type)
{
    if (type == &PyTuple_Type) {
        return 1;
    }
    if (type->tp_basicsize != PyTuple_Type.tp_basicsize ||
        type->tp_dictoffset != 0 ||
        !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        return 0;
    }
    if (type->tp_richcompare != PyTuple_Type.tp_richcompare ||
        type->tp_hash != PyTuple_Type.tp_hash || type->tp_finalize != NULL ||
        type->tp_del != NULL) {
        return 0; /* might compare by identity, or notice its own end */
    }
    /* Not by getattr(), which a metaclass could answer with code. */
    PyObject *name = PyUnicode_InternFromString("_fields");
    if (name == NULL) {
        return -1;
    }
    PyObject *fields = mo_type_lookup(type, name);
    Py_DECREF(name);
    int is_named = fields != NULL;
    Py_XDECREF(fields);
    return is_named;
}

/* Whether an item is a tuple to be made anew: 1 or 0, or -1 with an exception
 * set.  To look for a name in its class runs code if that has another name of the
 * same hash and a type of its own. */
static int
is_remade(const mo_walk *w, PyObject *item)
{
    return w->values && PyTuple_Check(item) ? can_be_remade(Py_TYPE(item)) : 0;
}

/* A named tuple, or a plain one.  Steals the plain one. */
static PyObject *
as_tuple_of_type(PyTypeObject *type, PyObject *plain)
{
    if (plain == NULL || type == &PyTuple_Type) {
        return plain;
    }
    PyObject *arguments = PyTuple_Pack(1, plain);
    Py_DECREF(plain);
    if (arguments == NULL) {
        return NULL;
    }
    PyObject *made = PyTuple_Type.tp_new(type, arguments, NULL);
    Py_DECREF(arguments);
    return made;
}

/* Puts an item, a reference that it takes over, into the copy of the tuple on
 * top; that is made now if it was not yet. */
static int
put(mo_walk *w, Py_ssize_t position, PyObject *item)
{
    mo_nested *top = &w->nested[w->nested_depth - 1];
    if (top->made == NULL) {
        const Py_ssize_t n = PyTuple_GET_SIZE(top->tuple);
        PyObject *made = PyTuple_New(n);
        if (made == NULL) {
            Py_DECREF(item);
            return -1;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            PyTuple_SET_ITEM(made, i,
                             Py_NewRef(PyTuple_GET_ITEM(top->tuple, i)));
        }
        top->made = made;
    }
    Py_DECREF(PyTuple_GET_ITEM(top->made, position)); /* the tuple's is left */
    PyTuple_SET_ITEM(top->made, position, item);
    return 0;
}

/* Whether nothing but a tuple has the string i of n of its items, which counts
 * where it stands first among them. */
static bool
goes_with_tuple(PyObject *const *string, int n, int i)
{
    Py_ssize_t times = 0;
    if (Py_REFCNT(string[i]) == 1) {
        return true;
    }
    for (int j = 0; j < n; j++) {
        if (string[j] == string[i]) {
            if (j < i) {
                return false;
            }
            times++;
        }
    }
    return Py_REFCNT(string[i]) == times;
}

/* Interns the strings among up to MO_STRINGS items of the tuple on top. */
static int
intern_part(mo_walk *w, Py_ssize_t start, Py_ssize_t stop)
{
    PyObject *tuple = w->nested[w->nested_depth - 1].tuple;
    PyObject *string[MO_STRINGS], *kept[MO_STRINGS];
    Py_ssize_t place[MO_STRINGS];
    int n = 0;
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (PyUnicode_CheckExact(item) && MO_STR_IS_READY(item)) {
            place[n] = i;
            string[n++] = item;
        }
    }
    if (n == 0) {
        return 0;
    }
    w->strings.seen += (uint64_t)n;
    if (mo_intern_strings(w->pool, string, n, kept) < 0) {
        return -1;
    }
    int status = 0;
    for (int i = 0; i < n; i++) {
        if (status < 0 || kept[i] == string[i]) {
            Py_DECREF(kept[i]);
            continue;
        }
        status = put(w, place[i], kept[i]);
        w->nested[w->nested_depth - 1].strings += status == 0;
    }
    /* Now that the copy has none of those replaced, but the tuple still does. */
    for (int i = 0; status == 0 && i < n; i++) {
        if (kept[i] != string[i] && goes_with_tuple(string, n, i)) {
            w->nested[w->nested_depth - 1].bytes += mo_str_size(string[i]);
        }
    }
    return status;
}

static int
intern_items(mo_walk *w)
{
    PyObject *tuple = w->nested[w->nested_depth - 1].tuple;
    const Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    for (Py_ssize_t i = 0; i < n; i += MO_STRINGS) {
        if (intern_part(w, i, i + MO_STRINGS < n ? i + MO_STRINGS : n) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Begins with a tuple; or, if that is known, gives what is in its place: a new
 * reference, NULL if it has begun. */
static int
enter(mo_walk *w, PyObject *tuple, bool shared, PyObject **instead)
{
    *instead = NULL;
    if (shared) {
        if (mo_seen_add(&w->seen, tuple) < 0) {
            return -1;
        }
        mo_seen_entry *entry = mo_seen_find(&w->seen, tuple);
        if (entry->instead != NULL) {
            *instead = Py_NewRef(entry->instead);
            return 0;
        }
        entry->instead = Py_NewRef(tuple); /* for now: it may hold itself */
    }
    if (mo_walk_reserve(&w->nested, w->nested_depth, &w->nested_capacity,
                        sizeof *w->nested) < 0) {
        return -1;
    }
    w->nested[w->nested_depth++] =
        (mo_nested){.tuple = Py_NewRef(tuple), .shared = shared};
    w->containers++;
    return intern_items(w);
}

/* Remembers what is in place of a shared tuple. */
static int
remember(mo_walk *w, const mo_nested *top, PyObject *instead)
{
    if (mo_walk_reserve(&w->replaced, w->replaced_count, &w->replaced_capacity,
                        sizeof *w->replaced) < 0) {
        return -1;
    }
    mo_seen_entry *entry = mo_seen_find(&w->seen, top->tuple);
    Py_SETREF(entry->instead, Py_NewRef(instead));
    w->replaced[w->replaced_count++] =
        (mo_replaced){Py_NewRef(top->tuple), top->bytes};
    return 0;
}

/* Ends with the tuple on top: what is to be in its place, a new reference. */
static PyObject *
leave(mo_walk *w)
{
    mo_nested *top = &w->nested[w->nested_depth - 1];
    if (top->made == NULL) {
        w->nested_depth--;
        return top->tuple;
    }
    PyObject *made = top->made;
    top->made = NULL;
    made = as_tuple_of_type(Py_TYPE(top->tuple), made);
    if (made == NULL || (top->shared && remember(w, top, made) < 0)) {
        Py_XDECREF(made);
        return NULL;
    }
    mo_nested done = *top;
    const bool inner = --w->nested_depth > 0;
    *(inner ? &top[-1].strings : &w->made_strings) += done.strings;
    *(inner ? &top[-1].bytes : &w->made_bytes) += done.shared ? 0 : done.bytes;
    Py_DECREF(done.tuple); /* whoever held it still does */
    return made;
}

/* Takes what is in place of the item that the tuple on top looks at, a
 * reference that it takes over, and goes on. */
static int
settle(mo_walk *w, PyObject *instead)
{
    mo_nested *top = &w->nested[w->nested_depth - 1];
    Py_ssize_t position = top->position++;
    if (instead == PyTuple_GET_ITEM(top->tuple, position)) {
        Py_DECREF(instead);
        return 0;
    }
    return put(w, position, instead);
}

/* Looks at the next item of the tuple on top, or leaves that.  What is in place
 * of the outermost tuple then goes to *result. */
static int
advance(mo_walk *w, PyObject **result)
{
    mo_nested *top = &w->nested[w->nested_depth - 1];
    PyObject *instead;
    if (top->position == PyTuple_GET_SIZE(top->tuple)) {
        instead = leave(w);
        if (instead == NULL || w->nested_depth == 0) {
            *result = instead;
            return instead == NULL ? -1 : 0;
        }
        return settle(w, instead);
    }
    PyObject *item = PyTuple_GET_ITEM(top->tuple, top->position);
    const bool shared = mo_is_shared(item, 1);
    int remade = is_remade(w, item);
    if (remade > 0) {
        int status = enter(w, item, shared, &instead);
        return instead != NULL ? settle(w, instead) : status;
    }
    top->position++;
    return remade < 0 ? -1 : mo_walk_later(w, item, shared);
}

static PyObject *
walk_tuple(mo_walk *w, PyObject *tuple, bool shared)
{
    PyObject *result = NULL;
    int status = enter(w, tuple, shared, &result);
    while (status == 0 && result == NULL) {
        status = advance(w, &result);
    }
    while (w->nested_depth > 0) { /* after an error */
        mo_nested *top = &w->nested[--w->nested_depth];
        Py_DECREF(top->tuple);
        Py_XDECREF(top->made);
    }
    return result;
}

PyObject *
mo_walk_item(mo_walk *w, PyObject *item, bool shared)
{
    int status = is_remade(w, item);
    if (status > 0) {
        return walk_tuple(w, item, shared);
    }
    if (status == 0) {
        status = mo_walk_later(w, item, shared);
    }
    return status < 0 ? NULL : Py_NewRef(item);
}

void
mo_walk_settle(mo_walk *w, bool written)
{
    if (written) {
        w->strings.replaced += w->made_strings;
        w->strings.bytes_freed += w->made_bytes;
        w->replaced_written = w->replaced_count;
    }
    while (w->replaced_count > w->replaced_written) {
        Py_DECREF(w->replaced[--w->replaced_count].tuple); /* not the last */
    }
    w->made_strings = w->made_bytes = 0;
}

/* One that stays in its place: dedup()'s root, a key or what else cannot be
 * written, or one of a class of its own.  Its strings stay too. */
int
mo_walk_fixed_tuple(mo_walk *w, PyObject *tuple, Py_ssize_t *position)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (mo_walk_later(w, item, mo_is_shared(item, 1)) < 0) {
            return -1;
        }
    }
    *position = PyTuple_GET_SIZE(tuple);
    return 0;
}
