/* errand.c - see errand.h.  The main thread is asked by one of CPython's pending
 * calls: unlike a signal it interrupts no system call, and needs no handler. */
#include "heap/errand.h"

#include "platform/threads.h"
#include "state.h"

/* What a tracer or profiler of the program's would see is not the program's. */
static PyObject *
call_untraced(PyObject *callable)
{
    PyThreadState *thread = PyThreadState_Get();
    PyThreadState_EnterTracing(thread);
    PyObject *result = PyObject_CallNoArgs(callable);
    PyThreadState_LeaveTracing(thread);
    return result;
}

/* An exception, such as KeyboardInterrupt, goes to the program. */
static int
run_errand(void *callable)
{
    PyObject *result = call_untraced(callable);
    Py_DECREF((PyObject *)callable);
    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    return 0;
}

/* Pending calls are those of the main interpreter, whichever asks. */
PyObject *
mo_ask_main_thread(PyObject *Py_UNUSED(module), PyObject *callable)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        Py_RETURN_FALSE;
    }
    if (Py_AddPendingCall(run_errand, Py_NewRef(callable)) < 0) {
        Py_DECREF(callable);
        Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}

/* Owned by a capsule, as who waits may give up first. */
typedef struct {
    PyObject *callable, *items; /* owned */
    unsigned long caller;       /* identifier of the thread that waits */
    unsigned long native_id;    /* the new one's, for the system */
    PyThread_type_lock over;    /* held until nothing is touched any more */
} elsewhere;

static void
free_elsewhere(PyObject *capsule)
{
    elsewhere *e = PyCapsule_GetPointer(capsule, NULL);
    Py_DECREF(e->callable);
    Py_DECREF(e->items);
    PyThread_free_lock(e->over);
    PyMem_Free(e);
}

/* The capsule, or NULL with an exception set. */
static PyObject *
new_elsewhere(PyObject *callable, PyObject *items)
{
    PyThread_type_lock over = PyThread_allocate_lock();
    elsewhere *e = over != NULL ? PyMem_Malloc(sizeof *e) : NULL;
    PyObject *capsule = NULL;
    if (e == NULL) {
        PyErr_NoMemory();
    }
    else {
        *e = (elsewhere){.caller = PyThread_get_thread_ident(), .over = over};
        capsule = PyCapsule_New(e, NULL, free_elsewhere);
    }
    if (capsule != NULL) {
        e->callable = Py_NewRef(callable);
        e->items = Py_NewRef(items);
        return capsule;
    }
    if (over != NULL) {
        PyThread_free_lock(over);
    }
    PyMem_Free(e);
    return NULL;
}

static PyObject *
run_elsewhere(PyObject *capsule, PyObject *Py_UNUSED(ignored))
{
    elsewhere *e = PyCapsule_GetPointer(capsule, NULL);
    PyObject *result =
        PyObject_CallFunction(e->callable, "Ok", e->items, e->caller);
    if (result == NULL) {
        PyErr_WriteUnraisable(e->callable);
    }
    Py_XDECREF(result);
    e->native_id = mo_threads_native_id();
    PyThread_release_lock(e->over);
    Py_RETURN_NONE;
}

static PyMethodDef run_elsewhere_method = {"_elsewhere", run_elsewhere,
                                           METH_NOARGS, NULL};

/* By Python, which has memory for the thread before that begins, and which lets
 * nobody fork while it counts its threads. */
static int
start_elsewhere(PyObject *capsule, PyObject *start_thread)
{
    PyObject *run = PyCFunction_New(&run_elsewhere_method, capsule);
    if (run == NULL) {
        return -1;
    }
    PyObject *ident = PyObject_CallFunction(start_thread, "O()", run);
    Py_DECREF(run);
    Py_XDECREF(ident);
    return ident != NULL ? 0 : -1;
}

/* Whether it has ended within so many seconds.  Not for one of Python's own locks:
 * handlers are called by who waits for those. */
static bool
wait_elsewhere(const elsewhere *e, double patience)
{
    const PY_TIMEOUT_T microseconds = (PY_TIMEOUT_T)(patience * 1e6);
    bool is_over;
    Py_BEGIN_ALLOW_THREADS
    is_over = PyThread_acquire_lock_timed(e->over, microseconds, 0) ==
              PY_LOCK_ACQUIRED;
    if (is_over) {
        mo_threads_wait_gone(e->native_id);
        PyThread_release_lock(e->over);
    }
    Py_END_ALLOW_THREADS
    return is_over;
}

/* Whether it could; whoever forks can do nothing about it if not.  The lock is not
 * released then: there may be the thread, and no memory for its identifier. */
static bool
call_elsewhere(PyObject *capsule, PyObject *start_thread, double patience)
{
    elsewhere *e = PyCapsule_GetPointer(capsule, NULL);
    (void)PyThread_acquire_lock(e->over, WAIT_LOCK);
    if (start_elsewhere(capsule, start_thread) == 0) {
        return wait_elsewhere(e, patience);
    }
    if (PyErr_ExceptionMatches(PyExc_RuntimeError)) {
        PyErr_Clear(); /* there may be no more threads */
    }
    else {
        PyErr_WriteUnraisable(e->callable);
    }
    return false;
}

/* Run by a thread of ours, the collector would call finalizers of the program's,
 * which may want a lock of who waits for that thread. */
static void
pause_collector(mo_heap_state *state)
{
    if (state->waiting++ == 0) {
        state->collects = PyGC_Disable();
    }
}

static void
resume_collector(mo_heap_state *state)
{
    if (--state->waiting == 0 && state->collects) {
        (void)PyGC_Enable();
    }
}

PyObject *
mo_elsewhere(PyObject *module, PyObject *args)
{
    mo_heap_state *state = &((mo_state *)PyModule_GetState(module))->heap;
    PyObject *start_thread, *callable, *items;
    double patience;
    if (!PyArg_ParseTuple(args, "OdOO!:_elsewhere", &start_thread, &patience,
                          &callable, &PyList_Type, &items)) {
        return NULL;
    }
    if (PyList_GET_SIZE(items) == 0) {
        Py_RETURN_TRUE;
    }
    pause_collector(state);
    PyObject *capsule = new_elsewhere(callable, items);
    bool could =
        capsule != NULL && call_elsewhere(capsule, start_thread, patience);
    resume_collector(state);
    if (capsule == NULL) {
        return NULL;
    }
    Py_DECREF(capsule);
    return PyBool_FromLong(could);
}

/* Who waited is not in the child. */
PyObject *
mo_forget_waiting(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    mo_heap_state *state = &((mo_state *)PyModule_GetState(module))->heap;
    if (state->waiting != 0) {
        state->waiting = 1;
        resume_collector(state);
    }
    Py_RETURN_NONE;
}

PyObject *
mo_wait_for_thread(PyObject *Py_UNUSED(module), PyObject *native_id)
{
    unsigned long id = PyLong_AsUnsignedLong(native_id);
    if (id == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    mo_threads_wait_gone(id);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* sys.gettrace() knows only of the thread that asks. */
PyObject *
mo_is_traced(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    PyThreadState *thread = PyInterpreterState_ThreadHead(interpreter);
    while (thread != NULL && !mo_has_tracer(thread)) {
        thread = PyThreadState_Next(thread);
    }
    return PyBool_FromLong(thread != NULL);
}
