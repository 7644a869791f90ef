/* chain.c - see chain.h. */
#include "lazymap/chain.h"

#include "lazymap/internal.h"

/* A chain's references are all to its callables, and set once: any cycle
 * through one passes through something else that the collector can clear,
 * so that, as for a tuple, there is no tp_clear. */
static int
chain_traverse(PyObject *op, visitproc visit, void *arg)
{
    mo_chain *self = (mo_chain *)op;
    Py_VISIT(Py_TYPE(op));
    for (Py_ssize_t i = 0; i < Py_SIZE(op); i++) {
        Py_VISIT(self->stage[i].callable);
        Py_VISIT(self->stage[i].guard);
    }
    return 0;
}

static void
chain_dealloc(PyObject *op)
{
    mo_chain *self = (mo_chain *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, chain_dealloc);
    for (Py_ssize_t i = 0; i < Py_SIZE(op); i++) {
        Py_XDECREF(self->stage[i].callable);
        Py_XDECREF(self->stage[i].program);
        Py_XDECREF(self->stage[i].guard);
    }
    Py_XDECREF(self->reason);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

/* An untracked chain of `size` stages, all of them still to be set. */
static mo_chain *
chain_alloc(mo_lazymap_state *state, Py_ssize_t size)
{
    mo_chain *self = PyObject_GC_NewVar(mo_chain, state->chain_type, size);
    if (self != NULL) {
        self->filters = false;
        self->native = -1;
        self->reason = NULL;
        for (Py_ssize_t i = 0; i < size; i++) {
            self->stage[i] = (mo_stage){.kind = MO_STAGE_MAP};
        }
    }
    return self;
}

static void
chain_set(mo_chain *self, Py_ssize_t i, mo_stage_kind kind, PyObject *callable,
          bool called)
{
    self->stage[i].kind = kind;
    self->stage[i].called = called;
    self->stage[i].callable = Py_NewRef(callable);
    self->filters |= kind == MO_STAGE_FILTER;
}

static int
check_callable(mo_stage_kind kind, PyObject *callable)
{
    if (PyCallable_Check(callable)) {
        return 0;
    }
    if (kind == MO_STAGE_MAP) {
        PyErr_Format(PyExc_TypeError,
                     "the function of a LazyMap must be callable, not %.200s",
                     Py_TYPE(callable)->tp_name);
        return -1;
    }
    if (callable != Py_None) {
        PyErr_Format(PyExc_TypeError,
                     "the predicate of LazyMap.filter() must be callable or "
                     "None, not %.200s",
                     Py_TYPE(callable)->tp_name);
        return -1;
    }
    return 0;
}

mo_chain *
mo_chain_extend(mo_lazymap_state *state, const mo_chain *base,
                mo_stage_kind kind, PyObject *callable, bool called)
{
    if (check_callable(kind, callable) < 0) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(base);
    mo_chain *self = chain_alloc(state, n + 1);
    if (self == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const mo_stage *stage = &base->stage[i];
        chain_set(self, i, stage->kind, stage->callable, stage->called);
    }
    chain_set(self, n, kind, callable, called);
    PyObject_GC_Track(self);
    return self;
}

void
mo_chain_failed(void)
{
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return;
    }
    PyObject *cause = PyErr_GetRaisedException();
    PyErr_SetString(PyExc_RuntimeError,
                    "a function of a LazyMap raised StopIteration");
    PyObject *error = PyErr_GetRaisedException();
    PyException_SetCause(error, Py_NewRef(cause));
    PyException_SetContext(error, cause);
    PyErr_SetRaisedException(error);
}

int
mo_stage_passes(const mo_stage *stage, PyObject *value)
{
    int passes;
    if (stage->callable == Py_None) {
        passes = PyObject_IsTrue(value);
    }
    else {
        PyObject *answer = PyObject_CallOneArg(stage->callable, value);
        passes = answer == NULL ? -1 : PyObject_IsTrue(answer);
        Py_XDECREF(answer);
    }
    if (passes < 0) {
        mo_chain_failed();
    }
    return passes;
}

/* By mo_stage_kind; the last is a map with native=False. */
static const char *const stage_names[] = {"map", "filter", "call"};

#define STAGE_NAMES 3

PyObject *
mo_chain_as_tuple(const mo_chain *chain)
{
    PyObject *stages = PyTuple_New(Py_SIZE(chain));
    if (stages == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < Py_SIZE(chain); i++) {
        const mo_stage *stage = &chain->stage[i];
        PyObject *pair =
            Py_BuildValue("sO", stage_names[stage->called ? 2 : stage->kind],
                          stage->callable);
        if (pair == NULL) {
            Py_DECREF(stages);
            return NULL;
        }
        PyTuple_SET_ITEM(stages, i, pair);
    }
    return stages;
}

static int
chain_set_pair(mo_chain *self, Py_ssize_t i, PyObject *pair)
{
    PyObject *name, *callable;
    if (!PyTuple_Check(pair)) {
        PyErr_SetString(PyExc_TypeError, "a LazyMap stage must be a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(pair, "UO:LazyMap stage", &name, &callable)) {
        return -1;
    }
    for (int k = 0; k < STAGE_NAMES; k++) {
        if (PyUnicode_CompareWithASCIIString(name, stage_names[k]) == 0) {
            mo_stage_kind kind = k == 1 ? MO_STAGE_FILTER : MO_STAGE_MAP;
            if (check_callable(kind, callable) < 0) {
                return -1;
            }
            chain_set(self, i, kind, callable, k == 2);
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "no LazyMap stage is called %R", name);
    return -1;
}

mo_chain *
mo_chain_from_tuple(mo_lazymap_state *state, PyObject *stages)
{
    if (!PyTuple_Check(stages)) {
        PyErr_SetString(PyExc_TypeError, "LazyMap stages must be a tuple");
        return NULL;
    }
    mo_chain *self = chain_alloc(state, PyTuple_GET_SIZE(stages));
    if (self == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(stages); i++) {
        if (chain_set_pair(self, i, PyTuple_GET_ITEM(stages, i)) < 0) {
            Py_DECREF(self);
            return NULL;
        }
    }
    PyObject_GC_Track(self);
    return self;
}

static PyType_Slot chain_slots[] = {
    {Py_tp_dealloc, chain_dealloc},
    {Py_tp_traverse, chain_traverse},
    {0, NULL},
};

static PyType_Spec chain_spec = {
    .name = "memopt._memopt.lazymap_chain",
    .basicsize = offsetof(mo_chain, stage),
    .itemsize = sizeof(mo_stage),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = chain_slots,
};

int
mo_chain_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &chain_spec, NULL);
    state->chain_type = (PyTypeObject *)type;
    if (type == NULL) {
        return -1;
    }
    mo_chain *identity = chain_alloc(state, 0);
    if (identity == NULL) {
        return -1;
    }
    PyObject_GC_Track(identity);
    state->identity = (PyObject *)identity;
    return 0;
}
