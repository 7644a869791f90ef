/* heap.c - see heap.h: the scan's tables as Python objects.
 *
 * During the walk every reference is borrowed.  Before the first Python object
 * is made, which may start the collector and so run anything, the tables are
 * made to own what they point to. */
#include "heap/heap.h"

#include "heap/layout.h"
#include "heap/scan.h"

static const char *const kind_names[] = {
    [MO_TYPE] = "type",
    [MO_STRINGS] = "strings",
    [MO_BYTES] = "bytes",
    [MO_TUPLES] = "tuples",
    [MO_FLOATS] = "floats",
    [MO_INTS] = "ints",
    [MO_PROGRESSION] = "progression",
    [MO_MATRIX] = "matrix",
    [MO_INSTANCES] = "instances",
    [MO_SLACK] = "slack",
    [MO_EMPTY] = "empty",
};

static const char *const step_names[] = {
    [MO_STEP_ROOT] = "root",           [MO_STEP_UNNAMED] = "unnamed",
    [MO_STEP_ATTRIBUTE] = "attribute", [MO_STEP_KEY] = "key",
    [MO_STEP_KEYS] = "keys",           [MO_STEP_ITEM] = "item",
};

static void
own_references(mo_scan *scan)
{
    for (size_t i = 0; i < scan->n_nodes; i++) {
        Py_XINCREF(scan->nodes[i].name);
    }
    for (size_t i = 0; i < scan->n_rows; i++) {
        Py_INCREF(scan->rows[i].type);
        Py_XINCREF(scan->rows[i].example);
    }
}

static void
drop_references(mo_scan *scan)
{
    for (size_t i = 0; i < scan->n_nodes; i++) {
        Py_XDECREF(scan->nodes[i].name);
    }
    for (size_t i = 0; i < scan->n_rows; i++) {
        Py_DECREF(scan->rows[i].type);
        Py_XDECREF(scan->rows[i].example);
    }
}

static PyObject *
or_none(PyObject *obj)
{
    return obj != NULL ? obj : Py_None;
}

static PyObject *
node_list(const mo_scan *scan)
{
    PyObject *list = PyList_New((Py_ssize_t)scan->n_nodes);
    for (size_t i = 0; list != NULL && i < scan->n_nodes; i++) {
        const mo_node *node = &scan->nodes[i];
        PyObject *item =
            Py_BuildValue("(IsO)", (unsigned int)node->parent,
                          step_names[node->step], or_none(node->name));
        if (item == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *
row_list(const mo_scan *scan)
{
    PyObject *list = PyList_New((Py_ssize_t)scan->n_rows);
    for (size_t i = 0; list != NULL && i < scan->n_rows; i++) {
        const mo_row *row = &scan->rows[i];
        PyObject *item = Py_BuildValue(
            "(sIOOKKKK)", kind_names[row->kind], (unsigned int)row->node,
            (PyObject *)row->type, or_none(row->example),
            (unsigned long long)row->count, (unsigned long long)row->items,
            (unsigned long long)row->now, (unsigned long long)row->after);
        if (item == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *
as_objects(mo_scan *scan)
{
    own_references(scan);
    PyObject *rows = row_list(scan);
    PyObject *nodes = rows != NULL ? node_list(scan) : NULL;
    PyObject *result = NULL;
    if (nodes != NULL) {
        result = Py_BuildValue("(OOn)", rows, nodes,
                               (Py_ssize_t)mo_scan_bytes(scan));
    }
    Py_XDECREF(rows);
    Py_XDECREF(nodes);
    drop_references(scan);
    return result;
}

/* roots: a tuple of tuples (name, object, whether it is a namespace). */
static int
check_roots(PyObject *roots)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(roots); i++) {
        PyObject *root = PyTuple_GET_ITEM(roots, i);
        if (!PyTuple_Check(root) || PyTuple_GET_SIZE(root) != 3 ||
            !PyUnicode_Check(PyTuple_GET_ITEM(root, 0)) ||
            (PyTuple_GET_ITEM(root, 2) == Py_True &&
             !PyDict_CheckExact(PyTuple_GET_ITEM(root, 1)))) {
            PyErr_SetString(PyExc_TypeError,
                            "_scan_heap() roots must be tuples (name, object, "
                            "is_namespace), a namespace being a dict");
            return -1;
        }
    }
    return 0;
}

static int
visit_tracked(PyObject *obj, void *scan)
{
    mo_scan_tracked(scan, obj);
    return !((mo_scan *)scan)->out_of_memory;
}

static void
walk_roots(mo_scan *scan, PyObject *roots)
{
    Py_ssize_t n = PyTuple_GET_SIZE(roots);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *root = PyTuple_GET_ITEM(roots, i);
        mo_scan_reserve(scan, PyTuple_GET_ITEM(root, 1));
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *root = PyTuple_GET_ITEM(roots, i);
        mo_scan_root(scan, PyTuple_GET_ITEM(root, 0),
                     PyTuple_GET_ITEM(root, 1),
                     PyTuple_GET_ITEM(root, 2) == Py_True);
    }
}

PyDoc_STRVAR(scan_heap_doc,
"_scan_heap(roots, everything, /)\n--\n\n"
"Walk what the roots own, and with everything all that the collector tracks.\n\n"
"roots is a tuple of tuples (name, object, is_namespace).  Returns (rows,\n"
"nodes, bytes): rows are (kind, node, type, example, count, items, now,\n"
"after), nodes are (parent, step, name), bytes is what the walk needed.");

/* The walk relies on nothing dying meanwhile, and on layouts, that only a
 * CPython with the GIL promises: 0, or -1 with NotImplementedError set. */
static int
require_gil(void)
{
    if (!MO_FREE_THREADED) {
        return 0;
    }
    PyErr_SetString(PyExc_NotImplementedError,
                    "the heap cannot be scanned on a free-threaded CPython: "
                    "other threads may change it meanwhile; run the script "
                    "on one with the GIL to have advice");
    return -1;
}

static PyObject *
scan_heap(PyObject *module, PyObject *args)
{
    PyObject *roots, *tracked = NULL;
    int everything;
    mo_scan scan;
    if (require_gil() < 0 ||
        !PyArg_ParseTuple(args, "O!p:_scan_heap", &PyTuple_Type, &roots,
                          &everything) ||
        check_roots(roots) < 0) {
        return NULL;
    }
    if (everything && mo_gc_tracked(&tracked) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (mo_scan_init(&scan, everything) == 0) {
        walk_roots(&scan, roots);
        if (everything) {
            mo_gc_visit(tracked, visit_tracked, &scan);
        }
    }
    if (scan.out_of_memory) {
        PyErr_NoMemory();
    }
    else {
        result = as_objects(&scan);
    }
    mo_scan_clear(&scan);
    Py_XDECREF(tracked);
    return result;
}

PyDoc_STRVAR(object_bytes_doc,
"_object_bytes(obj, /)\n--\n\n"
"Return the bytes that obj takes from the allocator: itself, its headers and\n"
"what it alone owns that is no object.");

static PyObject *
object_bytes(PyObject *module, PyObject *obj)
{
    return require_gil() < 0 ? NULL : PyLong_FromSize_t(mo_object_bytes(obj));
}

static PyMethodDef heap_methods[] = {
    {"_scan_heap", scan_heap, METH_VARARGS, scan_heap_doc},
    {"_object_bytes", object_bytes, METH_O, object_bytes_doc},
    {NULL, NULL, 0, NULL},
};

int
mo_heap_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, heap_methods);
}
