/* dispatch.c - see dispatch.h. */
#include "exactsum/dispatch.h"

#include "platform/fpenv.h"
#include "state.h"

static bool
always_usable(const mo_cpu *cpu)
{
    return true;
}

/* Integers alone, for machines whose floating-point environment is not known
 * well enough to prove anything by it. */
static const mo_kernel portable = {
    .name = "portable",
    .usable = always_usable,
};

/* Best first. */
static const mo_kernel *const kernels[] = {
#if MO_X86_64
    &mo_kernel_avx512,
    &mo_kernel_avx2,
#endif
#if MO_HAS_KERNELS
    &mo_kernel_baseline,
#endif
    &portable,
};

/* The best usable kernel, or the one of this name; NULL if that is not one. */
static const mo_kernel *
find_kernel(const mo_cpu *cpu, const char *name)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(kernels); i++) {
        if (kernels[i]->usable(cpu) &&
            (name == NULL || strcmp(kernels[i]->name, name) == 0)) {
            return kernels[i];
        }
    }
    return NULL;
}

const mo_kernel *
mo_kernel_of(mo_state *state)
{
    return MO_LOAD_POINTER(&state->exactsum.kernel);
}

mo_plan
mo_plan_begin(mo_state *state, int threads)
{
    return (mo_plan){
        .kernel = mo_kernel_of(state),
        .threads = threads,
        .ahead = (size_t)MO_LOAD_SIZE(&state->exactsum.ahead),
    };
}

void
mo_plan_end(mo_state *state, const mo_plan *plan)
{
    for (int i = 0; i < MO_RUNGS; i++) {
        if (plan->usage.blocks[i] != 0) {
            MO_ADD_INT64(&state->exactsum.usage.blocks[i],
                         plan->usage.blocks[i]);
        }
    }
    if (plan->threads_used != 0) {
        MO_ADD_INT64(&state->exactsum.threads_used, plan->threads_used);
    }
}

PyDoc_STRVAR(isas_doc,
"_isas($module, /)\n--\n\n"
"Names of the kernels that this machine can use, best first.");

static PyObject *
isas(PyObject *module, PyObject *ignored)
{
    const mo_state *state = PyModule_GetState(module);
    PyObject *names = PyList_New(0);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(kernels) && names != NULL; i++) {
        if (!kernels[i]->usable(&state->exactsum.cpu)) {
            continue;
        }
        PyObject *name = PyUnicode_FromString(kernels[i]->name);
        if (name == NULL || PyList_Append(names, name) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(name);
    }
    if (names == NULL) {
        return NULL;
    }
    PyObject *result = PyList_AsTuple(names);
    Py_DECREF(names);
    return result;
}

/* NULL with an exception set if it is none of _isas(). */
static const mo_kernel *
parse_isa(const mo_state *state, PyObject *argument)
{
    const char *name = PyUnicode_AsUTF8(argument); /* TypeError if no str */
    const mo_kernel *kernel =
        name != NULL ? find_kernel(&state->exactsum.cpu, name) : NULL;
    if (name != NULL && kernel == NULL) {
        PyErr_Format(PyExc_ValueError, "no kernel %R on this machine",
                     argument);
    }
    return kernel;
}

PyDoc_STRVAR(set_isa_doc,
"_set_isa($module, name, /)\n--\n\n"
"Sum with the kernel of this name from now on; the name of the one before.");

static PyObject *
set_isa(PyObject *module, PyObject *name)
{
    mo_state *state = PyModule_GetState(module);
    const mo_kernel *kernel = parse_isa(state, name);
    if (kernel == NULL) {
        return NULL;
    }
    PyObject *previous = PyUnicode_FromString(mo_kernel_of(state)->name);
    if (previous != NULL) {
        MO_STORE_POINTER(&state->exactsum.kernel, kernel);
    }
    return previous;
}

PyDoc_STRVAR(set_ahead_doc,
"_set_ahead($module, n, /)\n--\n\n"
"Fetch n bytes ahead of what is summed from now on, or nothing if it is 0; how\n"
"many it was before.");

static PyObject *
set_ahead(PyObject *module, PyObject *argument)
{
    mo_state *state = PyModule_GetState(module);
    const Py_ssize_t ahead = PyLong_AsSsize_t(argument);
    if (ahead == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *previous =
        PyLong_FromSsize_t(MO_LOAD_SIZE(&state->exactsum.ahead));
    if (previous != NULL) {
        MO_STORE_SIZE(&state->exactsum.ahead, ahead);
    }
    return previous;
}

PyDoc_STRVAR(sum_steps_doc,
"_sum_steps($module, /)\n--\n\n"
"What has summed since the import: (blocks by the accumulator, blocks by 1, 2,\n"
"... 5 levels, threads).");

static PyObject *
sum_steps(PyObject *module, PyObject *ignored)
{
    const mo_state *state = PyModule_GetState(module);
    const int64_t *used = state->exactsum.usage.blocks;
    const int64_t *threads_used = &state->exactsum.threads_used;
    PyObject *counts = PyTuple_New(MO_RUNGS + 1);
    for (int i = 0; i <= MO_RUNGS && counts != NULL; i++) {
        PyObject *count = PyLong_FromLongLong(
            MO_LOAD_INT64(i < MO_RUNGS ? &used[i] : threads_used));
        if (count == NULL) {
            Py_CLEAR(counts);
            break;
        }
        PyTuple_SET_ITEM(counts, i, count);
    }
    return counts;
}

PyDoc_STRVAR(sum_attempt_doc,
"_sum_attempt($module, isa, levels, top, block, /)\n--\n\n"
"One attempt on a contiguous buffer of floats: an ExactSum, or None if the\n"
"attempt could not prove that it was exact.");

static PyObject *
sum_attempt(PyObject *module, PyObject *args)
{
    mo_state *state = PyModule_GetState(module);
    PyObject *isa, *result = NULL;
    int levels, top;
    Py_buffer block;
    if (!PyArg_ParseTuple(args, "Uiiy*:_sum_attempt", &isa, &levels, &top,
                          &block)) {
        return NULL;
    }
    const mo_kernel *kernel = parse_isa(state, isa);
    const size_t n = (size_t)block.len / sizeof(double);
    if (kernel != NULL && 0 <= levels && levels <= MO_LEVELS &&
        kernel->attempt[levels] != NULL && n <= MO_BLOCK) {
        mo_sum sum;
        mo_sum_init(&sum);
        sum.count = (int64_t)n;
        const size_t ahead = (size_t)MO_LOAD_SIZE(&state->exactsum.ahead);
        mo_fpenv environment = mo_fpenv_enter();
        bool sure =
            kernel->attempt[levels](block.buf, n, top, ahead, &sum.total);
        mo_fpenv_leave(&environment);
        result = sure ? mo_exactsum_new(state, &sum) : Py_NewRef(Py_None);
    }
    else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "no such attempt");
    }
    PyBuffer_Release(&block);
    return result;
}

static PyMethodDef dispatch_methods[] = {
    {"_isas", isas, METH_NOARGS, isas_doc},
    {"_set_isa", set_isa, METH_O, set_isa_doc},
    {"_set_ahead", set_ahead, METH_O, set_ahead_doc},
    {"_sum_steps", sum_steps, METH_NOARGS, sum_steps_doc},
    {"_sum_attempt", sum_attempt, METH_VARARGS, sum_attempt_doc},
    {NULL, NULL, 0, NULL},
};

int
mo_dispatch_setup(PyObject *module, mo_state *state)
{
    state->exactsum.cpu = mo_cpu_detect();
    state->exactsum.kernel = find_kernel(&state->exactsum.cpu, NULL);
    state->exactsum.ahead = state->exactsum.cpu.fetches_well ? 0 : MO_AHEAD;
    return PyModule_AddFunctions(module, dispatch_methods);
}
