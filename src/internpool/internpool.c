/* internpool.c - the type InternPool: its methods, listed; the room's setup.
 *
 * An object owns its shards and, through them, the resident strings.  They are
 * exact strs, so it is in no reference cycle but through its type. */
#include "internpool/internpool.h"

#include "internpool/internal.h"
#include "state.h"

PyDoc_STRVAR(internpool_doc,
"InternPool(max_entries=16384, *, max_bytes=None, max_length=1024, "
"policy='s3fifo', adaptive=True)\n--\n\n"
"Keeps one object of equal strings, as sys.intern does, within bounds.\n\n"
"pool.intern(s), or pool(s), returns the resident string equal to s, or\n"
"makes s resident.  At most max_entries strings, 1 to 2**30 - 1, are\n"
"resident, and at most max_bytes bytes of them (None: any number), counted\n"
"as sys.getsizeof does; when a bound is reached, others leave.  Strings of\n"
"more than max_length characters (None: any number), or larger than a tenth\n"
"of max_bytes, stay outside.  Memory is taken as strings come: besides them,\n"
"up to 43 bytes for each.\n\n"
"policy='s3fifo' lets strings leave that were not asked for again soon, so\n"
"that many which come once do no harm; 'lru' the one not asked for longest.\n"
"With adaptive, a full pool keeps new strings out while fewer than one call\n"
"in 20 asks for one seen lately; a string that comes twice still gets in.\n\n"
"While a string is resident, intern() returns that object for every equal\n"
"str; after it was evicted, another may take its place.  So comparing with\n"
"`is` saves time when it succeeds and proves nothing when it fails: never\n"
"rely on it for correctness.\n\n"
"`in`, len() and iteration (over a snapshot, in no particular order) see the\n"
"resident strings.  Pickling and copying take the options, and the contents\n"
"if pickle_contents is set.  At the end of a with block the pool is cleared.\n"
"Pools are equal only to themselves.  Any number of threads may use one.\n\n"
"Raises TypeError if a bound is no int (or None where that is allowed),\n"
"ValueError if it is less than 1 or the policy unknown, OverflowError if a\n"
"bound is too large.\n\n"
">>> pool = memopt.InternPool(max_entries=1000)\n"
">>> pool.intern('status=' + 'ok') is pool.intern('status=' + 'ok')\n"
"True\n"
">>> for i in range(1_000_000):\n"
"...     _ = pool.intern(f'Processing item {i}')\n"
">>> len(pool)\n"
"1000\n\n"
"Source of the policy: Yang et al., FIFO queues are all you need for cache\n"
"eviction, SOSP 2023.");

static PyObject *
internpool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    mo_pool_options options;
    if (mo_parse_pool_options(args, kwargs, &options) < 0) {
        return NULL;
    }
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        ((InternPoolObject *)op)->vectorcall = mo_internpool_vectorcall;
        if (mo_shards_init(mo_shards_of(op),
                           &mo_state_of(type)->internpool.key, &options) < 0) {
            Py_CLEAR(op);
        }
    }
    return op;
}

static int
internpool_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
internpool_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    mo_shards_free(mo_shards_of(op));
    type->tp_free(op);
    Py_DECREF(type);
}

/* --- methods written in Python: memopt/adapters.py ------------------------ */

/* (op, *args), a new tuple. */
static PyObject *
prepend(PyObject *op, PyObject *args)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *all = PyTuple_New(n + 1);
    if (all != NULL) {
        PyTuple_SET_ITEM(all, 0, Py_NewRef(op));
        for (Py_ssize_t i = 0; i < n; i++) {
            PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
        }
    }
    return all;
}

static PyObject *
call_adapter(PyObject *op, const char *name, PyObject *args, PyObject *kwargs)
{
    PyObject *adapters = PyImport_ImportModule("memopt.adapters");
    if (adapters == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    PyObject *function = PyObject_GetAttrString(adapters, name);
    PyObject *all = function ? prepend(op, args) : NULL;
    if (all != NULL) {
        result = PyObject_Call(function, all, kwargs);
    }
    Py_XDECREF(all);
    Py_XDECREF(function);
    Py_DECREF(adapters);
    return result;
}

#define ADAPTER(name)                                                \
    static PyObject *internpool_##name(PyObject *op, PyObject *args, \
                                       PyObject *kwargs)             \
    {                                                                \
        return call_adapter(op, #name, args, kwargs);                \
    }

ADAPTER(json_loads)
ADAPTER(csv_reader)
ADAPTER(csv_dict_reader)
ADAPTER(logging_filter)
ADAPTER(map)
ADAPTER(intern_series)

PyDoc_STRVAR(json_loads_doc,
"json_loads($self, s, /, **options)\n--\n\n"
"json.loads(s, **options), with all strings interned, keys and values.\n\n"
"Without options, strings are looked up in the document itself, a str or\n"
"UTF-8, and made only if they are not resident; if the document is invalid,\n"
"json.loads raises its errors.  With options json.loads does the work: hooks\n"
"of objects are given interned strings, and what they return is left alone;\n"
"of what a decoder of the class `cls` makes, a str or those in lists are\n"
"interned.\n"
"O(len(s)).\n\n"
">>> pool = memopt.InternPool()\n"
">>> a, b = pool.json_loads('[{\"to\": \"Oslo\"}, {\"to\": \"Oslo\"}]')\n"
">>> a['to'] is b['to']\n"
"True");

PyDoc_STRVAR(csv_reader_doc,
"csv_reader($self, file, /, dialect='excel', **format)\n--\n\n"
"csv.reader(file, dialect, **format), with interned fields.\n\n"
">>> pool = memopt.InternPool()\n"
">>> (_, a), (_, b) = pool.csv_reader(['7,Oslo', '8,Oslo'])\n"
">>> a is b\n"
"True");

PyDoc_STRVAR(csv_dict_reader_doc,
"csv_dict_reader($self, file, /, *args, **options)\n--\n\n"
"csv.DictReader(file, *args, **options), with interned fields, and field\n"
"names if the file has them.\n\n"
">>> pool = memopt.InternPool()\n"
">>> a, b = pool.csv_dict_reader(['id,to', '7,Oslo', '8,Oslo'])\n"
">>> a['to'] is b['to']\n"
"True");

PyDoc_STRVAR(logging_filter_doc,
"logging_filter($self, /, name='')\n--\n\n"
"A logging.Filter(name) that interns the strings of records: for handlers\n"
"that keep them.  Raises TypeError unless `name` is a str.\n\n"
">>> import logging\n"
">>> pool = memopt.InternPool()\n"
">>> handler = logging.NullHandler()\n"
">>> handler.addFilter(pool.logging_filter())");

PyDoc_STRVAR(map_doc,
"map($self, iterable, /)\n--\n\n"
"An iterator over the items, each str as intern() gives it, others as they\n"
"are: intern_many() for streams.\n\n"
">>> pool = memopt.InternPool()\n"
">>> list(pool.map(iter(['Oslo', 5])))\n"
"['Oslo', 5]");

PyDoc_STRVAR(intern_series_doc,
"intern_series($self, series, /)\n--\n\n"
"A pandas Series with interned strings, the index shared, name, attrs and flags\n"
"kept; one whose dtype is not object is returned as it is.  dedup() does a\n"
"DataFrame in place.");

PyDoc_STRVAR(intern_item_doc,
"_intern_item($self, item, /)\n--\n\n"
"intern(item) if that is an exact str, else the item.");

static PyObject *
internpool_intern_item(PyObject *op, PyObject *item)
{
    return PyUnicode_CheckExact(item) ? mo_internpool_intern(op, item)
                                      : Py_NewRef(item);
}

/* --- the type ---------------------------------------------------------------- */

#define ADAPTER_METHOD(name)                                              \
    {#name, MO_KEYWORDS(internpool_##name), METH_VARARGS | METH_KEYWORDS, \
     name##_doc}

static PyMethodDef internpool_methods[] = {
    /* METH_COEXIST: beside tp_call's own, which has no signature. */
    {"__call__", mo_internpool_intern, METH_O | METH_COEXIST,
     PyDoc_STR("__call__($self, string, /)\n--\n\nAs intern().")},
    {"intern", mo_internpool_intern, METH_O, mo_internpool_intern_doc},
    {"get", MO_KEYWORDS(mo_internpool_get), METH_FASTCALL,
     mo_internpool_get_doc},
    {"discard", mo_internpool_discard, METH_O, mo_internpool_discard_doc},
    {"pin", mo_internpool_pin, METH_O, mo_internpool_pin_doc},
    {"unpin", mo_internpool_unpin, METH_O, mo_internpool_unpin_doc},
    {"intern_many", mo_internpool_intern_many, METH_O,
     mo_internpool_intern_many_doc},
    {"intern_list", mo_internpool_intern_list, METH_O,
     mo_internpool_intern_list_doc},
    {"intern_utf8", MO_KEYWORDS(mo_internpool_intern_utf8),
     METH_FASTCALL | METH_KEYWORDS, mo_internpool_intern_utf8_doc},
    {"split", MO_KEYWORDS(mo_internpool_split), METH_FASTCALL | METH_KEYWORDS,
     mo_internpool_split_doc},
    {"split_lines", MO_KEYWORDS(mo_internpool_split_lines),
     METH_FASTCALL | METH_KEYWORDS, mo_internpool_split_lines_doc},
    {"dedup", MO_KEYWORDS(mo_internpool_dedup), METH_VARARGS | METH_KEYWORDS,
     mo_internpool_dedup_doc},
    {"object_pairs_hook", mo_internpool_object_pairs_hook, METH_O,
     mo_internpool_object_pairs_hook_doc},
    ADAPTER_METHOD(json_loads),
    ADAPTER_METHOD(csv_reader),
    ADAPTER_METHOD(csv_dict_reader),
    ADAPTER_METHOD(logging_filter),
    ADAPTER_METHOD(map),
    ADAPTER_METHOD(intern_series),
    {"_intern_item", internpool_intern_item, METH_O, intern_item_doc},
    {"_intern_value", mo_internpool_intern_value, METH_VARARGS,
     mo_internpool_intern_value_doc},
    {"_scan_json", mo_internpool_scan_json, METH_O,
     mo_internpool_scan_json_doc},
    {"resize", MO_KEYWORDS(mo_internpool_resize), METH_VARARGS | METH_KEYWORDS,
     mo_internpool_resize_doc},
    {"trim", MO_KEYWORDS(mo_internpool_trim), METH_VARARGS | METH_KEYWORDS,
     mo_internpool_trim_doc},
    {"clear", mo_internpool_drop_all, METH_NOARGS, mo_internpool_clear_doc},
    {"cache_clear", mo_internpool_cache_clear, METH_NOARGS,
     mo_internpool_cache_clear_doc},
    {"cache_info", mo_internpool_cache_info, METH_NOARGS,
     mo_internpool_cache_info_doc},
    {"live_saved", mo_internpool_live_saved, METH_NOARGS,
     mo_internpool_live_saved_doc},
    {"__enter__", mo_internpool_enter, METH_NOARGS, mo_internpool_enter_doc},
    {"__exit__", MO_KEYWORDS(mo_internpool_exit), METH_FASTCALL,
     mo_internpool_exit_doc},
    {"__sizeof__", mo_internpool_sizeof, METH_NOARGS,
     mo_internpool_sizeof_doc},
    {"__reduce__", mo_internpool_reduce, METH_NOARGS,
     mo_internpool_reduce_doc},
    {"_debug_validate", mo_internpool_debug_validate, METH_NOARGS,
     mo_internpool_debug_validate_doc},
    {"_debug_probes", mo_internpool_debug_probes, METH_NOARGS,
     mo_internpool_debug_probes_doc},
    {"_debug_hash_bits", mo_internpool_debug_hash_bits, METH_O,
     mo_internpool_debug_hash_bits_doc},
    {NULL},
};

static PyMemberDef internpool_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET,
     offsetof(InternPoolObject, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(InternPoolObject, weakrefs),
     READONLY, NULL},
    {NULL},
};

static PyType_Slot internpool_slots[] = {
    {Py_tp_doc, (void *)internpool_doc},
    {Py_tp_new, internpool_new},
    {Py_tp_dealloc, internpool_dealloc},
    {Py_tp_traverse, internpool_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_repr, mo_internpool_repr},
    {Py_tp_iter, mo_internpool_iter},
    {Py_tp_methods, internpool_methods},
    {Py_tp_members, internpool_members},
    {Py_tp_getset, mo_internpool_getset},
    {Py_sq_length, mo_internpool_length},
    {Py_sq_contains, mo_internpool_contains},
    {0, NULL},
};

static PyType_Spec internpool_spec = {
    .name = "memopt.InternPool",
    .basicsize = sizeof(InternPoolObject),
    .flags = (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
              Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE),
    .slots = internpool_slots,
};

static PyMethodDef module_functions[] = {
    {"_restore_pool", mo_restore_pool, METH_VARARGS,
     PyDoc_STR("_restore_pool(type, args, kwargs, contents, /)\n--\n\n"
               "What a pickled InternPool calls.")},
    {NULL},
};

int
mo_internpool_setup(PyObject *module, mo_state *state)
{
    mo_internpool_state *room = &state->internpool;
    if (mo_hash_key_init(&room->key) < 0) {
        return -1;
    }
    room->InternPoolType = (PyTypeObject *)PyType_FromModuleAndSpec(
        module, &internpool_spec, NULL);
    if (room->InternPoolType == NULL ||
        PyModule_AddType(module, room->InternPoolType) < 0 ||
        mo_pool_info_setup(module, room) < 0 ||
        mo_dedup_setup(module, room) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, module_functions);
}

int
mo_internpool_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->internpool.InternPoolType);
    Py_VISIT(state->internpool.InternPoolInfoType);
    Py_VISIT(state->internpool.DedupReportType);
    Py_VISIT(state->internpool.deque);
    return 0;
}

void
mo_internpool_clear(mo_state *state)
{
    Py_CLEAR(state->internpool.InternPoolType);
    Py_CLEAR(state->internpool.InternPoolInfoType);
    Py_CLEAR(state->internpool.DedupReportType);
    Py_CLEAR(state->internpool.deque);
}
