/* errand.c - see errand.h.  The main thread is asked by one of CPython's pending
 * calls: unlike a signal it interrupts no system call, and needs no handler. */
#include "heap/errand.h"

#include "platform/threads.h"

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

typedef struct {
    PyObject *callable, *items; /* borrowed from who waits */
    unsigned long caller;       /* that thread's identifier */
    unsigned long native_id;    /* the new one's, for the system */
    PyThread_type_lock over;    /* held until nothing is touched any more */
} elsewhere;

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
start_elsewhere(elsewhere *e, PyObject *start_thread)
{
    PyObject *capsule = PyCapsule_New(e, NULL, NULL);
    if (capsule == NULL) {
        return -1;
    }
    PyObject *run = PyCFunction_New(&run_elsewhere_method, capsule);
    Py_DECREF(capsule);
    if (run == NULL) {
        return -1;
    }
    PyObject *ident = PyObject_CallFunction(start_thread, "O()", run);
    Py_DECREF(run);
    Py_XDECREF(ident);
    return ident != NULL ? 0 : -1;
}

/* Not for one of Python's own locks: handlers are called by who waits for those. */
static void
wait_elsewhere(const elsewhere *e)
{
    Py_BEGIN_ALLOW_THREADS(void)
    PyThread_acquire_lock(e->over, WAIT_LOCK);
    mo_threads_wait_gone(e->native_id);
    Py_END_ALLOW_THREADS
}

/* Whether it could; whoever forks can do nothing about it if not. */
static bool
call_elsewhere(elsewhere *e, PyObject *start_thread)
{
    (void)PyThread_acquire_lock(e->over, WAIT_LOCK);
    bool has_started = start_elsewhere(e, start_thread) == 0;
    if (has_started) {
        wait_elsewhere(e);
    }
    else if (PyErr_ExceptionMatches(PyExc_RuntimeError)) {
        PyErr_Clear(); /* there may be no more threads */
    }
    else {
        PyErr_WriteUnraisable(e->callable);
    }
    PyThread_release_lock(e->over);
    return has_started;
}

PyObject *
mo_elsewhere(PyObject *Py_UNUSED(module), PyObject *args)
{
    elsewhere e = {.caller = PyThread_get_thread_ident()};
    PyObject *start_thread;
    if (!PyArg_ParseTuple(args, "OOO!:_elsewhere", &start_thread, &e.callable,
                          &PyList_Type, &e.items)) {
        return NULL;
    }
    if (PyList_GET_SIZE(e.items) == 0) {
        Py_RETURN_TRUE;
    }
    e.over = PyThread_allocate_lock();
    if (e.over == NULL) {
        Py_RETURN_FALSE;
    }
    bool could = call_elsewhere(&e, start_thread);
    PyThread_free_lock(e.over);
    return PyBool_FromLong(could);
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
