/* dedup_object.c - deques, and instances of classes written in Python, into
 * which dedup() writes by their own means.  See dedup.h. */
#include "internpool/dedup.h"

/* --- deques -------------------------------------------------------------- */

static int
rotate(PyObject *deque, Py_ssize_t steps)
{
    PyObject *result = PyObject_CallMethod(deque, "rotate", "n", steps);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Writes `new` in front if `old`, a reference that it takes over, is there. */
static int
write_front(mo_walk *w, PyObject *deque, PyObject *new, PyObject *old)
{
    PyObject *front = PySequence_GetItem(deque, 0);
    Py_XDECREF(front);
    if (new == old || front != old) {
        Py_DECREF(old);
        return front == NULL ? -1 : 0;
    }
    int status = PySequence_SetItem(deque, 0, new);
    mo_drop_replaced(w, old);
    return status;
}

/* Item by item, each brought to the front, where writing costs least. */
static int
write_rotating(mo_walk *w, PyObject *deque, PyObject *items, PyObject *before)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        if (write_front(w, deque, PyList_GET_ITEM(items, i),
                        mo_take(before, i)) < 0 ||
            rotate(deque, -1) < 0) {
            /* Back, by the blocks that going forth has left free. */
            PyObject *error = PyErr_GetRaisedException();
            (void)rotate(deque, i);
            PyErr_SetRaisedException(error);
            return -1;
        }
    }
    return 0;
}

int
mo_walk_deque(mo_walk *w, PyObject *deque, Py_ssize_t *position)
{
    *position = 1;
    PyObject *before = PySequence_List(deque);
    PyObject *items = before ? mo_walk_listed(w, before, w->values) : NULL;
    int status = items ? 0 : -1;
    if (status == 0 && mo_lists_differ(items, before) &&
        PyList_GET_SIZE(items) == PyObject_Size(deque)) {
        status = write_rotating(w, deque, items, before);
    }
    Py_XDECREF(items);
    Py_XDECREF(before);
    return status;
}

/* --- instances -------------------------------------------------------------------- */

/* A visitproc. */
static int
append_referent(PyObject *object, void *items)
{
    return PyList_Append(items, object);
}

/* The __dict__ of an instance, if there is one already; borrowed. */
static PyObject *
managed_dict(PyObject *instance)
{
    return PyType_HasFeature(Py_TYPE(instance), Py_TPFLAGS_MANAGED_DICT)
               ? mo_managed_dict(instance)
               : NULL;
}

/* The same as a new reference, where other threads may change it. */
static PyObject *
dict_of(PyObject *instance)
{
    PyObject *dict = NULL;
    if (MO_FREE_THREADED) {
        MO_BEGIN_CRITICAL_SECTION(instance);
        dict = Py_XNewRef(managed_dict(instance));
        MO_END_CRITICAL_SECTION();
    }
    return dict;
}

/* Attributes are guarded by the lock of the instance or, once there is one, of
 * its __dict__: 1 if that is still `dict`, 0 if not, -1 with an exception. */
static int
list_referents(PyObject *instance, PyObject *dict, PyObject *items)
{
    int status;
    MO_BEGIN_CRITICAL_SECTION2(instance, dict ? dict : instance);
    status = !MO_FREE_THREADED || managed_dict(instance) == dict;
    if (status > 0 && Py_TYPE(instance)->tp_traverse(instance, append_referent,
                                                     items) != 0) {
        status = -1;
    }
    MO_END_CRITICAL_SECTION2();
    return status;
}

/* What the collector sees: the values of attributes, or the __dict__ with
 * them.  To ask for that would make one, which takes more than it may save. */
static PyObject *
list_instance(PyObject *instance)
{
    PyObject *items = PyList_New(0);
    int status = items != NULL ? 0 : -1;
    while (status == 0) {
        PyObject *dict = dict_of(instance);
        status = list_referents(instance, dict, items);
        Py_XDECREF(dict);
    }
    if (status < 0) {
        Py_CLEAR(items);
    }
    return items;
}

/* Whether instances keep an attribute in a place of their own, where no code
 * is between: in __dict__ or a slot.  `of_class` is what the class has, or
 * NULL. */
static bool
is_plain_attribute(PyObject *of_class)
{
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

/* Whether an attribute may be written to, and `old` not be the class's. */
static bool
is_own_attribute(PyTypeObject *type, PyObject *name, PyObject *old)
{
    PyObject *of_class = mo_type_lookup(type, name);
    bool own = is_plain_attribute(of_class) && of_class != old;
    Py_XDECREF(of_class);
    return own;
}

/* Writes `new` to an attribute that is `old`, if one of these is.  1 if so, 0
 * if not, -1 with an exception set. */
static int
write_attribute(PyObject *instance, PyObject *names, PyObject *new,
                PyObject *old)
{
    PyTypeObject *type = Py_TYPE(instance);
    for (Py_ssize_t i = 1; i < PyList_GET_SIZE(names); i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        if (!is_own_attribute(type, name, old)) {
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
names_of(mo_walk *w, PyTypeObject *type)
{
    PyObject *key = PyLong_FromVoidPtr(type);
    PyObject *names = key ? PyDict_GetItemWithError(w->names, key) : NULL;
    if (names == NULL && !PyErr_Occurred()) {
        /* Its first item is the class, since the address is in use. */
        PyObject *made = PyList_New(1);
        if (made != NULL) {
            PyList_SET_ITEM(made, 0, Py_NewRef(type));
            names = PyDict_SetItem(w->names, key, made) == 0 ? made : NULL;
            Py_DECREF(made);
        }
    }
    Py_XDECREF(key);
    return names;
}

/* Writes `new` where `old` is.  1 if it was, 0 if there is no such attribute,
 * -1 with an exception set. */
static int
replace_attribute(mo_walk *w, PyObject *instance, PyObject *new, PyObject *old)
{
    PyObject *names = names_of(w, Py_TYPE(instance));
    int found = names ? write_attribute(instance, names, new, old) : -1;
    if (found == 0) {
        /* Its first instance, or one that has other attributes. */
        found = add_names(names, instance) < 0
                    ? -1
                    : write_attribute(instance, names, new, old);
    }
    return found;
}

static int
write_instance(mo_walk *w, PyObject *instance, PyObject *items,
               PyObject *before)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *new = PyList_GET_ITEM(items, i);
        if (new == PyList_GET_ITEM(before, i)) {
            continue;
        }
        PyObject *old = mo_take(before, i);
        int found = replace_attribute(w, instance, new, old);
        if (found > 0) {
            mo_drop_replaced(w, old);
        }
        else {
            Py_DECREF(old);
        }
        if (found < 0) {
            return -1;
        }
    }
    return 0;
}

int
mo_walk_instance(mo_walk *w, PyObject *instance, Py_ssize_t *position)
{
    *position = 1;
    PyObject *before = list_instance(instance);
    PyObject *items = before ? mo_walk_listed(w, before, w->values) : NULL;
    int status = items ? write_instance(w, instance, items, before) : -1;
    Py_XDECREF(items);
    Py_XDECREF(before);
    return status;
}
