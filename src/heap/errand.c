/* errand.c - see errand.h: one of CPython's pending calls.
 *
 * Unlike a signal it interrupts no system call, and needs no handler. */
#include "heap/errand.h"

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

PyObject *
mo_ask_main_thread(PyObject *Py_UNUSED(module), PyObject *callable)
{
    if (Py_AddPendingCall(run_errand, Py_NewRef(callable)) < 0) {
        Py_DECREF(callable);
        Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
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
