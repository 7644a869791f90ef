/* module.c - the extension module memopt._memopt: it opens the rooms.
 *
 * Multi-phase initialisation (PEP 489): one mo_state per module object, none
 * outside.  The module owns its state; the types own the module. */
#include "state.h"

static struct PyModuleDef module_def;

mo_state *
mo_state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &module_def);
    assert(module != NULL); /* callers hold an instance of a memopt type */
    return PyModule_GetState(module);
}

static int
module_exec(PyObject *module)
{
    mo_state *state = PyModule_GetState(module);
    if (mo_exactsum_setup(module, state) < 0 ||
        mo_floatmatrix_setup(module, state) < 0 || mo_heap_setup(module) < 0 ||
        mo_internpool_setup(module, state) < 0 ||
        mo_lazymap_setup(module, state) < 0 ||
        mo_memory_setup(module, state) < 0) {
        return -1;
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    mo_state *state = PyModule_GetState(module);
    int stop = mo_exactsum_traverse(state, visit, arg);
    stop = stop ? stop : mo_floatmatrix_traverse(state, visit, arg);
    stop = stop ? stop : mo_internpool_traverse(state, visit, arg);
    stop = stop ? stop : mo_lazymap_traverse(state, visit, arg);
    stop = stop ? stop : mo_memory_traverse(state, visit, arg);
    return stop;
}

static int
module_clear(PyObject *module)
{
    mo_state *state = PyModule_GetState(module);
    mo_exactsum_clear(state);
    mo_floatmatrix_clear(state);
    mo_internpool_clear(state);
    mo_lazymap_clear(state);
    mo_memory_clear(state);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear(module);
}

PyDoc_STRVAR(module_doc,
"The C core of memopt.  Import the names from memopt itself.");

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    MO_LAST_SLOTS,
};

static struct PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "memopt._memopt",
    .m_doc = module_doc,
    .m_size = sizeof(mo_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__memopt(void);

PyMODINIT_FUNC
PyInit__memopt(void)
{
    return PyModuleDef_Init(&module_def);
}
