/* debug.c - what only tests call: a look at, and into, the table. */
#include "internpool/internal.h"

const char mo_internpool_debug_validate_doc[] = PyDoc_STR(
    "_debug_validate($self, /)\n--\n\n"
    "For tests: raise AssertionError naming the first invariant that is broken.");

PyObject *
mo_internpool_debug_validate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const char *fault;
    MO_BEGIN_CRITICAL_SECTION(op);
    fault = mo_pool_fault(mo_pool_of(op));
    MO_END_CRITICAL_SECTION();
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
    uint64_t probes;
    MO_BEGIN_CRITICAL_SECTION(op);
    probes = mo_table_probes(&mo_pool_of(op)->table);
    MO_END_CRITICAL_SECTION();
    return PyLong_FromUnsignedLongLong(probes);
}

const char mo_internpool_debug_hash_bits_doc[] = PyDoc_STR(
    "_debug_hash_bits($self, bits, /)\n--\n\n"
    "For tests: use only so many bits of each hash, 0 to 32, so that strings\n"
    "collide.  Only while the pool is empty.");

PyObject *
mo_internpool_debug_hash_bits(PyObject *op, PyObject *arg)
{
    mo_pool *pool = mo_pool_of(op);
    long bits = PyLong_AsLong(arg);
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
