/* dedup.c - InternPool.dedup(): the method and its report.  See dedup.h for how
 * it works. */
#include "internpool/dedup.h"
#include "state.h"

PyDoc_STRVAR(report_doc, "What InternPool.dedup() returns.");

static PyStructSequence_Field report_fields[] = {
    {"containers", "lists, dicts and other objects walked"},
    {"strings", "references to strings looked at"},
    {"replaced", "of these, those that lead to another object now"},
    {"bytes_freed", "sizes of strings that nothing refers to any more"},
    {NULL},
};

static PyStructSequence_Desc report_desc = {
    .name = "memopt._memopt.DedupReport",
    .doc = report_doc,
    .fields = report_fields,
    .n_in_sequence = 4,
};

/* From where it is made: a program may have put one of its own in the place of
 * collections.deque, whose functions run code. */
static PyTypeObject *
find_deque(void)
{
    PyObject *module = PyImport_ImportModule("_collections");
    if (module == NULL) {
        return NULL;
    }
    PyObject *deque = PyObject_GetAttrString(module, "deque");
    Py_DECREF(module);
    return (PyTypeObject *)deque;
}

static traverseproc
find_traverse(void)
{
    PyObject *some =
        PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "instance");
    traverseproc traverse = some ? ((PyTypeObject *)some)->tp_traverse : NULL;
    Py_XDECREF(some);
    return traverse;
}

int
mo_dedup_setup(PyObject *module, mo_internpool_state *room)
{
    room->traverse_instance = find_traverse();
    if (room->traverse_instance == NULL) {
        return -1;
    }
    room->deque = find_deque();
    room->DedupReportType = PyStructSequence_NewType(&report_desc);
    if (room->deque == NULL || room->DedupReportType == NULL) {
        return -1;
    }
    return PyModule_AddType(module, room->DedupReportType);
}

static PyObject *
make_report(PyObject *pool, const mo_walk *w)
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
    "Walks lists, dicts, sets, frozensets, deques and their subclasses, tuples,\n"
    "writable NumPy arrays of objects, and instances of classes made at run\n"
    "time: what is in their __dict__ or slots, so pandas objects too; each only\n"
    "once, so cycles do no harm.  Of dicts, keys and values unless told\n"
    "otherwise; values=False leaves all strings alone that are no key.  Objects\n"
    "are not asked for anything: no __hash__, __eq__ or __iter__ is called.\n\n"
    "Order, types, equality and hashes stay as they are.  Tuples, and named\n"
    "tuples, with a string to be replaced are replaced by new ones wherever the\n"
    "walk comes by, but for `obj` itself: pass [obj] to have one too.  One that\n"
    "is also where nothing can be written stays there, and is a copy elsewhere.\n"
    "Left alone are\n\n"
    "- modules, classes, functions, ctypes objects, and instances of subclasses\n"
    "  of str, but for their attributes,\n"
    "- strings in subclasses of tuple, but in named tuples that have no __eq__,\n"
    "  __hash__ or __del__ of their own, and in what C types keep to themselves,\n"
    "  like an exception its args,\n"
    "- interned keys, and keys of OrderedDict,\n"
    "- NumPy arrays while a pandas before 3.1 is loaded, which relies on the very\n"
    "  labels in them: pandas columns are for intern_series() then,\n"
    "- arrays over memory of other objects, as of ctypes or as_strided(), and\n"
    "  records: pass array['name'] for the objects in a field, if aligned,\n"
    "- on a free-threaded CPython frozensets, deques, arrays, and all that C\n"
    "  types keep to themselves, like what is in a functools.partial or an\n"
    "  exception's args: other threads look into them without a lock.\n\n"
    "Returns a DedupReport, a named tuple: containers walked, strings seen,\n"
    "replaced, and bytes_freed, the sizes of the strings that are gone; of the\n"
    "last two less, if several tuples or places shared a tuple or string.\n\n"
    "MemoryError, or what a signal handler raises, ends the work early: what was\n"
    "done stays, and every object is valid.  Other threads\n"
    "may read what is walked; what they write or delete meanwhile may get lost,\n"
    "where that is in place of what is being replaced: a dict may keep a value\n"
    "that was deleted.  A loop over a deque that is walked ends with its\n"
    "RuntimeError.  O(items).\n\n"
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
    mo_walk w;
    PyObject *report = NULL;
    if (mo_walk_begin(&w, op, keys != 0, values != 0) == 0 &&
        mo_walk_all(&w, root) == 0) {
        mo_walk_forget(&w);
        report = make_report(op, &w);
    }
    mo_walk_end(&w);
    return report;
}
