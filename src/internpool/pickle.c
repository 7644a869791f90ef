/* pickle.c - pickling and copying an InternPool: its options, and its
 * residents if it was told so by pickle_contents. */
#include "internpool/internal.h"
#include "state.h"

/* By an interned name: CPython's method cache would keep many fresh ones. */
static PyObject *
attribute(PyObject *op, const char *name)
{
    PyObject *interned = PyUnicode_InternFromString(name);
    if (interned == NULL) {
        return NULL;
    }
    PyObject *value = PyObject_GetAttr(op, interned);
    Py_DECREF(interned);
    return value;
}

static PyObject *
attribute_of_module(const char *module, const char *name)
{
    PyObject *imported = PyImport_ImportModule(module);
    if (imported == NULL) {
        return NULL;
    }
    PyObject *value = attribute(imported, name);
    Py_DECREF(imported);
    return value;
}

/* None, or ([string, ...], number of pinned ones, the last); and the bounds of
 * that moment, within which they are. */
static PyObject *
contents(PyObject *op, mo_bounds *bounds)
{
    if (!MO_LOAD_INT8(&((InternPoolObject *)op)->pickle_contents)) {
        mo_shards *shards = mo_shards_of(op);
        mo_pool *pool = mo_shards_lock(shards, 0);
        bounds->max_entries = shards->bounds.max_entries;
        bounds->max_bytes = shards->bounds.max_bytes;
        mo_shards_unlock(pool);
        Py_RETURN_NONE;
    }
    PyObject *strings = mo_internpool_snapshot(op, bounds);
    return strings ? Py_BuildValue("(Nn)", strings, (Py_ssize_t)bounds->pinned)
                   : NULL;
}

/* What mo_restore_pool() takes. */
static PyObject *
restore_arguments(PyObject *op)
{
    mo_shards *shards = mo_shards_of(op);
    mo_bounds bounds;
    PyObject *held = contents(op, &bounds);
    if (held == NULL) {
        return NULL;
    }
    mo_pool *pool = mo_shards_lock(shards, 0);
    bool adaptive = pool->gate.adaptive;
    mo_shards_unlock(pool);
    return Py_BuildValue("O(k){sNsNsssN}N", Py_TYPE(op),
                         (unsigned long)bounds.max_entries, "max_bytes",
                         mo_limit_as_object(bounds.max_bytes), "max_length",
                         mo_limit_as_object(shards->max_length), "policy",
                         mo_policy_name(pool->policy), "adaptive",
                         PyBool_FromLong(adaptive), held);
}

/* None, or the attributes that a subclass added. */
static PyObject *
state_of_subclass(PyObject *op)
{
    PyObject *getstate = attribute(op, "__getstate__");
    if (getstate == NULL) {
        return NULL;
    }
    PyObject *state = PyObject_CallNoArgs(getstate);
    Py_DECREF(getstate);
    return state;
}

const char mo_internpool_reduce_doc[] = PyDoc_STR(
    "__reduce__($self, /)\n--\n\n"
    "For pickle and copy: the options, and the residents if pickle_contents.");

PyObject *
mo_internpool_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *result = NULL, *state = NULL;
    PyObject *restore = attribute_of_module("memopt._memopt", "_restore_pool");
    PyObject *arguments = restore ? restore_arguments(op) : NULL;
    state = arguments ? state_of_subclass(op) : NULL;
    if (state != NULL) {
        result = PyTuple_Pack(3, restore, arguments, state);
    }
    Py_XDECREF(restore);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    return result;
}

/* --- and back ------------------------------------------------------------ */

/* A new pool, or one of a subclass, made as pickle would make it. */
static PyObject *
new_pool(PyObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *factory = attribute_of_module("copyreg", "__newobj_ex__");
    if (factory == NULL) {
        return NULL;
    }
    PyObject *pool =
        PyObject_CallFunctionObjArgs(factory, type, args, kwargs, NULL);
    Py_DECREF(factory);
    return pool;
}

static int
add_contents(PyObject *op, PyObject *strings, Py_ssize_t pinned)
{
    MO_STORE_INT8(&((InternPoolObject *)op)->pickle_contents, 1);
    PyObject *string;
    for (Py_ssize_t i = 0; (string = mo_list_item(strings, i)) != NULL; i++) {
        PyObject *resident = i < PyList_GET_SIZE(strings) - pinned
                                 ? mo_internpool_intern(op, string)
                                 : mo_internpool_pin(op, string);
        Py_DECREF(string);
        if (resident == NULL) {
            return -1;
        }
        Py_DECREF(resident);
    }
    return 0;
}

PyObject *
mo_restore_pool(PyObject *module, PyObject *arguments)
{
    mo_internpool_state *room =
        &((mo_state *)PyModule_GetState(module))->internpool;
    PyObject *type, *args, *kwargs, *contents, *strings = NULL;
    Py_ssize_t pinned = 0;
    if (!PyArg_ParseTuple(arguments, "OO!O!O:_restore_pool", &type,
                          &PyTuple_Type, &args, &PyDict_Type, &kwargs,
                          &contents)) {
        return NULL;
    }
    if (contents != Py_None && !PyTuple_Check(contents)) {
        PyErr_SetString(PyExc_TypeError, "contents must be a tuple or None");
        return NULL;
    }
    if (contents != Py_None &&
        !PyArg_ParseTuple(contents, "O!n:_restore_pool", &PyList_Type,
                          &strings, &pinned)) {
        return NULL;
    }
    if (pinned < 0) { /* so that no subtraction overflows */
        PyErr_SetString(PyExc_ValueError, "contents pin fewer than none");
        return NULL;
    }
    PyObject *op = new_pool(type, args, kwargs);
    if (op == NULL) {
        return NULL;
    }
    if (!PyObject_TypeCheck(op, room->InternPoolType)) {
        PyErr_Format(PyExc_TypeError, "%.200s is not an InternPool",
                     Py_TYPE(op)->tp_name);
        Py_DECREF(op);
        return NULL;
    }
    if (strings != NULL && add_contents(op, strings, pinned) < 0) {
        Py_DECREF(op);
        return NULL;
    }
    return op;
}
