/* internpool.c - the type InternPool: Python's calling conventions around
 * pool.h, where the work is done.
 *
 * An object owns its pool and, through it, the resident strings.  They are
 * exact strs, so it is in no reference cycle but through its type.  Methods
 * lock the object, and release what they evicted after unlocking.  Arguments
 * are converted before the lock is taken, since that may run Python code. */
#include "internpool/internpool.h"

#include "internpool/pool.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall; /* pool(string) */
    PyObject *weakrefs;        /* the interpreter's list */
    mo_pool pool;
} InternPoolObject;

static mo_pool *
pool_of(PyObject *op)
{
    return &((InternPoolObject *)op)->pool;
}

/* --- looking strings up ------------------------------------------------- */

PyDoc_STRVAR(intern_doc,
"intern($self, string, /)\n--\n\n"
"The one string of the pool that equals `string`.\n\n"
"That is the resident one if there is one (a hit); else `string` itself\n"
"becomes resident and is returned (a miss), which may evict others.  Longer\n"
"than max_length, or larger than a tenth of max_bytes, it is returned\n"
"without becoming resident (bypassed).  The empty string and one-character\n"
"Latin-1 strings are CPython's own singletons: returned as such, never\n"
"resident, counted as hits.  pool(string) does the same.\n\n"
"Raises TypeError unless type(string) is str.  O(1).\n\n"
">>> pool = memopt.InternPool()\n"
">>> a = pool.intern('item ' + str(1000))\n"
">>> b = pool.intern('item ' + str(1000))\n"
">>> a is b\n"
"True");

static void
refuse_to_intern(PyObject *arg)
{
    if (PyUnicode_Check(arg)) {
        /* As sys.intern: a subclass could redefine equality. */
        PyErr_Format(PyExc_TypeError, "can't intern %.400s",
                     Py_TYPE(arg)->tp_name);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "intern() argument must be str, not %.200s",
                     arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
    }
}

static PyObject *
bypass(PyObject *op, PyObject *string)
{
    PyObject *result;
    MO_BEGIN_CRITICAL_SECTION(op);
    result = mo_pool_bypass_lock_held(pool_of(op), string);
    MO_END_CRITICAL_SECTION();
    return result;
}

static PyObject *
internpool_intern(PyObject *op, PyObject *string)
{
    mo_pool *pool = pool_of(op);
    if (MO_UNLIKELY(!PyUnicode_CheckExact(string))) {
        refuse_to_intern(string);
        return NULL;
    }
    if (MO_UNLIKELY(MO_STR_READY(string) < 0)) {
        return NULL;
    }
    /* Before the hash, which would cost more than the copy saves. */
    if (MO_UNLIKELY(mo_pool_is_too_long(pool, string))) {
        return bypass(op, string);
    }
    uint64_t hash = mo_hash_str(pool->key, string);
    PyObject *result;
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    result = mo_pool_intern_lock_held(pool, string, hash, &victims);
    MO_END_CRITICAL_SECTION();
    mo_victims_release(&victims);
    return MO_LIKELY(result != NULL) ? result : PyErr_NoMemory();
}

static PyObject *
internpool_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf,
                      PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "InternPool.__call__() takes no keyword arguments");
        return NULL;
    }
    if (nargs != 1) {
        PyErr_Format(PyExc_TypeError,
                     "InternPool.__call__() takes exactly one argument "
                     "(%zd given)",
                     nargs);
        return NULL;
    }
    return internpool_intern(op, args[0]);
}

/* Readies the argument of a lookup; 0, or -1 with an exception set. */
static int
check_lookup(PyObject *string)
{
    if (!PyUnicode_CheckExact(string)) {
        PyErr_Format(PyExc_TypeError,
                     "InternPool holds exact str objects only, not %.200s",
                     Py_TYPE(string)->tp_name);
        return -1;
    }
    return MO_STR_READY(string);
}

/* The equal resident, a new reference; NULL without an exception if none. */
static PyObject *
find(PyObject *op, PyObject *string)
{
    mo_pool *pool = pool_of(op);
    if (mo_pool_is_too_long(pool, string)) {
        return NULL; /* no need to hash it */
    }
    uint64_t hash = mo_hash_str(pool->key, string);
    PyObject *resident;
    MO_BEGIN_CRITICAL_SECTION(op);
    resident = Py_XNewRef(mo_pool_find_lock_held(pool, string, hash));
    MO_END_CRITICAL_SECTION();
    return resident;
}

PyDoc_STRVAR(get_doc,
"get($self, string, default=None, /)\n--\n\n"
"The resident string that equals `string`, else `default`.\n\n"
"Adds nothing, counts nothing, and does not delay eviction.  Raises\n"
"TypeError unless type(string) is str.  O(1).\n\n"
">>> pool = memopt.InternPool()\n"
">>> _ = pool.intern('north')\n"
">>> pool.get('north'), pool.get('south'), pool.get('south', '?')\n"
"('north', None, '?')");

static PyObject *
internpool_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError,
                     "InternPool.get() takes 1 or 2 arguments (%zd given)",
                     nargs);
        return NULL;
    }
    if (check_lookup(args[0]) < 0) {
        return NULL;
    }
    PyObject *resident = find(op, args[0]);
    if (resident != NULL) {
        return resident;
    }
    return Py_NewRef(nargs == 2 ? args[1] : Py_None);
}

static int
internpool_contains(PyObject *op, PyObject *string)
{
    if (check_lookup(string) < 0) {
        return -1;
    }
    PyObject *resident = find(op, string);
    Py_XDECREF(resident);
    return resident != NULL;
}

/* --- contents ----------------------------------------------------------- */

static Py_ssize_t
internpool_length(PyObject *op)
{
    return (Py_ssize_t)pool_of(op)->table.count;
}

/* Fills a new list of as many items as are resident; false if that number has
 * changed since. */
static bool
fill_lock_held(const mo_pool *pool, PyObject *list)
{
    Py_ssize_t n = 0;
    if (PyList_GET_SIZE(list) != (Py_ssize_t)pool->table.count) {
        return false;
    }
    for (uint32_t i = 0; i < pool->table.used; i++) {
        PyObject *string = pool->table.entries[i].string;
        if (string != NULL) {
            PyList_SET_ITEM(list, n++, Py_NewRef(string));
        }
    }
    return true;
}

static PyObject *
snapshot(PyObject *op)
{
    for (;;) {
        /* May collect garbage and so run code that changes the pool. */
        PyObject *list = PyList_New(internpool_length(op));
        if (list == NULL) {
            return NULL;
        }
        bool filled;
        MO_BEGIN_CRITICAL_SECTION(op);
        filled = fill_lock_held(pool_of(op), list);
        MO_END_CRITICAL_SECTION();
        if (filled) {
            return list;
        }
        Py_DECREF(list);
    }
}

static PyObject *
internpool_iter(PyObject *op)
{
    PyObject *list = snapshot(op);
    if (list == NULL) {
        return NULL;
    }
    PyObject *iterator = PyObject_GetIter(list);
    Py_DECREF(list);
    return iterator;
}

PyDoc_STRVAR(discard_doc,
"discard($self, string, /)\n--\n\n"
"Remove the resident string that equals `string`; whether there was one.\n\n"
"Raises TypeError unless type(string) is str.  O(1).\n\n"
">>> pool = memopt.InternPool()\n"
">>> _ = pool.intern('north')\n"
">>> pool.discard('north'), pool.discard('north')\n"
"(True, False)");

static PyObject *
internpool_discard(PyObject *op, PyObject *string)
{
    if (check_lookup(string) < 0) {
        return NULL;
    }
    mo_pool *pool = pool_of(op);
    if (mo_pool_is_too_long(pool, string)) {
        Py_RETURN_FALSE;
    }
    uint64_t hash = mo_hash_str(pool->key, string);
    PyObject *resident;
    MO_BEGIN_CRITICAL_SECTION(op);
    resident = mo_pool_discard_lock_held(pool, string, hash);
    MO_END_CRITICAL_SECTION();
    Py_XDECREF(resident);
    return PyBool_FromLong(resident != NULL);
}

PyDoc_STRVAR(clear_doc,
"clear($self, /)\n--\n\n"
"Forget all strings and give the memory back.  Counts are kept.");

static PyObject *
internpool_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_table taken;
    MO_BEGIN_CRITICAL_SECTION(op);
    mo_pool_take_lock_held(pool_of(op), &taken);
    MO_END_CRITICAL_SECTION();
    mo_table_free(&taken);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cache_clear_doc,
"cache_clear($self, /)\n--\n\n"
"clear(), and set all counts to 0, as functools.lru_cache does.");

static PyObject *
internpool_cache_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_table taken;
    MO_BEGIN_CRITICAL_SECTION(op);
    mo_pool_take_lock_held(pool_of(op), &taken);
    mo_pool_reset_counts_lock_held(pool_of(op));
    MO_END_CRITICAL_SECTION();
    mo_table_free(&taken);
    Py_RETURN_NONE;
}

/* --- bounds ------------------------------------------------------------- */

/* Converts a bound of at least 1.  0, or -1 with an exception set. */
static int
convert_bound(PyObject *value, const char *name, const char *wanted,
              long long most, size_t *bound)
{
    if (!PyIndex_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be %s, not %.200s", name,
                     wanted, Py_TYPE(value)->tp_name);
        return -1;
    }
    PyObject *number = PyNumber_Index(value);
    if (number == NULL) {
        return -1;
    }
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow > 0 || n > most) {
        PyErr_Format(PyExc_OverflowError, "%s must be at most %lld", name,
                     most);
        return -1;
    }
    if (overflow < 0 || n < 1) {
        PyErr_Format(PyExc_ValueError, "%s must be at least 1", name);
        return -1;
    }
    *bound = (size_t)n;
    return 0;
}

static int
convert_max_entries(PyObject *value, uint32_t *max_entries)
{
    size_t bound;
    if (convert_bound(value, "max_entries", "an int", MO_MAX_ENTRIES, &bound) <
        0) {
        return -1;
    }
    *max_entries = (uint32_t)bound;
    return 0;
}

static int
convert_limit(PyObject *value, const char *name, size_t *limit)
{
    if (value == Py_None) {
        *limit = MO_NO_LIMIT;
        return 0;
    }
    return convert_bound(value, name, "an int or None", PY_SSIZE_T_MAX, limit);
}

static PyObject *
limit_as_object(size_t limit)
{
    return limit == MO_NO_LIMIT ? Py_NewRef(Py_None)
                                : PyLong_FromSize_t(limit);
}

PyDoc_STRVAR(resize_doc,
"resize($self, max_entries=..., max_bytes=...)\n--\n\n"
"Change the bounds given; those left out (or ...) stay.\n\n"
"Evicts what exceeds the new bounds, counted as evictions, and gives spare\n"
"memory back; a larger bound keeps everything.  max_bytes=None lifts that\n"
"bound.  Raises as the constructor does, before anything changes.\n"
"O(entries).\n\n"
">>> pool = memopt.InternPool(1000)\n"
">>> for i in range(100):\n"
"...     _ = pool.intern(f'item {i}')\n"
">>> pool.resize(max_entries=10)\n"
">>> len(pool), pool.max_entries\n"
"(10, 10)");

static PyObject *
internpool_resize(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"max_entries", "max_bytes", NULL};
    mo_pool *pool = pool_of(op);
    PyObject *entries = Py_Ellipsis, *bytes = Py_Ellipsis;
    uint32_t max_entries = 0;
    size_t max_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:resize", names,
                                     &entries, &bytes)) {
        return NULL;
    }
    if (entries != Py_Ellipsis &&
        convert_max_entries(entries, &max_entries) < 0) {
        return NULL;
    }
    if (bytes != Py_Ellipsis &&
        convert_limit(bytes, "max_bytes", &max_bytes) < 0) {
        return NULL;
    }
    mo_victims victims;
    victims.count = 0;
    MO_BEGIN_CRITICAL_SECTION(op);
    mo_pool_resize_lock_held(
        pool, entries == Py_Ellipsis ? pool->max_entries : max_entries,
        bytes == Py_Ellipsis ? pool->max_bytes : max_bytes, &victims);
    MO_END_CRITICAL_SECTION();
    mo_victims_release(&victims);
    Py_RETURN_NONE;
}

static PyObject *
internpool_get_max_entries(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(pool_of(op)->max_entries);
}

static PyObject *
internpool_get_max_bytes(PyObject *op, void *Py_UNUSED(closure))
{
    return limit_as_object(pool_of(op)->max_bytes);
}

static PyObject *
internpool_get_max_length(PyObject *op, void *Py_UNUSED(closure))
{
    return limit_as_object(pool_of(op)->max_length);
}

static PyGetSetDef internpool_getset[] = {
    {"max_entries", internpool_get_max_entries, NULL,
     PyDoc_STR("The most strings that may be resident, at least 1."), NULL},
    {"max_bytes", internpool_get_max_bytes, NULL,
     PyDoc_STR("The most bytes that residents may take together, or None."),
     NULL},
    {"max_length", internpool_get_max_length, NULL,
     PyDoc_STR("The most characters that a resident may have, or None."),
     NULL},
    {NULL},
};

/* --- counts ------------------------------------------------------------- */

PyDoc_STRVAR(info_doc,
"What InternPool.cache_info() returns; begins as functools.lru_cache's.");

static PyStructSequence_Field info_fields[] = {
    {"hits", "calls answered with a string that was there"},
    {"misses", "calls answered with their argument, which became resident"},
    {"maxsize", "max_entries"},
    {"currsize", "resident strings"},
    {"bytes", "bytes of the resident strings, as sys.getsizeof counts"},
    {"max_bytes", "bound on bytes, or None"},
    {"evictions", "residents driven out by a bound"},
    {"bypassed", "calls answered with their argument, which stayed outside"},
    {"bytes_saved", "bytes of all arguments that hits made redundant"},
    {NULL},
};

static PyStructSequence_Desc info_desc = {
    .name = "memopt._memopt.InternPoolInfo",
    .doc = info_doc,
    .fields = info_fields,
    .n_in_sequence = 9,
};

PyDoc_STRVAR(cache_info_doc,
"cache_info($self, /)\n--\n\n"
"A named tuple of counts: hits, misses, maxsize, currsize (the four of\n"
"functools.lru_cache), bytes, max_bytes, evictions, bypassed, bytes_saved.\n\n"
"hits + misses + bypassed is the number of successful calls of intern().\n"
"bytes is the sum of the residents' sizes, each what sys.getsizeof says of a\n"
"str that has not been encoded (CPython caches a UTF-8 form beside it then).\n"
"bytes_saved adds up the sizes of arguments for which another, resident\n"
"object was returned: an upper bound of the memory saved, and cumulative,\n"
"since a duplicate might not have lived long.\n\n"
">>> pool = memopt.InternPool()\n"
">>> words = [pool.intern(s) for s in 'to be or not to be'.split()]\n"
">>> info = pool.cache_info()\n"
">>> info.hits, info.misses, info.currsize\n"
"(2, 4, 4)");

static PyObject *
internpool_cache_info(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_internpool_state *state = &mo_state_of(Py_TYPE(op))->internpool;
    mo_pool *pool = pool_of(op);
    uint64_t count, bytes, max_entries, hits, misses;
    uint64_t evictions, bypassed, bytes_saved;
    size_t max_bytes;
    MO_BEGIN_CRITICAL_SECTION(op);
    hits = pool->hits;
    misses = pool->misses;
    max_entries = pool->max_entries;
    count = pool->table.count;
    bytes = pool->bytes;
    max_bytes = pool->max_bytes;
    evictions = pool->evictions;
    bypassed = pool->bypassed;
    bytes_saved = pool->bytes_saved;
    MO_END_CRITICAL_SECTION();
    PyObject *values[] = {
        PyLong_FromUnsignedLongLong(hits),
        PyLong_FromUnsignedLongLong(misses),
        PyLong_FromUnsignedLongLong(max_entries),
        PyLong_FromUnsignedLongLong(count),
        PyLong_FromUnsignedLongLong(bytes),
        limit_as_object(max_bytes),
        PyLong_FromUnsignedLongLong(evictions),
        PyLong_FromUnsignedLongLong(bypassed),
        PyLong_FromUnsignedLongLong(bytes_saved),
    };
    PyObject *info = PyStructSequence_New(state->InternPoolInfoType);
    bool failed = info == NULL;
    for (int i = 0; i < info_desc.n_in_sequence; i++) {
        failed |= values[i] == NULL;
        if (info != NULL) {
            PyStructSequence_SetItem(info, i, values[i]);
        }
        else {
            Py_XDECREF(values[i]);
        }
    }
    if (failed) {
        Py_CLEAR(info);
    }
    return info;
}

PyDoc_STRVAR(sizeof_doc,
"__sizeof__($self, /)\n--\n\n"
"Bytes of the object and its tables; the strings are not among them, but in\n"
"cache_info().bytes.");

static PyObject *
internpool_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    size_t bytes = (size_t)Py_TYPE(op)->tp_basicsize;
    MO_BEGIN_CRITICAL_SECTION(op);
    bytes += mo_pool_nbytes(pool_of(op));
    MO_END_CRITICAL_SECTION();
    return PyLong_FromSize_t(bytes);
}

static PyObject *
internpool_repr(PyObject *op)
{
    mo_pool *pool = pool_of(op);
    return PyUnicode_FromFormat("<InternPool: %zd of %zd strings, %zu bytes>",
                                (Py_ssize_t)pool->table.count,
                                (Py_ssize_t)pool->max_entries, pool->bytes);
}

/* --- pickling and tests ------------------------------------------------- */

/* (type, (max_entries,), {"max_bytes": ..., "max_length": ...}) */
static PyObject *
constructor_arguments(PyObject *op)
{
    mo_pool *pool = pool_of(op);
    return Py_BuildValue("(O(k){sNsN})", Py_TYPE(op),
                         (unsigned long)pool->max_entries, "max_bytes",
                         limit_as_object(pool->max_bytes), "max_length",
                         limit_as_object(pool->max_length));
}

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

PyDoc_STRVAR(reduce_doc,
"__reduce__($self, /)\n--\n\n"
"For pickle and copy: the bounds; a copy begins empty.");

static PyObject *
internpool_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *factory = NULL, *arguments = NULL, *state = NULL;
    PyObject *result = NULL;
    PyObject *copyreg = PyImport_ImportModule("copyreg");
    if (copyreg == NULL) {
        return NULL;
    }
    factory = attribute(copyreg, "__newobj_ex__");
    arguments = factory ? constructor_arguments(op) : NULL;
    state = arguments ? state_of_subclass(op) : NULL;
    if (state != NULL) {
        result = PyTuple_Pack(3, factory, arguments, state);
    }
    Py_DECREF(copyreg);
    Py_XDECREF(factory);
    Py_XDECREF(arguments);
    Py_XDECREF(state);
    return result;
}

PyDoc_STRVAR(debug_validate_doc,
"_debug_validate($self, /)\n--\n\n"
"For tests: raise AssertionError naming the first invariant that is broken.");

static PyObject *
internpool_debug_validate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const char *fault;
    MO_BEGIN_CRITICAL_SECTION(op);
    fault = mo_pool_fault(pool_of(op));
    MO_END_CRITICAL_SECTION();
    if (fault != NULL) {
        PyErr_SetString(PyExc_AssertionError, fault);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(debug_probes_doc,
"_debug_probes($self, /)\n--\n\n"
"For tests: slots read in searching once for each resident.");

static PyObject *
internpool_debug_probes(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    uint64_t probes;
    MO_BEGIN_CRITICAL_SECTION(op);
    probes = mo_table_probes(&pool_of(op)->table);
    MO_END_CRITICAL_SECTION();
    return PyLong_FromUnsignedLongLong(probes);
}

PyDoc_STRVAR(debug_hash_bits_doc,
"_debug_hash_bits($self, bits, /)\n--\n\n"
"For tests: use only so many bits of each hash, 0 to 32, so that strings\n"
"collide.  Only while the pool is empty.");

static PyObject *
internpool_debug_hash_bits(PyObject *op, PyObject *arg)
{
    mo_pool *pool = pool_of(op);
    long long bits = PyLong_AsLongLong(arg); /* a long may have 32 bits */
    if (bits == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (bits < 0 || bits > 32 || pool->table.count > 0) {
        PyErr_SetString(PyExc_ValueError,
                        "bits must be 0 to 32 and the pool empty");
        return NULL;
    }
    pool->table.tag_mask = (uint32_t)(UINT64_C(0xffffffff) << (32 - bits));
    Py_RETURN_NONE;
}

/* --- the type ----------------------------------------------------------- */

PyDoc_STRVAR(internpool_doc,
"InternPool(max_entries=16384, *, max_bytes=None, max_length=1024)\n--\n\n"
"Keeps one object of equal strings, as sys.intern does, within bounds.\n\n"
"pool.intern(s), or pool(s), returns the resident string equal to s, or\n"
"makes s resident.  At most max_entries strings, 1 to 2**30 - 1, are\n"
"resident, and at most max_bytes bytes of them (None: any number), counted\n"
"as sys.getsizeof does; when a bound is reached, strings that were not asked\n"
"for again leave (S3-FIFO).  Strings of more than max_length characters\n"
"(None: any number), or larger than a tenth of max_bytes, stay outside.\n"
"Memory is taken as strings come: besides them, up to 43 bytes for each.\n\n"
"While a string is resident, intern() returns that object for every equal\n"
"str; after it was evicted, another may take its place.  So comparing with\n"
"`is` saves time when it succeeds and proves nothing when it fails: never\n"
"rely on it for correctness.\n\n"
"`in`, len() and iteration (over a snapshot, in no particular order) see the\n"
"resident strings.  Pickling and copying take the bounds, not the contents.\n"
"Pools are equal only to themselves.  Any number of threads may use one.\n\n"
"Raises TypeError if a bound is no int (or None where that is allowed),\n"
"ValueError if it is less than 1, OverflowError if it is too large.\n\n"
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
    static char *names[] = {"max_entries", "max_bytes", "max_length", NULL};
    PyObject *entries = NULL, *bytes = Py_None, *length = NULL;
    uint32_t max_entries = 16384;
    size_t max_bytes, max_length = 1024;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OO:InternPool", names,
                                     &entries, &bytes, &length)) {
        return NULL;
    }
    if ((entries && convert_max_entries(entries, &max_entries) < 0) ||
        convert_limit(bytes, "max_bytes", &max_bytes) < 0 ||
        (length && convert_limit(length, "max_length", &max_length) < 0)) {
        return NULL;
    }
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        ((InternPoolObject *)op)->vectorcall = internpool_vectorcall;
        mo_pool_init(pool_of(op), &mo_state_of(type)->internpool.key,
                     max_entries, max_bytes, max_length);
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
    if (((InternPoolObject *)op)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    mo_pool_free(pool_of(op));
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef internpool_methods[] = {
    {"intern", internpool_intern, METH_O, intern_doc},
    {"get", (PyCFunction)(void (*)(void))internpool_get, METH_FASTCALL,
     get_doc},
    {"discard", internpool_discard, METH_O, discard_doc},
    {"clear", internpool_clear, METH_NOARGS, clear_doc},
    {"cache_clear", internpool_cache_clear, METH_NOARGS, cache_clear_doc},
    {"resize", (PyCFunction)(void (*)(void))internpool_resize,
     METH_VARARGS | METH_KEYWORDS, resize_doc},
    {"cache_info", internpool_cache_info, METH_NOARGS, cache_info_doc},
    {"__sizeof__", internpool_sizeof, METH_NOARGS, sizeof_doc},
    {"__reduce__", internpool_reduce, METH_NOARGS, reduce_doc},
    {"_debug_validate", internpool_debug_validate, METH_NOARGS,
     debug_validate_doc},
    {"_debug_probes", internpool_debug_probes, METH_NOARGS, debug_probes_doc},
    {"_debug_hash_bits", internpool_debug_hash_bits, METH_O,
     debug_hash_bits_doc},
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
    {Py_tp_repr, internpool_repr},
    {Py_tp_iter, internpool_iter},
    {Py_tp_methods, internpool_methods},
    {Py_tp_members, internpool_members},
    {Py_tp_getset, internpool_getset},
    {Py_sq_length, internpool_length},
    {Py_sq_contains, internpool_contains},
    {0, NULL},
};

static PyType_Spec internpool_spec = {
    .name = "memopt.InternPool",
    .basicsize = sizeof(InternPoolObject),
    .flags = (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
              Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE),
    .slots = internpool_slots,
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
        PyModule_AddType(module, room->InternPoolType) < 0) {
        return -1;
    }
    room->InternPoolInfoType = PyStructSequence_NewType(&info_desc);
    if (room->InternPoolInfoType == NULL) {
        return -1;
    }
    return PyModule_AddType(module, room->InternPoolInfoType);
}

int
mo_internpool_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->internpool.InternPoolType);
    Py_VISIT(state->internpool.InternPoolInfoType);
    return 0;
}

void
mo_internpool_clear(mo_state *state)
{
    Py_CLEAR(state->internpool.InternPoolType);
    Py_CLEAR(state->internpool.InternPoolInfoType);
}
