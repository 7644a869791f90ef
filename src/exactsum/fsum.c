/* fsum.c - see fsum.h.  The sum lives on the stack of the call. */
#include "exactsum/fsum.h"

#include "state.h"

/* Keyword arguments; NULL: not given. */
typedef struct {
    PyObject *special, *threads, *progress; /* borrowed */
} options;

static PyObject **
find_option(options *o, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "special") == 0) {
        return &o->special;
    }
    if (PyUnicode_CompareWithASCIIString(name, "threads") == 0) {
        return &o->threads;
    }
    if (PyUnicode_CompareWithASCIIString(name, "progress") == 0) {
        return &o->progress;
    }
    PyErr_Format(PyExc_TypeError,
                 "fsum() got an unexpected keyword argument '%U'", name);
    return NULL;
}

static int
parse_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                options *o)
{
    Py_ssize_t keywords = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    if (nargs != 1) {
        PyErr_Format(PyExc_TypeError,
                     "fsum() takes exactly 1 positional argument (%zd given)",
                     nargs);
        return -1;
    }
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject **option = find_option(o, PyTuple_GET_ITEM(kwnames, i));
        if (option == NULL) {
            return -1;
        }
        *option = args[nargs + i];
    }
    o->progress = o->progress != Py_None ? o->progress : NULL;
    if (o->progress != NULL && !PyCallable_Check(o->progress)) {
        PyErr_Format(PyExc_TypeError,
                     "progress must be callable or None, not %.200s",
                     Py_TYPE(o->progress)->tp_name);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(fsum_doc,
"fsum(obj, /, *, special='propagate', threads=None, progress=None)\n--\n\n"
"Return the correctly rounded sum of all numbers in obj, as a float.\n\n"
"The result is the infinitely precise sum, rounded once to the nearest\n"
"float, ties to even: what math.fsum returns, but for numbers in any shape.\n"
"obj is an iterable of numbers, or nested iterables of them to any depth, or\n"
"a buffer of real numbers of any shape, strides and byte order: array.array,\n"
"memoryview, bytes, ctypes and NumPy arrays, FloatMatrix.  The order of the\n"
"numbers never changes the result.  An empty sum is 0.0.\n\n"
"Floats and ints are exact; other items count as float(item), but for those\n"
"with only __index__, which are exact, and ExactSum, merged exactly.\n\n"
"special says what becomes of sums that are not ordinary numbers:\n"
"'propagate' gives nan if there is a nan or infinities of both signs, an\n"
"infinity if there are infinities of one sign or the rounded sum overflows\n"
"(the sums on the way cannot).  'raise' gives math.fsum's errors instead:\n"
"ValueError for infinities of both signs, OverflowError if the result\n"
"overflows.\n\n"
"Raises TypeError for an item that is not a real number (str and bytes are\n"
"not) and for items that no float can stand for: complex, datetime, object\n"
"and extended-precision arrays.  An int too large for a float is an\n"
"OverflowError.\n\n"
"threads is how many threads may read a large buffer, None meaning as many as\n"
"pay, up to the processors that this process may use; the sum has the same\n"
"bits with any number.  Other Python threads run meanwhile: what they write\n"
"into the buffer may or may not be summed.  Other iterables are read by the\n"
"calling thread alone.  TypeError or ValueError if it is not an int above 0.\n\n"
"progress is called as progress(done, total) after every few million numbers\n"
"and at the end; total is None unless obj is a buffer.  If it raises, the\n"
"sum ends there with that exception.\n\n"
"Time is linear in the number of items; memory is constant, so that obj may\n"
"be a numpy.memmap, or an iterable of arrays, larger than what there is.\n"
"Algorithms: the\n"
"error-free vector transformations of S. M. Rump, T. Ogita and S. Oishi,\n"
"\"Accurate floating-point summation, part I\" (SIAM J. Sci. Comput. 31,\n"
"2008), each block proved exact, and where that fails, of R. M. Neal, \"Fast\n"
"exact summation using small and large superaccumulators\"\n"
"(arXiv:1505.05571).\n\n"
">>> memopt.fsum([0.1] * 10)\n"
"1.0\n"
">>> memopt.fsum([[1e308, 1e308], [-1e308, 1.0]])\n"
"1e+308\n"
">>> memopt.fsum([float('inf'), 1.0])\n"
"inf");

static PyObject *
fsum(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
     PyObject *kwnames)
{
    options o = {NULL, NULL, NULL};
    mo_special special;
    int threads;
    if (parse_arguments(args, nargs, kwnames, &o) < 0 ||
        mo_special_parse(o.special, &special) < 0 ||
        mo_threads_parse(o.threads, &threads) < 0) {
        return NULL;
    }
    mo_sum sum;
    mo_sum_init(&sum);
    if (mo_sum_read(PyModule_GetState(module), args[0], threads, o.progress,
                    &sum) < 0) {
        return NULL;
    }
    mo_sum_kind kind;
    double value = mo_accumulator_round(&sum.total, &kind);
    return mo_sum_result(value, kind, special);
}

static PyMethodDef fsum_methods[] = {
    {"fsum", (PyCFunction)(void (*)(void))fsum, METH_FASTCALL | METH_KEYWORDS,
     fsum_doc},
    {NULL, NULL, 0, NULL},
};

int
mo_fsum_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, fsum_methods);
}
