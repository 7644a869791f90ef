/* testcapi.c - the parts of CPython's module _testcapi that memopt's tests need.
 *
 * CPython for Windows comes without its own tests' modules.  set_nomemory(start,
 * stop) makes allocations number start (from 0) to stop - 1 fail, in all three
 * domains, until remove_mem_hooks().  Called under the GIL; the raw domain may be
 * used without it, so the counter may lose a step in a program with threads, as
 * CPython's does.  Process-wide state, because allocators are. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

static const PyMemAllocatorDomain domains[] = {
    PYMEM_DOMAIN_RAW,
    PYMEM_DOMAIN_MEM,
    PYMEM_DOMAIN_OBJ,
};

enum {
    DOMAINS = sizeof(domains) / sizeof(domains[0])
};

static struct {
    PyMemAllocatorEx genuine[DOMAINS];
    bool installed;
    int count; /* allocations since set_nomemory */
    int start; /* the first that fails */
    int stop;  /* the first after those that fail; 0 or less: never again */
} hooks;

static bool
fails_now(void)
{
    int nth = hooks.count++;
    return nth >= hooks.start && (hooks.stop <= 0 || nth < hooks.stop);
}

static void *
failing_malloc(void *ctx, size_t size)
{
    PyMemAllocatorEx *genuine = ctx;
    return fails_now() ? NULL : genuine->malloc(genuine->ctx, size);
}

static void *
failing_calloc(void *ctx, size_t count, size_t size)
{
    PyMemAllocatorEx *genuine = ctx;
    return fails_now() ? NULL : genuine->calloc(genuine->ctx, count, size);
}

static void *
failing_realloc(void *ctx, void *block, size_t size)
{
    PyMemAllocatorEx *genuine = ctx;
    return fails_now() ? NULL : genuine->realloc(genuine->ctx, block, size);
}

static void
genuine_free(void *ctx, void *block)
{
    PyMemAllocatorEx *genuine = ctx;
    genuine->free(genuine->ctx, block);
}

static PyObject *
remove_mem_hooks(PyObject *module, PyObject *ignored)
{
    if (hooks.installed) {
        hooks.installed = false;
        for (int i = 0; i < DOMAINS; i++) {
            PyMem_SetAllocator(domains[i], &hooks.genuine[i]);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
set_nomemory(PyObject *module, PyObject *args)
{
    int start, stop = 0;
    if (!PyArg_ParseTuple(args, "i|i:set_nomemory", &start, &stop)) {
        return NULL;
    }
    hooks.count = 0;
    hooks.start = start;
    hooks.stop = stop;
    for (int i = 0; !hooks.installed && i < DOMAINS; i++) {
        PyMem_GetAllocator(domains[i], &hooks.genuine[i]);
    }
    for (int i = 0; !hooks.installed && i < DOMAINS; i++) {
        PyMemAllocatorEx failing = {
            .ctx = &hooks.genuine[i],
            .malloc = failing_malloc,
            .calloc = failing_calloc,
            .realloc = failing_realloc,
            .free = genuine_free,
        };
        PyMem_SetAllocator(domains[i], &failing);
    }
    hooks.installed = true;
    Py_RETURN_NONE;
}

#if PY_VERSION_HEX < 0x030C0000
/* A str as extension modules could make them before 3.12: not ready. */
static PyObject *
unicode_legacy_string(PyObject *module, PyObject *string)
{
    Py_ssize_t size;
    wchar_t *text = PyUnicode_AsWideCharString(string, &size);
    if (text == NULL) {
        return NULL;
    }
    PyObject *legacy = PyUnicode_FromUnicode(NULL, size);
    if (legacy != NULL) {
        memcpy(PyUnicode_AS_UNICODE(legacy), text, size * sizeof *text);
    }
    PyMem_Free(text);
    return legacy;
}
#endif

static PyMethodDef methods[] = {
#if PY_VERSION_HEX < 0x030C0000
    {"unicode_legacy_string", unicode_legacy_string, METH_O, NULL},
#endif
    {"set_nomemory", set_nomemory, METH_VARARGS, NULL},
    {"remove_mem_hooks", remove_mem_hooks, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_testcapi",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__testcapi(void)
{
    return PyModuleDef_Init(&definition);
}
