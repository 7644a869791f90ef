/* progress.c - see progress.h. */
#include "exactsum/progress.h"

int
mo_progress_report(mo_progress *progress, int64_t done)
{
    progress->done = done;
    if (PyErr_CheckSignals() < 0) {
        return -1;
    }
    if (progress->callback == NULL) {
        return 0;
    }
    PyObject *result =
        progress->total < 0
            ? PyObject_CallFunction(progress->callback, "LO", (long long)done,
                                    Py_None)
            : PyObject_CallFunction(progress->callback, "LL", (long long)done,
                                    (long long)progress->total);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}
