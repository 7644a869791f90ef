/* heap.c - see heap.h: the scan's tables as Python objects.
 *
 * During the walk every reference is borrowed.  Before the first Python object
 * is made, which may start the collector and so run anything, the tables are
 * made to own what they point to. */
#include "heap/heap.h"

#include "heap/allocator.h"
#include "heap/errand.h"
#include "heap/generator.h"
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
    [MO_STEP_CALL] = "call",
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

/* The path of a node as a tuple of tuples (step, name), from its root. */
static PyObject *
path_of(const mo_scan *scan, uint32_t node)
{
    PyObject *path = PyTuple_New(scan->nodes[node].depth);
    for (; path != NULL && node != 0; node = scan->nodes[node].parent) {
        const mo_node *at = &scan->nodes[node];
        PyObject *step =
            Py_BuildValue("(sO)", step_names[at->step], or_none(at->name));
        if (step == NULL) {
            Py_CLEAR(path);
        }
        else {
            PyTuple_SET_ITEM(path, at->depth - 1, step);
        }
    }
    return path;
}

static PyObject *
row_object(const mo_scan *scan, const mo_row *row)
{
    PyObject *path = path_of(scan, row->node);
    if (path == NULL) {
        return NULL;
    }
    return Py_BuildValue(
        "(sNOOKKKKKKN)", kind_names[row->kind], path, (PyObject *)row->type,
        or_none(row->example), (unsigned long long)row->count,
        (unsigned long long)row->items, (unsigned long long)row->now,
        (unsigned long long)row->after, (unsigned long long)row->elsewhere,
        (unsigned long long)row->longest, PyBool_FromLong(row->is_shared));
}

/* The rows that would save enough, and those of types. */
static PyObject *
row_list(const mo_scan *scan, uint64_t min_saving)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < scan->n_rows; i++) {
        const mo_row *row = &scan->rows[i];
        if (row->kind != MO_TYPE && !mo_row_saves(row, min_saving)) {
            continue;
        }
        PyObject *item = row_object(scan, row);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *
as_objects(mo_scan *scan, uint64_t min_saving)
{
    own_references(scan);
    PyObject *rows = row_list(scan, min_saving);
    drop_references(scan);
    if (rows == NULL) {
        return NULL;
    }
    return Py_BuildValue("(Nnn)", rows, (Py_ssize_t)scan->n_nodes,
                         (Py_ssize_t)mo_scan_bytes(scan));
}

/* roots: a tuple of tuples (name or code, object, whether it is a namespace). */
static int
check_roots(PyObject *roots)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(roots); i++) {
        PyObject *root = PyTuple_GET_ITEM(roots, i);
        if (!PyTuple_Check(root) || PyTuple_GET_SIZE(root) != 3 ||
            !(PyUnicode_Check(PyTuple_GET_ITEM(root, 0)) ||
              PyCode_Check(PyTuple_GET_ITEM(root, 0))) ||
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

static int
postpone_tracked(PyObject *obj, void *scan)
{
    mo_scan_postpone(scan, obj);
    return !((mo_scan *)scan)->out_of_memory;
}

static int
resume_tracked(void *scan)
{
    mo_scan_resume(scan);
    return !((mo_scan *)scan)->out_of_memory;
}

/* What of a frame's addresses may be in hand; its code stays as long as it does. */
static Py_ssize_t
value_stack(PyObject *frame, const uintptr_t **slots)
{
    PyCodeObject *code = PyFrame_GetCode((PyFrameObject *)frame);
    Py_ssize_t n = mo_value_stack((PyFrameObject *)frame, code, slots);
    Py_DECREF(code);
    return n;
}

/* Where everything is walked, a frame stands for what it has in hand. */
static void
take_in_hand(mo_scan *scan, PyObject *name, PyObject *root)
{
    const uintptr_t *slots;
    if (scan->everything && PyFrame_Check(root)) {
        Py_ssize_t n = value_stack(root, &slots);
        mo_scan_in_hand(scan, name, slots, n);
    }
}

static void
walk_roots(mo_scan *scan, PyObject *roots)
{
    Py_ssize_t n = PyTuple_GET_SIZE(roots);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *root = PyTuple_GET_ITEM(roots, i);
        take_in_hand(scan, PyTuple_GET_ITEM(root, 0),
                     PyTuple_GET_ITEM(root, 1));
    }
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
"_scan_heap(roots, everything, min_saving=0, /)\n--\n\n"
"Walk what the roots own, and with everything all that the collector tracks.\n\n"
"roots is a tuple of tuples (name, object, is_namespace); the name of a\n"
"function's variables, or of a frame for what is worked on there, is its code.\n"
"Returns (rows, nodes, bytes): rows are (kind, path, type, example, count,\n"
"items, now, after, elsewhere, longest, is_shared), those that save less than\n"
"min_saving bytes left out but for the kind type; paths are tuples of (step,\n"
"name), nodes is how many different ones there are, bytes is what the walk\n"
"needed.");

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
    PyObject *roots;
    void *lists = NULL;
    int everything;
    unsigned long long min_saving = 0;
    mo_scan scan;
    if (require_gil() < 0 ||
        !PyArg_ParseTuple(args, "O!p|K:_scan_heap", &PyTuple_Type, &roots,
                          &everything, &min_saving) ||
        check_roots(roots) < 0) {
        return NULL;
    }
    if (everything && mo_gc_lists(&lists) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (mo_scan_init(&scan, everything) == 0) {
        walk_roots(&scan, roots);
        if (everything) {
            mo_gc_visit(lists,
                        &(mo_gc_visitor){visit_tracked, postpone_tracked,
                                         resume_tracked, &scan});
        }
        mo_scan_finish(&scan, min_saving);
    }
    if (scan.out_of_memory) {
        PyErr_NoMemory();
    }
    else {
        result = as_objects(&scan, min_saving);
    }
    mo_scan_clear(&scan);
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

PyDoc_STRVAR(pymalloc_bytes_doc,
"_pymalloc_bytes()\n--\n\n"
"Return (held, used): bytes of pymalloc's arenas, and of the blocks in use in\n"
"them, which are 0 while the C heap is used instead.  None if not told.");

static PyObject *
pymalloc_bytes(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    uint64_t held, used;
    if (!mo_pymalloc_bytes(&held, &used)) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(KK)", (unsigned long long)held,
                         (unsigned long long)used);
}

PyDoc_STRVAR(ask_main_thread_doc,
"_ask_main_thread(callable, /)\n--\n\n"
"Have the main thread call it, untraced, as soon as it is between two\n"
"instructions; what it raises is raised there.  False if that cannot be asked.");

PyDoc_STRVAR(elsewhere_doc,
"_elsewhere(start_new_thread, patience, callable, items, /)\n--\n\n"
"Unless the list items is empty, have a new thread call callable(items, ident),\n"
"ident being that of this thread, and wait until it has ended, for patience\n"
"seconds at most, without running handlers of signals or the collector; what it\n"
"raises is printed.  False if it could not start, or has not ended.");

PyDoc_STRVAR(forget_waiting_doc,
"_forget_waiting()\n--\n\n"
"In a child of fork: what has been waited for in _elsewhere is not there.");

PyDoc_STRVAR(wait_for_thread_doc,
"_wait_for_thread(native_id, /)\n--\n\n"
"Wait until the system has no such thread any more, which has ended; only Linux\n"
"tells.");

PyDoc_STRVAR(is_traced_doc,
"_is_traced()\n--\n\n"
"Whether a thread has a tracer or profiler.");

PyDoc_STRVAR(in_hand_doc,
"_in_hand(frame, /)\n--\n\n"
"Addresses of objects that a frame that runs is working on, and of others that\n"
"are no more; none from CPython 3.14 on.");

static int
require_frame(PyObject *obj)
{
    if (PyFrame_Check(obj)) {
        return 0;
    }
    PyErr_SetString(PyExc_TypeError, "_in_hand() wants a frame");
    return -1;
}

static PyObject *
in_hand(PyObject *Py_UNUSED(module), PyObject *frame)
{
    const uintptr_t *slots;
    if (require_gil() < 0 || require_frame(frame) < 0) {
        return NULL;
    }
    PyObject *found = PyTuple_New(value_stack(frame, &slots));
    if (found == NULL) {
        return NULL;
    }
    /* Asked for again: the collector may have run, and so the frame have ended. */
    Py_ssize_t n = value_stack(frame, &slots);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *address = PyLong_FromVoidPtr((void *)slots[i]);
        if (address == NULL) {
            Py_DECREF(found);
            return NULL;
        }
        PyTuple_SET_ITEM(found, i, address);
    }
    return found;
}

PyDoc_STRVAR(variables_doc,
"_variables(generator, /)\n--\n\n"
"The variables of a generator or coroutine that waits, as a dict, without a\n"
"frame object being made, which would stay.  Of one that runs maybe none.");

static PyObject *
variables(PyObject *module, PyObject *generator)
{
    return require_gil() < 0 ? NULL : mo_variables(generator);
}

static PyMethodDef heap_methods[] = {
    {"_is_traced", mo_is_traced, METH_NOARGS, is_traced_doc},
    {"_ask_main_thread", mo_ask_main_thread, METH_O, ask_main_thread_doc},
    {"_elsewhere", mo_elsewhere, METH_VARARGS, elsewhere_doc},
    {"_forget_waiting", mo_forget_waiting, METH_NOARGS, forget_waiting_doc},
    {"_wait_for_thread", mo_wait_for_thread, METH_O, wait_for_thread_doc},
    {"_pymalloc_bytes", pymalloc_bytes, METH_NOARGS, pymalloc_bytes_doc},
    {"_scan_heap", scan_heap, METH_VARARGS, scan_heap_doc},
    {"_object_bytes", object_bytes, METH_O, object_bytes_doc},
    {"_in_hand", in_hand, METH_O, in_hand_doc},
    {"_variables", variables, METH_O, variables_doc},
    {NULL, NULL, 0, NULL},
};

int
mo_heap_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, heap_methods);
}
