/* inspect.c - what an InternPool tells of itself: its options, its figures,
 * and, to tests, the state of its table. */
#include "internpool/internal.h"
#include "state.h"

/* --- options ------------------------------------------------------------- */

static PyObject *
get_max_entries(PyObject *op, void *Py_UNUSED(closure))
{
    mo_shards *shards = mo_shards_of(op);
    mo_pool *pool = mo_shards_lock(shards, 0);
    size_t max_entries = shards->bounds.max_entries;
    mo_shards_unlock(pool);
    return PyLong_FromSize_t(max_entries);
}

static PyObject *
get_max_bytes(PyObject *op, void *Py_UNUSED(closure))
{
    mo_shards *shards = mo_shards_of(op);
    mo_pool *pool = mo_shards_lock(shards, 0);
    size_t max_bytes = shards->bounds.max_bytes;
    mo_shards_unlock(pool);
    return mo_limit_as_object(max_bytes);
}

static PyObject *
get_max_length(PyObject *op, void *Py_UNUSED(closure))
{
    return mo_limit_as_object(mo_shards_of(op)->max_length);
}

static PyObject *
get_policy(PyObject *op, void *Py_UNUSED(closure))
{
    mo_policy policy = mo_shards_of(op)->shard[0].pool.policy;
    return PyUnicode_FromString(mo_policy_name(policy));
}

static PyObject *
get_adaptive(PyObject *op, void *Py_UNUSED(closure))
{
    mo_pool *pool = mo_shards_lock(mo_shards_of(op), 0);
    bool adaptive = pool->gate.adaptive;
    mo_shards_unlock(pool);
    return PyBool_FromLong(adaptive);
}

static PyObject *
get_pickle_contents(PyObject *op, void *Py_UNUSED(closure))
{
    int8_t *contents = &((InternPoolObject *)op)->pickle_contents;
    return PyBool_FromLong(MO_LOAD_INT8(contents));
}

static int
set_pickle_contents(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !PyBool_Check(value)) {
        PyErr_Format(PyExc_TypeError, "pickle_contents must be a bool%s%.200s",
                     value ? ", not " : " and cannot be deleted",
                     value ? Py_TYPE(value)->tp_name : "");
        return -1;
    }
    int8_t *contents = &((InternPoolObject *)op)->pickle_contents;
    MO_STORE_INT8(contents, value == Py_True);
    return 0;
}

PyGetSetDef mo_internpool_getset[] = {
    {"max_entries", get_max_entries, NULL,
     PyDoc_STR("The most strings that may be resident, at least 1."), NULL},
    {"max_bytes", get_max_bytes, NULL,
     PyDoc_STR("The most bytes that residents may take together, or None."),
     NULL},
    {"max_length", get_max_length, NULL,
     PyDoc_STR("The most characters that a resident may have, or None."),
     NULL},
    {"policy", get_policy, NULL,
     PyDoc_STR("How residents are chosen to leave: 's3fifo' or 'lru'."), NULL},
    {"adaptive", get_adaptive, NULL,
     PyDoc_STR("Whether a full pool keeps new strings out while hardly any "
               "comes twice."),
     NULL},
    {"pickle_contents", get_pickle_contents, set_pickle_contents,
     PyDoc_STR("Whether pickles and copies carry the residents; False at "
               "first."),
     NULL},
    {NULL},
};

/* --- figures ------------------------------------------------------------- */

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

const char mo_internpool_cache_info_doc[] = PyDoc_STR(
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

/* Those that are told. */
static mo_counts
add_counts_all_locked(const mo_shards *shards)
{
    mo_counts sum = {0};
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        const mo_counts *counts = &shards->shard[i].pool.counts;
        sum.hits += counts->hits;
        sum.misses += counts->misses;
        sum.bypassed += counts->bypassed;
        sum.evictions += counts->evictions;
        sum.bytes_saved += counts->bytes_saved;
    }
    return sum;
}

PyObject *
mo_internpool_cache_info(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_internpool_state *state = &mo_state_of(Py_TYPE(op))->internpool;
    mo_shards *shards = mo_shards_of(op);
    mo_shards_lock_all(shards);
    const mo_bounds bounds = shards->bounds;
    const mo_counts counts = add_counts_all_locked(shards);
    mo_shards_unlock_all(shards);
    PyObject *values[] = {
        PyLong_FromUnsignedLongLong(counts.hits),
        PyLong_FromUnsignedLongLong(counts.misses),
        PyLong_FromUnsignedLongLong(bounds.max_entries),
        PyLong_FromUnsignedLongLong(bounds.entries),
        PyLong_FromUnsignedLongLong(bounds.bytes),
        mo_limit_as_object(bounds.max_bytes),
        PyLong_FromUnsignedLongLong(counts.evictions),
        PyLong_FromUnsignedLongLong(counts.bypassed),
        PyLong_FromUnsignedLongLong(counts.bytes_saved),
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

const char mo_internpool_live_saved_doc[] = PyDoc_STR(
    "live_saved($self, /)\n--\n\n"
    "An estimate of the bytes that the residents save now.\n\n"
    "For each resident, its size times the references to it beyond the pool's\n"
    "and a first one: as if each were to a copy of its own without the pool.\n"
    "References that never were copies, such as a program's constants, make it\n"
    "too high; immortal strings are left out.  bytes_saved of cache_info() is\n"
    "cumulative instead and never falls.  O(entries).\n\n"
    ">>> pool = memopt.InternPool()\n"
    ">>> rows = [pool.intern('status ' + str(200)) for _ in range(101)]\n"
    ">>> pool.live_saved() == 100 * sys.getsizeof('status 200')\n"
    "True\n"
    ">>> rows.clear()\n"
    ">>> pool.live_saved()\n"
    "0");

PyObject *
mo_internpool_live_saved(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_shards *shards = mo_shards_of(op);
    uint64_t bytes = 0;
    mo_shards_lock_all(shards);
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        bytes += mo_pool_live_saved_lock_held(&shards->shard[i].pool);
    }
    mo_shards_unlock_all(shards);
    return PyLong_FromUnsignedLongLong(bytes);
}

const char mo_internpool_sizeof_doc[] = PyDoc_STR(
    "__sizeof__($self, /)\n--\n\n"
    "Bytes of the object and its tables; the strings are not among them, but in\n"
    "cache_info().bytes.");

PyObject *
mo_internpool_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_shards *shards = mo_shards_of(op);
    size_t bytes = (size_t)Py_TYPE(op)->tp_basicsize;
    mo_shards_lock_all(shards);
    bytes += mo_shards_nbytes_all_locked(shards);
    mo_shards_unlock_all(shards);
    return PyLong_FromSize_t(bytes);
}

PyObject *
mo_internpool_repr(PyObject *op)
{
    mo_shards *shards = mo_shards_of(op);
    mo_shards_lock_all(shards);
    const mo_bounds bounds = shards->bounds;
    mo_shards_unlock_all(shards);
    return PyUnicode_FromFormat("<InternPool: %zd of %zd strings, %zu bytes>",
                                (Py_ssize_t)bounds.entries,
                                (Py_ssize_t)bounds.max_entries,
                                (size_t)bounds.bytes);
}

int
mo_pool_info_setup(PyObject *module, mo_internpool_state *room)
{
    room->InternPoolInfoType = PyStructSequence_NewType(&info_desc);
    if (room->InternPoolInfoType == NULL) {
        return -1;
    }
    return PyModule_AddType(module, room->InternPoolInfoType);
}

/* --- for tests ----------------------------------------------------------- */

const char mo_internpool_debug_validate_doc[] = PyDoc_STR(
    "_debug_validate($self, /)\n--\n\n"
    "For tests: raise AssertionError naming the first invariant that is broken.");

PyObject *
mo_internpool_debug_validate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_shards *shards = mo_shards_of(op);
    mo_shards_lock_all(shards);
    const char *fault = mo_shards_fault_all_locked(shards);
    mo_shards_unlock_all(shards);
    if (fault != NULL) {
        PyErr_SetString(PyExc_AssertionError, fault);
        return NULL;
    }
    Py_RETURN_NONE;
}

const char mo_internpool_debug_probes_doc[] = PyDoc_STR(
    "_debug_probes($self, /)\n--\n\n"
    "For tests: slots read in searching once for each resident.");

PyObject *
mo_internpool_debug_probes(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    mo_shards *shards = mo_shards_of(op);
    uint64_t probes = 0;
    mo_shards_lock_all(shards);
    for (uint32_t i = 0; i < mo_shards_count(shards); i++) {
        probes += mo_table_probes(&shards->shard[i].pool.table);
    }
    mo_shards_unlock_all(shards);
    return PyLong_FromUnsignedLongLong(probes);
}

const char mo_internpool_debug_hash_bits_doc[] = PyDoc_STR(
    "_debug_hash_bits($self, bits, /)\n--\n\n"
    "For tests: use only so many bits of each hash, 0 to 32, so that strings\n"
    "collide.  Only while the pool is empty.");

PyObject *
mo_internpool_debug_hash_bits(PyObject *op, PyObject *arg)
{
    mo_shards *shards = mo_shards_of(op);
    long long bits = PyLong_AsLongLong(arg); /* a long may have 32 bits */
    if (bits == -1 && PyErr_Occurred()) {
        return NULL;
    }
    bool fits = bits >= 0 && bits <= 32;
    mo_shards_lock_all(shards);
    fits = fits && shards->bounds.entries == 0;
    for (uint32_t i = 0; fits && i < mo_shards_count(shards); i++) {
        shards->shard[i].pool.table.tag_mask =
            (uint32_t)(UINT64_C(0xffffffff) << (32 - bits));
    }
    mo_shards_unlock_all(shards);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError,
                        "bits must be 0 to 32 and the pool empty");
        return NULL;
    }
    Py_RETURN_NONE;
}
