/* dedup.c - one object for equal strings throughout what an object holds.
 *
 * A depth-first walk with a stack of its own: nesting has no limit but memory.
 * To enter an object is to list what it holds and to intern the strings in
 * that list; to leave it, after its containers were walked, is to write back
 * what has changed.  A list is its own list.  Tuples are made anew.
 *
 * A thing is only ever replaced by an equal one of its type, checked at the
 * moment of writing: code that runs in between, a signal handler or a key's
 * __hash__, may change anything, and is at worst not walked.  Whoever writes
 * back runs no Python code but as said.  Frames own what they name. */
#include "internpool/internal.h"
#include "state.h"

#include <string.h>

/* Signals are looked at after so many containers: some milliseconds. */
#define CONTAINERS_BETWEEN_SIGNALS 16384

/* Dict keys that need no lookup, by address; see is_known(). */
#define KNOWN_KEYS 256

typedef enum {
    NOTHING, /* to be walked */
    LIST,
    DICT,
    TUPLE,
    SET, /* or frozenset */
    DEQUE,
    ARRAY,    /* a NumPy array */
    INSTANCE, /* of a class written in Python */
} container_kind;

/* A container that was entered and not left. */
typedef struct {
    container_kind kind;
    bool shared;         /* whether `seen` knows it */
    PyObject *object;    /* owned */
    PyObject *items;     /* owned: a list of what it holds */
    PyObject *before;    /* owned: INSTANCE's items as they were; else NULL */
    Py_ssize_t position; /* of the item that is walked, or will be */
} frame;

typedef struct {
    PyObject *pool;  /* borrowed: the InternPool */
    bool keys;       /* whether to intern keys of dicts */
    bool values;     /* whether to intern everything else */
    PyObject *deque; /* owned: the type collections.deque */
    frame *frames;   /* owned: the stack */
    size_t depth;    /* frames in use */
    size_t capacity; /* frames allocated */
    PyObject *seen;  /* owned dict: address of a container that may be
                            reached again -> what is to be there instead of it;
                            None while it is open, Ellipsis if it must stay */
    PyObject
        *replaced;   /* owned list: those that `seen` would not keep alive */
    PyObject *names; /* owned dict: address of a class -> attribute names */
    PyObject *known[KNOWN_KEYS]; /* owned, or NULL */
    mo_intern_counts strings;
    uint64_t containers; /* entered */
} walker;

/* --- what to walk ------------------------------------------------------- */

/* By name, so that the module that has it need not be there. */
static bool
derives_from(PyTypeObject *type, const char *name)
{
    for (; type != NULL; type = type->tp_base) {
        if (strcmp(type->tp_name, name) == 0) {
            return true;
        }
    }
    return false;
}

static container_kind
kind_of(const walker *w, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (!PyType_IS_GC(type)) {
        /* Arrays are the one container that the collector does not know. */
        return type->tp_as_buffer != NULL && !PyBytes_CheckExact(object) &&
                       derives_from(type, "numpy.ndarray")
                   ? ARRAY
                   : NOTHING;
    }
    if (PyList_Check(object)) {
        return LIST;
    }
    if (PyDict_Check(object)) {
        return DICT;
    }
    if (PyTuple_Check(object)) {
        return TUPLE;
    }
    if (PyAnySet_Check(object)) {
        return SET;
    }
    if ((PyObject *)type == w->deque) {
        return DEQUE;
    }
    if (derives_from(type, "numpy.ndarray")) {
        return ARRAY;
    }
    if (strcmp(type->tp_name, "types.SimpleNamespace") == 0) {
        return INSTANCE;
    }
    /* The memory of ctypes has addresses of what its dicts keep alive. */
    return PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) &&
                   !PyType_Check(object) &&
                   !derives_from(type, "_ctypes._CData")
               ? INSTANCE
               : NOTHING;
}

/* Whether the walk has made `a` of `b`, a tuple that it may reach again. */
static bool
was_made_of(const walker *w, PyObject *a, PyObject *b)
{
    PyObject *address = PyLong_FromVoidPtr(b);
    PyObject *instead =
        address ? PyDict_GetItemWithError(w->seen, address) : NULL;
    Py_XDECREF(address);
    PyErr_Clear(); /* without memory it is compared */
    return instead == a;
}

/* Whether two objects are the same but for the identity of strings in them,
 * so that one may take the place of the other. */
static bool
are_twins(const walker *w, PyObject *a, PyObject *b, int depth)
{
    if (a == b) {
        return true;
    }
    if (PyUnicode_CheckExact(a) && PyUnicode_CheckExact(b)) {
        return MO_STR_IS_READY(a) && MO_STR_IS_READY(b) && mo_str_equal(a, b);
    }
    if (!PyTuple_Check(a) || Py_TYPE(a) != Py_TYPE(b) ||
        PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b) || depth == 100) {
        return false;
    }
    /* Tuples that share others have up to 2**depth paths: do not walk them. */
    if (Py_REFCNT(b) > 1 && was_made_of(w, a, b)) {
        return true;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); i++) {
        if (!are_twins(w, PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i),
                       depth + 1)) {
            return false;
        }
    }
    return true;
}

/* Whether to write `new` where `old` is. */
static bool
replaces(const walker *w, PyObject *new, PyObject *old)
{
    return new != old &&are_twins(w, new, old, 0);
}

/* Releases a reference to what was replaced, and counts strings that go. */
static void
drop_old(walker *w, PyObject *old)
{
    if (Py_REFCNT(old) == 1 && PyUnicode_CheckExact(old)) {
        w->strings.bytes_freed += mo_str_size(old);
    }
    Py_DECREF(old);
}

/* --- dicts ------------------------------------------------------------------ */

static PyObject **
known_place(walker *w, PyObject *key)
{
    return &w->known[((uintptr_t)key >> 4) % KNOWN_KEYS];
}

/* Whether a key is one that interning gave before: most dicts of a document
 * share their keys already, and this is cheaper than to find that out anew. */
static bool
is_known(walker *w, PyObject *key)
{
    return *known_place(w, key) == key;
}

/* Whether a dict has a key that may have to be replaced. */
static bool
wants_keys(walker *w, PyObject *dict)
{
    /* An OrderedDict has the keys a second time; those of a split table,
     * attribute names, are interned. */
    if (!w->keys || PyODict_Check(dict) ||
        ((PyDictObject *)dict)->ma_values != NULL) {
        return false;
    }
    PyObject *key;
    uint64_t known = 0;
    for (Py_ssize_t position = 0; PyDict_Next(dict, &position, &key, NULL);) {
        if (is_known(w, key)) {
            known++;
        }
        else if (PyUnicode_CheckExact(key) || kind_of(w, key) != NOTHING) {
            return true;
        }
    }
    w->strings.seen += known;
    return false;
}

/* The values; after them the keys, if there is one to intern. */
static PyObject *
list_dict(walker *w, PyObject *dict)
{
    const Py_ssize_t n = PyDict_GET_SIZE(dict);
    const bool keys = wants_keys(w, dict);
    PyObject *items = PyList_New(keys ? 2 * n : n);
    if (items == NULL) {
        return NULL;
    }
    PyObject *key, *value;
    Py_ssize_t position = 0, i = 0;
    /* On 3.11 the collector may have run since, and changed the dict. */
    for (; i < n && PyDict_Next(dict, &position, &key, &value); i++) {
        PyList_SET_ITEM(items, i, Py_NewRef(value));
        if (keys) {
            PyList_SET_ITEM(items, n + i, Py_NewRef(key));
        }
    }
    if (i < n) {
        Py_SETREF(items, PyList_New(0));
    }
    return items;
}

/* Whether a key of a dict is found: 1 or 0, or -1 with an exception set.  One
 * of a class with a __hash__ may have another hash than when it was stored;
 * to write its value then would add the key once more. */
static int
is_found(PyObject *dict, PyObject *key, PyObject *value)
{
    if (PyUnicode_CheckExact(key)) {
        return 1;
    }
    PyObject *found = PyDict_GetItemWithError(dict, key);
    return found ? found == value : -(PyErr_Occurred() != NULL);
}

static int
write_values(walker *w, PyObject *dict, PyObject *items)
{
    PyObject *key, *old;
    Py_ssize_t position = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) &&
                           PyDict_Next(dict, &position, &key, &old);
         i++) {
        if (!replaces(w, PyList_GET_ITEM(items, i), old)) {
            continue;
        }
        PyObject *new = Py_NewRef(PyList_GET_ITEM(items, i));
        Py_INCREF(key);
        Py_INCREF(old);
        int status = is_found(dict, key, old);
        if (status > 0) {
            status = PyDict_SetItem(dict, key, new);
        }
        Py_DECREF(key);
        Py_DECREF(new);
        drop_old(w, old);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

/* A new dict of the same values under the new keys; with fewer of them if one
 * of the old keys cannot be found, so that their hashes stay as they are. */
static PyObject *
with_keys(const walker *w, PyObject *dict, PyObject *items, Py_ssize_t n)
{
    PyObject *made = PyDict_New();
    PyObject *key, *value;
    Py_ssize_t position = 0;
    for (Py_ssize_t i = 0; made != NULL && n + i < PyList_GET_SIZE(items) &&
                           PyDict_Next(dict, &position, &key, &value);
         i++) {
        PyObject *wanted = PyList_GET_ITEM(items, n + i);
        wanted = Py_NewRef(replaces(w, wanted, key) ? wanted : key);
        Py_INCREF(key);
        Py_INCREF(value);
        int found = is_found(dict, key, value);
        int status = found > 0 ? PyDict_SetItem(made, wanted, value) : found;
        Py_DECREF(wanted);
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

/* Whether two dicts hold the same values in the same order, under equal keys. */
static bool
are_alike(const walker *w, PyObject *a, PyObject *b)
{
    PyObject *a_key, *a_value, *b_key, *b_value;
    Py_ssize_t at_a = 0, at_b = 0;
    if (PyDict_GET_SIZE(a) != PyDict_GET_SIZE(b)) {
        return false;
    }
    while (PyDict_Next(a, &at_a, &a_key, &a_value)) {
        if (!PyDict_Next(b, &at_b, &b_key, &b_value) || a_value != b_value ||
            !are_twins(w, a_key, b_key, 0)) {
            return false;
        }
    }
    return true;
}

/* Exchanges the tables of two dicts that have no split one.  Nothing else
 * replaces a key and keeps the order, and can neither fail half way. */
static void
exchange_tables(PyDictObject *a, PyDictObject *b)
{
    PyDictKeysObject *keys = a->ma_keys;
    a->ma_keys = b->ma_keys;
    b->ma_keys = keys;
    assert(a->ma_used == b->ma_used);
    assert(a->ma_values == NULL && b->ma_values == NULL);
}

static void
remember_keys(walker *w, PyObject *items, Py_ssize_t n)
{
    for (Py_ssize_t i = n; i < PyList_GET_SIZE(items); i++) {
        PyObject *key = PyList_GET_ITEM(items, i);
        if (PyUnicode_CheckExact(key)) {
            Py_XSETREF(*known_place(w, key), Py_NewRef(key));
        }
    }
}

static bool
keys_changed(const walker *w, PyObject *dict, PyObject *items, Py_ssize_t n)
{
    PyObject *key;
    Py_ssize_t position = 0;
    for (Py_ssize_t i = n; i < PyList_GET_SIZE(items) &&
                           PyDict_Next(dict, &position, &key, NULL);
         i++) {
        if (replaces(w, PyList_GET_ITEM(items, i), key)) {
            return true;
        }
    }
    return false;
}

static int
write_keys(walker *w, PyObject *dict, PyObject *items, Py_ssize_t n)
{
    remember_keys(w, items, n);
    if (!keys_changed(w, dict, items, n)) {
        return 0;
    }
    PyObject *made = with_keys(w, dict, items, n);
    if (made == NULL) {
        return -1;
    }
    if (are_alike(w, dict, made)) {
        exchange_tables((PyDictObject *)dict, (PyDictObject *)made);
        PyObject *key, *now;
        Py_ssize_t position = 0, at_now = 0;
        while (PyDict_Next(made, &position, &key, NULL) &&
               PyDict_Next(dict, &at_now, &now, NULL)) {
            if (key != now && Py_REFCNT(key) == 1 &&
                PyUnicode_CheckExact(key)) {
                w->strings.bytes_freed += mo_str_size(key);
            }
        }
    }
    Py_DECREF(made);
    return 0;
}

static int
write_dict(walker *w, PyObject *dict, PyObject *items)
{
    Py_ssize_t n = PyDict_GET_SIZE(dict);
    if (write_values(w, dict, items) < 0) {
        return -1;
    }
    return PyList_GET_SIZE(items) == 2 * n && n > 0 && w->keys
               ? write_keys(w, dict, items, n)
               : 0;
}

/* --- tuples -------------------------------------------------------------------- */

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
    PyObject *fields;
    int is_named =
        PyObject_GetOptionalAttrString((PyObject *)type, "_fields", &fields);
    Py_XDECREF(fields);
    return is_named;
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

/* The tuple itself if nothing in it has changed, else a new one. */
static PyObject *
remake_tuple(PyObject *tuple, PyObject *items)
{
    bool changed = false;
    if (PyList_GET_SIZE(items) != PyTuple_GET_SIZE(tuple)) {
        return Py_NewRef(tuple);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        changed |= PyList_GET_ITEM(items, i) != PyTuple_GET_ITEM(tuple, i);
    }
    int possible = changed ? can_be_remade(Py_TYPE(tuple)) : 0;
    if (possible <= 0) {
        return possible < 0 ? NULL : Py_NewRef(tuple);
    }
    return as_tuple_of_type(Py_TYPE(tuple), PyList_AsTuple(items));
}

/* Counts what goes with the last reference to a tuple that was made anew. */
static void
count_strings_of(walker *w, PyObject *tuple, PyObject *made)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (item != PyTuple_GET_ITEM(made, i) && Py_REFCNT(item) == 1 &&
            PyUnicode_CheckExact(item)) {
            w->strings.bytes_freed += mo_str_size(item);
        }
    }
}

/* --- sets ------------------------------------------------------------------------ */

/* The next place of a set's table that holds an element, from *place on; NULL
 * at the end.  Where one was removed there is a dummy, with a hash of -1. */
static setentry *
next_entry(PyObject *set, Py_ssize_t *place)
{
    PySetObject *table = (PySetObject *)set;
    while (*place <= table->mask) {
        setentry *entry = &table->table[(*place)++];
        if (entry->key != NULL && entry->hash != -1) {
            return entry;
        }
    }
    return NULL;
}

static PyObject *
list_set(PyObject *set)
{
    PyObject *items = PyList_New(0);
    Py_ssize_t place = 0;
    setentry *entry;
    while (items != NULL && (entry = next_entry(set, &place)) != NULL) {
        if (PyList_Append(items, entry->key) < 0) {
            Py_CLEAR(items);
        }
    }
    return items;
}

/* Into the table, since an equal string belongs exactly where the other is:
 * to discard and add it might move it, and cannot be done to a frozenset. */
static void
write_set(walker *w, PyObject *set, PyObject *items)
{
    Py_ssize_t place = 0;
    setentry *entry;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) &&
                           (entry = next_entry(set, &place)) != NULL;
         i++) {
        PyObject *new = PyList_GET_ITEM(items, i), *old = entry->key;
        if (replaces(w, new, old)) {
            entry->key = Py_NewRef(new);
            drop_old(w, old);
        }
    }
}

/* --- deques ---------------------------------------------------------------------- */

static int
rotate(PyObject *deque, Py_ssize_t steps)
{
    PyObject *result = PyObject_CallMethod(deque, "rotate", "n", steps);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Item by item, each brought to the front, where writing costs least. */
static int
write_rotating(walker *w, PyObject *deque, PyObject *items)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *old = PySequence_GetItem(deque, 0);
        if (old == NULL) {
            return -1;
        }
        PyObject *new = PyList_GET_ITEM(items, i);
        int status =
            replaces(w, new, old) ? PySequence_SetItem(deque, 0, new) : 0;
        drop_old(w, old);
        if (status < 0 || rotate(deque, -1) < 0) {
            /* Back, by the blocks that going forth has left free. */
            PyObject *error = PyErr_GetRaisedException();
            (void)rotate(deque, i);
            PyErr_SetRaisedException(error);
            return -1;
        }
    }
    return 0;
}

static int
write_deque(walker *w, PyObject *deque, PyObject *items)
{
    PyObject *now = PySequence_List(deque);
    if (now == NULL) {
        return -1;
    }
    bool changed = false;
    if (PyList_GET_SIZE(now) == PyList_GET_SIZE(items)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
            changed |= PyList_GET_ITEM(items, i) != PyList_GET_ITEM(now, i);
        }
    }
    Py_DECREF(now);
    return changed ? write_rotating(w, deque, items) : 0;
}

/* --- NumPy arrays ---------------------------------------------------------------- */

/* 1 and the buffer of a writable array of objects; 0 if it is no such; -1 with
 * an exception set. */
static int
get_objects(PyObject *array, Py_buffer *buffer)
{
    const int flags = PyBUF_STRIDED | PyBUF_FORMAT | PyBUF_WRITABLE;
    if (PyObject_GetBuffer(array, buffer, flags) < 0) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear(); /* read-only, or of a type that has no format */
        return 0;
    }
    if (buffer->format != NULL && strcmp(buffer->format, "O") == 0) {
        return 1;
    }
    PyBuffer_Release(buffer);
    return 0;
}

static PyObject **
object_at(const Py_buffer *buffer, Py_ssize_t flat)
{
    char *address = buffer->buf;
    for (int axis = buffer->ndim; axis-- > 0;) {
        address += flat % buffer->shape[axis] * buffer->strides[axis];
        flat /= buffer->shape[axis];
    }
    return (PyObject **)address;
}

static PyObject *
list_array(PyObject *array)
{
    Py_buffer buffer;
    int found = get_objects(array, &buffer);
    if (found <= 0) {
        return found < 0 ? NULL : PyList_New(0);
    }
    const Py_ssize_t n = buffer.len / (Py_ssize_t)sizeof(PyObject *);
    PyObject *items = PyList_New(n);
    for (Py_ssize_t i = 0; items != NULL && i < n; i++) {
        PyObject *object = *object_at(&buffer, i); /* NULL means None */
        PyList_SET_ITEM(items, i, Py_NewRef(object ? object : Py_None));
    }
    PyBuffer_Release(&buffer);
    return items;
}

static int
write_array(walker *w, PyObject *array, PyObject *items)
{
    Py_buffer buffer;
    if (PyList_GET_SIZE(items) == 0) {
        return 0;
    }
    int found = get_objects(array, &buffer);
    if (found <= 0) {
        return found;
    }
    const Py_ssize_t n = buffer.len / (Py_ssize_t)sizeof(PyObject *);
    for (Py_ssize_t i = 0; i < n && i < PyList_GET_SIZE(items); i++) {
        PyObject **place = object_at(&buffer, i), *old = *place;
        PyObject *new = PyList_GET_ITEM(items, i);
        if (old != NULL && replaces(w, new, old)) {
            *place = Py_NewRef(new);
            drop_old(w, old);
        }
    }
    PyBuffer_Release(&buffer);
    return 0;
}

/* --- instances -------------------------------------------------------------------- */

/* A visitproc. */
static int
append_referent(PyObject *object, void *items)
{
    return PyList_Append(items, object);
}

/* What the collector sees: the values of attributes, or the __dict__ with
 * them.  To ask for that would make one, which takes more than it may save. */
static PyObject *
list_instance(PyObject *instance)
{
    PyObject *items = PyList_New(0);
    if (items != NULL && Py_TYPE(instance)->tp_traverse(
                             instance, append_referent, items) != 0) {
        Py_CLEAR(items);
    }
    return items;
}

/* Whether instances keep an attribute in a place of their own, where no code
 * is between: in __dict__ or a slot. */
static bool
is_plain_attribute(PyTypeObject *type, PyObject *name)
{
    PyObject *of_class = _PyType_Lookup(type, name);
    if (of_class == NULL) {
        return true;
    }
    if (Py_IS_TYPE(of_class, &PyMemberDescr_Type)) {
        int flags = ((PyMemberDescrObject *)of_class)->d_member->flags;
        return (flags & READONLY) == 0;
    }
    return Py_TYPE(of_class)->tp_descr_get == NULL &&
           Py_TYPE(of_class)->tp_descr_set == NULL;
}

/* Writes `new` to an attribute that is `old`, if one of these is.  1 if so, 0
 * if not, -1 with an exception set. */
static int
write_attribute(PyObject *instance, PyObject *names, PyObject *new,
                PyObject *old)
{
    PyTypeObject *type = Py_TYPE(instance);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        if (!is_plain_attribute(type, name) ||
            _PyType_Lookup(type, name) == old) {
            continue;
        }
        PyObject *value = PyObject_GenericGetAttr(instance, name);
        if (value == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();     /* of there being no value */
        Py_XDECREF(value); /* the instance has one too, or `old` is not it */
        if (value == old) {
            return PyObject_GenericSetAttr(instance, name, new) < 0 ? -1 : 1;
        }
    }
    return 0;
}

static int
add_name(PyObject *names, PyObject *name)
{
    int known = name ? PySequence_Contains(names, name) : -1;
    return known != 0 ? -(known < 0) : PyList_Append(names, name);
}

/* Adds the names in a class's __slots__. */
static int
add_slots(PyObject *names, PyTypeObject *type)
{
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        return 0;
    }
    for (PyMemberDef *m = type->tp_members; m != NULL && m->name != NULL;
         m++) {
        PyObject *name = PyUnicode_InternFromString(m->name);
        int status = add_name(names, name);
        Py_XDECREF(name);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

/* Adds the names in an instance's __dict__, if it has one. */
static int
add_attributes(PyObject *names, PyObject *instance)
{
    PyObject *dict = PyObject_GenericGetDict(instance, NULL);
    if (dict == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear(); /* it has no __dict__ */
        return 0;
    }
    PyObject *own = PyDict_Keys(dict);
    Py_DECREF(dict);
    int status = own ? 0 : -1;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(own); i++) {
        if (PyUnicode_CheckExact(PyList_GET_ITEM(own, i))) {
            status = add_name(names, PyList_GET_ITEM(own, i));
        }
    }
    Py_XDECREF(own);
    return status;
}

static int
add_names(PyObject *names, PyObject *instance)
{
    PyObject *mro = Py_TYPE(instance)->tp_mro;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        if (add_slots(names, (PyTypeObject *)PyTuple_GET_ITEM(mro, i)) < 0) {
            return -1;
        }
    }
    return add_attributes(names, instance);
}

/* The list of attribute names known of a class, borrowed. */
static PyObject *
names_of(walker *w, PyTypeObject *type)
{
    PyObject *key = PyLong_FromVoidPtr(type);
    if (key == NULL) {
        return NULL;
    }
    PyObject *names = PyDict_GetItemWithError(w->names, key);
    if (names == NULL && !PyErr_Occurred()) {
        PyObject *made = PyList_New(0);
        /* The class must live as long as its address is in use. */
        if (made != NULL && PyDict_SetItem(w->names, key, made) == 0 &&
            PyList_Append(w->replaced, (PyObject *)type) == 0) {
            names = made;
        }
        Py_XDECREF(made);
    }
    Py_DECREF(key);
    return names;
}

static int
write_instance(walker *w, PyObject *instance, PyObject *items,
               PyObject *before)
{
    for (Py_ssize_t i = 0;
         i < PyList_GET_SIZE(items) && i < PyList_GET_SIZE(before); i++) {
        PyObject *new = PyList_GET_ITEM(items, i);
        PyObject *old = PyList_GET_ITEM(before, i);
        if (!replaces(w, new, old)) {
            continue;
        }
        PyObject *names = names_of(w, Py_TYPE(instance));
        int found = names ? write_attribute(instance, names, new, old) : -1;
        if (found == 0) {
            /* Its first instance, or one that has other attributes. */
            found = add_names(names, instance) < 0
                        ? -1
                        : write_attribute(instance, names, new, old);
        }
        if (found < 0) {
            return -1;
        }
        if (found > 0) {
            PyList_SET_ITEM(before, i, Py_NewRef(new));
            drop_old(w, old);
        }
    }
    return 0;
}

/* --- the walk --------------------------------------------------------------------- */

static PyObject *
list_contents(walker *w, container_kind kind, PyObject *object)
{
    switch (kind) {
        case LIST:
            return Py_NewRef(object);
        case DICT:
            return list_dict(w, object);
        case SET:
            return list_set(object);
        case ARRAY:
            return list_array(object);
        case INSTANCE:
            return list_instance(object);
        case TUPLE: {
            /* Not by its type's __iter__. */
            PyObject *plain = PyTuple_GetSlice(object, 0, PY_SSIZE_T_MAX);
            PyObject *items = plain ? PySequence_List(plain) : NULL;
            Py_XDECREF(plain);
            return items;
        }
        default:
            return PySequence_List(object);
    }
}

/* Writes back what has changed.  A new reference to what is to be where the
 * container was. */
static PyObject *
write_contents(walker *w, const frame *top)
{
    int status = 0;
    switch (top->kind) {
        case DICT:
            status = write_dict(w, top->object, top->items);
            break;
        case TUPLE:
            return remake_tuple(top->object, top->items);
        case SET:
            write_set(w, top->object, top->items);
            break;
        case DEQUE:
            status = write_deque(w, top->object, top->items);
            break;
        case ARRAY:
            status = write_array(w, top->object, top->items);
            break;
        case INSTANCE:
            status = write_instance(w, top->object, top->items, top->before);
            break;
        default:
            break;
    }
    return status < 0 ? NULL : Py_NewRef(top->object);
}

static void
frame_clear(frame *top)
{
    Py_CLEAR(top->object);
    Py_CLEAR(top->items);
    Py_CLEAR(top->before);
}

static frame *
push(walker *w)
{
    if (w->depth == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 32;
        frame *frames = w->frames;
        PyMem_Resize(frames, frame, capacity);
        if (frames == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        w->frames = frames;
        w->capacity = capacity;
    }
    w->frames[w->depth] = (frame){.kind = NOTHING};
    return &w->frames[w->depth++];
}

/* Interns the strings among the items, those that are asked for. */
static int
intern_items(walker *w, const frame *top)
{
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if (top->kind == DICT && !w->values) {
        start = PyDict_GET_SIZE(top->object);
    }
    else if (!w->values) {
        return 0;
    }
    return mo_intern_list_items(w->pool, top->items, start, stop, &w->strings);
}

/* Begins to walk a container.  Takes the reference over. */
static int
enter(walker *w, container_kind kind, PyObject *object, bool shared)
{
    frame *top = push(w);
    if (top == NULL) {
        Py_DECREF(object);
        return -1;
    }
    top->kind = kind;
    top->shared = shared;
    top->object = object;
    top->items = list_contents(w, kind, object);
    if (top->items == NULL) {
        return -1;
    }
    if (kind == INSTANCE) {
        top->before = PyList_GetSlice(top->items, 0, PY_SSIZE_T_MAX);
        if (top->before == NULL) {
            return -1;
        }
    }
    if (++w->containers % CONTAINERS_BETWEEN_SIGNALS == 0 &&
        PyErr_CheckSignals() < 0) {
        return -1;
    }
    return intern_items(w, top);
}

/* Puts `new` where the top frame's walked item `old` is, and goes on. */
static void
settle(walker *w, PyObject *new, PyObject *old)
{
    if (w->depth == 0) {
        return;
    }
    frame *top = &w->frames[w->depth - 1];
    if (new != old && top->position < PyList_GET_SIZE(top->items) &&
        PyList_GET_ITEM(top->items, top->position) == old) {
        PyList_SET_ITEM(top->items, top->position, Py_NewRef(new));
        Py_DECREF(old); /* the list's; the caller has another */
    }
    top->position++;
}

/* Deals with a container that is reached a second time: 1 if so, 0 if not,
 * and then it is marked as open; -1 with an exception set. */
static int
settle_seen(walker *w, PyObject *object)
{
    PyObject *address = PyLong_FromVoidPtr(object);
    if (address == NULL) {
        return -1;
    }
    int status;
    PyObject *instead = PyDict_GetItemWithError(w->seen, address);
    if (instead == NULL) {
        status =
            PyErr_Occurred() ? -1 : PyDict_SetItem(w->seen, address, Py_None);
    }
    else if (instead == Py_None || instead == Py_Ellipsis) {
        /* It holds itself, so a new one could not take its place. */
        status = PyDict_SetItem(w->seen, address, Py_Ellipsis) < 0 ? -1 : 1;
        settle(w, object, object);
    }
    else {
        settle(w, instead, object);
        status = 1;
    }
    Py_DECREF(address);
    return status;
}

/* Says what is to be in place of a shared container; Py_SETREFs *instead to
 * the container itself if that must stay. */
static int
close_seen(walker *w, PyObject *object, PyObject **instead)
{
    PyObject *address = PyLong_FromVoidPtr(object);
    if (address == NULL) {
        return -1;
    }
    int status = 0;
    if (PyDict_GetItemWithError(w->seen, address) == Py_Ellipsis) {
        Py_SETREF(*instead, Py_NewRef(object));
    }
    if (*instead != object) {
        status = PyList_Append(w->replaced, object);
    }
    if (status == 0) {
        status = PyDict_SetItem(w->seen, address, *instead);
    }
    Py_DECREF(address);
    return status;
}

/* Ends the walk of the container on top. */
static int
leave(walker *w)
{
    frame top = w->frames[w->depth - 1];
    PyObject *instead = write_contents(w, &top);
    if (instead == NULL ||
        (top.shared && close_seen(w, top.object, &instead) < 0)) {
        Py_XDECREF(instead);
        return -1;
    }
    w->depth--;
    settle(w, instead, top.object);
    if (top.kind == TUPLE && instead != top.object) {
        Py_CLEAR(top.items);
        if (Py_REFCNT(top.object) == 1) {
            count_strings_of(w, top.object, instead);
        }
    }
    Py_DECREF(instead);
    frame_clear(&top);
    return 0;
}

/* Walks one item of the container on top, or leaves that. */
static int
step(walker *w)
{
    frame *top = &w->frames[w->depth - 1];
    for (; top->position < PyList_GET_SIZE(top->items); top->position++) {
        PyObject *item = PyList_GET_ITEM(top->items, top->position);
        container_kind kind = kind_of(w, item);
        if (kind == NOTHING) {
            continue;
        }
        /* What only one reference leads to cannot be reached again: its
         * container's, and the one of the list of that one's contents. */
        Py_ssize_t references = top->kind == LIST       ? 1
                                : top->kind == INSTANCE ? 3
                                                        : 2;
        bool shared = Py_REFCNT(item) > references;
        Py_INCREF(item);
        int status = shared ? settle_seen(w, item) : 0;
        if (status != 0) {
            Py_DECREF(item);
            return status < 0 ? -1 : 0;
        }
        return enter(w, kind, item, shared);
    }
    return leave(w);
}

static int
walk(walker *w, PyObject *root)
{
    container_kind kind = kind_of(w, root);
    if (kind == NOTHING) {
        return 0;
    }
    if (settle_seen(w, root) < 0 ||
        enter(w, kind, Py_NewRef(root), true) < 0) {
        return -1;
    }
    while (w->depth > 0) {
        if (step(w) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
walker_init(walker *w, PyObject *pool, int keys, int values)
{
    *w = (walker){.pool = pool, .keys = keys != 0, .values = values != 0};
    PyObject *collections = PyImport_ImportModule("collections");
    if (collections == NULL) {
        return -1;
    }
    w->deque = PyObject_GetAttrString(collections, "deque");
    Py_DECREF(collections);
    w->seen = w->deque ? PyDict_New() : NULL;
    w->names = w->seen ? PyDict_New() : NULL;
    w->replaced = w->names ? PyList_New(0) : NULL;
    return w->replaced ? 0 : -1;
}

static void
walker_clear(walker *w)
{
    while (w->depth > 0) {
        frame_clear(&w->frames[--w->depth]);
    }
    PyMem_Free(w->frames);
    for (int i = 0; i < KNOWN_KEYS; i++) {
        Py_CLEAR(w->known[i]);
    }
    Py_CLEAR(w->seen);
    Py_CLEAR(w->names);
    Py_CLEAR(w->replaced);
    Py_CLEAR(w->deque);
}

/* --- the method ----------------------------------------------------------------------- */

PyDoc_STRVAR(report_doc, "What InternPool.dedup() returns.");

static PyStructSequence_Field report_fields[] = {
    {"containers", "lists, dicts and other objects walked"},
    {"strings", "references to strings looked at"},
    {"replaced", "of these, those that lead to another object now"},
    {"bytes_freed", "sizes of the strings that nothing refers to any more"},
    {NULL},
};

static PyStructSequence_Desc report_desc = {
    .name = "memopt._memopt.DedupReport",
    .doc = report_doc,
    .fields = report_fields,
    .n_in_sequence = 4,
};

int
mo_dedup_setup(PyObject *module, mo_internpool_state *room)
{
    room->DedupReportType = PyStructSequence_NewType(&report_desc);
    if (room->DedupReportType == NULL) {
        return -1;
    }
    return PyModule_AddType(module, room->DedupReportType);
}

static PyObject *
make_report(PyObject *pool, const walker *w)
{
    mo_internpool_state *room = &mo_state_of(Py_TYPE(pool))->internpool;
    const uint64_t counts[] = {w->containers, w->strings.seen,
                               w->strings.replaced, w->strings.bytes_freed};
    PyObject *report = PyStructSequence_New(room->DedupReportType);
    for (int i = 0; report != NULL && i < report_desc.n_in_sequence; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(counts[i]);
        if (count == NULL) {
            Py_CLEAR(report);
            break;
        }
        PyStructSequence_SetItem(report, i, count);
    }
    return report;
}

const char mo_internpool_dedup_doc[] = PyDoc_STR(
    "dedup($self, obj, /, *, keys=True, values=True)\n--\n\n"
    "Intern the strings in all that an object holds, in place, at any depth.\n\n"
    "Walks lists, dicts, sets and their subclasses, tuples, frozensets, deques,\n"
    "instances of classes written in Python (attributes in __dict__ or slots,\n"
    "so pandas objects too), and writable NumPy arrays of objects; each only\n"
    "once, so cycles do no harm.  Of dicts, keys and values unless told\n"
    "otherwise; values=False leaves all strings alone that are no key.\n\n"
    "Order, types, equality and hashes stay as they are.  Tuples, and named\n"
    "tuples, with a string to be replaced are replaced by new ones wherever the\n"
    "walk comes by, but for `obj` itself: pass [obj] to have one too.  Left\n"
    "alone are subclasses of str, keys of OrderedDict, named tuples with an\n"
    "__eq__, __hash__ or __del__ of their own, modules, classes, functions,\n"
    "ctypes objects, and what C types keep to themselves.\n\n"
    "Returns a DedupReport, a named tuple: containers walked, strings seen,\n"
    "replaced, and bytes_freed, the sizes of the strings that are gone.\n\n"
    "MemoryError, or what a signal handler or a key's __hash__ raises, ends the\n"
    "work early: what was done stays, and every object is valid.  Do not walk\n"
    "what another thread changes.  O(items).\n\n"
    ">>> rows = [{'city': 'Lo' + end} for end in ('ndon', 'ndon', 'ire')]\n"
    ">>> report = memopt.InternPool().dedup(rows)\n"
    ">>> rows[0]['city'] is rows[1]['city'], report.strings, report.replaced\n"
    "(True, 6, 1)");

PyObject *
mo_internpool_dedup(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "keys", "values", NULL};
    PyObject *root;
    int keys = 1, values = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$pp:dedup", names, &root,
                                     &keys, &values)) {
        return NULL;
    }
    walker w;
    PyObject *report = NULL;
    if (walker_init(&w, op, keys, values) == 0 && walk(&w, root) == 0) {
        report = make_report(op, &w);
    }
    walker_clear(&w);
    return report;
}
