/* floatmatrix.c - the type FloatMatrix, and the room's part of the module.
 *
 * A FloatMatrix owns a reference to its storage; one that was made with it
 * may grow it.  What is read and written by topic is in the other files. */
#include "floatmatrix/internal.h"
#include "state.h"

/* --- growing ---------------------------------------------------------- */

static int
check_growable(const mo_view *view, Py_ssize_t more, Py_ssize_t columns)
{
    const bool has_width = view->shape[0] > 0 || view->shape[1] > 0;
    if (has_width && columns != view->shape[1]) {
        PyErr_Format(PyExc_ValueError, "expected rows of %zd items, not %zd",
                     view->shape[1], columns);
        return -1;
    }
    if (view->storage->exports > 0) { /* in bytearray's words */
        PyErr_SetString(PyExc_BufferError,
                        "Existing exports of data: object cannot be re-sized");
        return -1;
    }
    if (more > PY_SSIZE_T_MAX - view->shape[0]) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* Appends the rows of a matrix or a vector, which may be views of the same
 * storage.  All or nothing. */
static int
extend_lock_held(mo_view *view, const mo_view *more)
{
    const mo_view from = *more; /* it may be *view itself */
    StorageObject *storage = view->storage;
    const Py_ssize_t rows = view->shape[0], added = from.shape[0];
    const Py_ssize_t columns = from.shape[1];
    if (added == 0) {
        return 0;
    }
    if (check_growable(view, added, columns) < 0) {
        return -1;
    }
    Py_ssize_t bytes =
        mo_block_bytes(rows + added, columns, mo_itemsize(storage->typecode));
    if (bytes < 0 || mo_storage_reserve(storage, bytes) < 0) {
        return -1;
    }
    mo_view whole, tail;
    mo_view_cover(&whole, storage, 2, rows + added, columns);
    tail = whole;
    tail.offset = rows * whole.strides[0];
    tail.shape[0] = added;
    mo_view_copy_lock_held(&tail, &from); /* they do not overlap */
    MO_STORE_SIZE(&view->shape[0], whole.shape[0]);
    view->shape[1] = whole.shape[1];
    view->strides[0] = whole.strides[0];
    return 0;
}

static int
check_owner(const mo_view *view)
{
    if (!view->is_owner) {
        PyErr_SetString(PyExc_TypeError,
                        "cannot add rows to a FloatMatrix that is a view or "
                        "shares memory; add them to its copy()");
        return -1;
    }
    return 0;
}

/* Takes over the reference to more->storage. */
static PyObject *
extend(PyObject *op, const mo_view *more)
{
    int status;
    mo_view *view = &View_CAST(op)->view;
    MO_BEGIN_CRITICAL_SECTION2(view->storage, more->storage);
    status = extend_lock_held(view, more);
    MO_END_CRITICAL_SECTION2();
    Py_DECREF(more->storage);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
matrix_append(PyObject *op, PyObject *row)
{
    StorageObject *storage = View_CAST(op)->view.storage;
    mo_view more;
    if (check_owner(&View_CAST(op)->view) < 0 ||
        mo_vector_from(&more, storage->room, row, storage->typecode, -1) < 0) {
        return NULL;
    }
    return extend(op, &more);
}

static PyObject *
matrix_extend(PyObject *op, PyObject *rows)
{
    StorageObject *storage = View_CAST(op)->view.storage;
    mo_view more;
    if (check_owner(&View_CAST(op)->view) < 0 ||
        mo_matrix_from(&more, storage->room, rows, 0, MO_COPY_IF_NEEDED) < 0) {
        return NULL;
    }
    return extend(op, &more);
}

/* --- the type --------------------------------------------------------- */

PyDoc_STRVAR(matrix_doc,
"FloatMatrix(obj=(), /, *, dtype=None, copy=None)\n"
"--\n"
"\n"
"A matrix of C doubles or floats: a list of rows without the boxes.\n"
"\n"
"obj is a sequence or iterable of rows, each one of numbers, as many in each\n"
"row; or anything two-dimensional that offers a buffer (a NumPy array, a\n"
"memoryview), __array_interface__ or __dlpack__, of real numbers.\n"
"dtype is 'd' (float64) or 'f' (float32); None is 'd', but leaves shared\n"
"or copied float32 memory what it is.  copy=None shares memory that has the\n"
"right type, copy=True never does, and copy=False raises ValueError if it\n"
"cannot.  Also to be had from zeros(), full(), random() and\n"
"from_iterable().\n"
"\n"
"m[i] is row i, m[i, j] an item, m[a:b], m[a:b, c:d] and m[:, j] are slices\n"
"as in NumPy.  All but items are views: they share the matrix's memory, and\n"
"assigning to them changes the matrix.  So swapping rows takes a copy of\n"
"one.  A matrix is a Sequence of its rows; == compares it with another or\n"
"with a list of lists; append() and extend() add rows; nothing removes any.\n"
"It offers its memory as a buffer, and while such exports live it cannot\n"
"grow.\n"
"\n"
"Raises ValueError for rows of unequal length and the wrong number of\n"
"dimensions, TypeError for items that are not real numbers, both naming\n"
"the place, and MemoryError.  An item takes 8 bytes (dtype 'f': 4) instead\n"
"of the 32 of a float in a list.\n"
"\n"
">>> m = memopt.FloatMatrix([[1, 2, 3], [4, 5, 6]])\n"
">>> m.shape, m[1][2], m[:, 0].tolist(), m.sum()\n"
"((2, 3), 6.0, [1.0, 4.0], 21.0)\n"
">>> m[0] = [7, 8, 9]\n"
">>> m == [[7, 8, 9], [4, 5, 6]]\n"
"True");

PyDoc_STRVAR(matrix_zeros_doc,
"zeros($type, /, rows, columns, dtype='d')\n"
"--\n"
"\n"
"A FloatMatrix of zeros.  Large ones take memory only as it is written.\n"
"\n"
"Raises ValueError if rows or columns is negative.\n"
"\n"
">>> memopt.FloatMatrix.zeros(1, 2)\n"
"FloatMatrix([[0.0, 0.0]])");

PyDoc_STRVAR(matrix_full_doc,
"full($type, /, rows, columns, value, dtype='d')\n"
"--\n"
"\n"
"A FloatMatrix whose items are all value, a real number.\n"
"\n"
"Raises ValueError if rows or columns is negative.\n"
"\n"
">>> memopt.FloatMatrix.full(1, 2, 0.5)\n"
"FloatMatrix([[0.5, 0.5]])");

PyDoc_STRVAR(matrix_random_doc,
"random($type, /, rows, columns, seed=None)\n"
"--\n"
"\n"
"A FloatMatrix of random numbers, uniform over [0, 1) in steps of 2**-53.\n"
"\n"
"The generator is the Mersenne Twister MT19937, seeded as random.Random is:\n"
"with an integer seed the items, row by row, are the very numbers that\n"
"random.Random(seed).random() gives one by one.  None seeds from the\n"
"system's source of randomness.  Not for secrets.\n"
"\n"
"Raises TypeError for any other seed, ValueError if rows or columns is\n"
"negative.  Source: Matsumoto and Nishimura, ACM TOMACS 8(1), 1998.\n"
"\n"
">>> import random\n"
">>> generator = random.Random(7)\n"
">>> nested = [[generator.random() for _ in range(3)] for _ in range(2)]\n"
">>> memopt.FloatMatrix.random(2, 3, seed=7) == nested\n"
"True");

PyDoc_STRVAR(matrix_from_iterable_doc,
"from_iterable($type, /, rows, columns, iterable, dtype='d')\n"
"--\n"
"\n"
"A FloatMatrix filled row by row from the numbers of a flat iterable.\n"
"\n"
"Raises ValueError if there are not exactly rows * columns numbers, or if\n"
"rows or columns is negative, and TypeError for what is not a real number.\n"
"\n"
">>> memopt.FloatMatrix.from_iterable(2, 3, range(6))\n"
"FloatMatrix([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])");

PyDoc_STRVAR(matrix_append_doc,
"append($self, row, /)\n"
"--\n"
"\n"
"Add a row, any sequence or iterable of numbers, at the end.\n"
"\n"
"A matrix of shape (0, 0) takes its number of columns from its first row.\n"
"Raises ValueError if the row has another number of items than there are\n"
"columns, TypeError if the matrix is a view or shares memory, BufferError\n"
"while its memory is exported.  Amortised O(columns) time.\n"
"\n"
">>> m = memopt.FloatMatrix()\n"
">>> m.append([1, 2])\n"
">>> m.append([3, 4])\n"
">>> m\n"
"FloatMatrix([[1.0, 2.0], [3.0, 4.0]])");

PyDoc_STRVAR(matrix_extend_doc,
"extend($self, rows, /)\n"
"--\n"
"\n"
"Add all rows of anything FloatMatrix() takes at the end, or none of them.\n"
"\n"
"Raises as append() and FloatMatrix() do, and then leaves the matrix as it\n"
"was.");

PyDoc_STRVAR(matrix_sum_doc,
"sum($self, /, axis=None, *, dtype=None, out=None, keepdims=False,\n"
"    initial=0.0, where=True, skipna=False, threads=None)\n"
"--\n"
"\n"
"The sum of the items, correctly rounded.\n"
"\n"
"axis=None or (0, 1) sums all items to a float, axis=0 (or -2) each column\n"
"and axis=1 (or -1) each row, to a FloatVector; with keepdims a FloatMatrix\n"
"with 1 for the axes summed over.  Every result is the float64 nearest to\n"
"the exact sum, whatever the order and layout of the items: what math.fsum\n"
"gives, but that NaN and infinities propagate and only a result beyond the\n"
"range of float64 is infinite.  The sum of nothing is 0.0.\n"
"\n"
"initial is one more number for each sum.  Items count where `where` is true,\n"
"a bool, or bools in a buffer (a NumPy array) or nested lists, whose shape\n"
"broadcasts to the matrix's; with skipna, NaNs do not count.  out is a\n"
"FloatVector, FloatMatrix or writable buffer of float64 to put the results in\n"
"and to return.  dtype may only be 'd'.  threads is how many threads may read\n"
"a large matrix, None meaning as many as pay; the results have the same bits\n"
"with any number.  Other Python threads run meanwhile, but the matrix cannot\n"
"be resized.\n"
"\n"
"Raises IndexError (numpy.exceptions.AxisError if NumPy is loaded) for an\n"
"axis out of range, ValueError for an empty tuple, an axis twice and a wrong\n"
"out, and TypeError or ValueError for a `where` of other items or another\n"
"shape.  O(rows * columns) time.\n"
"\n"
">>> m = memopt.FloatMatrix([[1e100, 1.0], [-1e100, 1.0]])\n"
">>> m.sum(), m.sum(axis=0)\n"
"(2.0, FloatVector([0.0, 2.0]))\n"
">>> m.sum(axis=1, where=[[False, True], [True, True]], initial=0.5)\n"
"FloatVector([1.5, -1e+100])");

PyDoc_STRVAR(matrix_mean_doc,
"mean($self, /, axis=None, *, dtype=None, out=None, keepdims=False,\n"
"     where=True, skipna=False, threads=None)\n"
"--\n"
"\n"
"The mean of the items: their exact sum over their number, rounded once.\n"
"\n"
"Arguments, results and exceptions are those of sum(); besides, the mean of\n"
"nothing raises ZeroDivisionError, but is nan where items there are and none\n"
"counts.\n"
"\n"
">>> memopt.FloatMatrix([[1, 2], [3, 4]]).mean(axis=1)\n"
"FloatVector([1.5, 3.5])\n"
">>> memopt.FloatMatrix([[1, 2], [3, float('nan')]]).mean(skipna=True)\n"
"2.0");

static PyMethodDef matrix_methods[] = {
    MO_SHARED_METHODS,
    {"zeros", MO_KEYWORDS(mo_matrix_zeros),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, matrix_zeros_doc},
    {"full", MO_KEYWORDS(mo_matrix_full),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, matrix_full_doc},
    {"random", MO_KEYWORDS(mo_matrix_random),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, matrix_random_doc},
    {"from_iterable", MO_KEYWORDS(mo_matrix_from_iterable),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, matrix_from_iterable_doc},
    {"append", matrix_append, METH_O, matrix_append_doc},
    {"extend", matrix_extend, METH_O, matrix_extend_doc},
    {"sum", MO_KEYWORDS(mo_view_sum), METH_VARARGS | METH_KEYWORDS,
     matrix_sum_doc},
    {"mean", MO_KEYWORDS(mo_view_mean), METH_VARARGS | METH_KEYWORDS,
     matrix_mean_doc},
    {NULL},
};

static PyType_Slot matrix_slots[] = {
    {Py_tp_doc, (void *)matrix_doc},
    {Py_tp_new, mo_matrix_new},
    {Py_tp_dealloc, mo_view_dealloc},
    {Py_tp_traverse, mo_view_traverse},
    {Py_tp_repr, mo_view_repr},
    {Py_tp_richcompare, mo_view_richcompare},
    {Py_tp_iter, mo_view_iter},
    {Py_tp_methods, matrix_methods},
    {Py_tp_members, mo_view_members},
    {Py_tp_getset, mo_view_getset},
    {Py_sq_length, mo_view_length},
    {Py_sq_item, mo_view_item},
    {Py_sq_contains, mo_view_contains},
    {Py_mp_length, mo_view_length},
    {Py_mp_subscript, mo_view_subscript},
    {Py_mp_ass_subscript, mo_view_ass_subscript},
    {Py_bf_getbuffer, mo_view_getbuffer},
    {Py_bf_releasebuffer, mo_view_releasebuffer},
    {0, NULL},
};

static PyType_Spec matrix_spec = {
    .name = "memopt.FloatMatrix",
    .basicsize = sizeof(ViewObject),
    .flags = (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
              Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_SEQUENCE),
    .slots = matrix_slots,
};

int
mo_matrix_setup(PyObject *module, mo_floatmatrix_state *room)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &matrix_spec, NULL);
    room->FloatMatrixType = (PyTypeObject *)type;
    return type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
}

/* --- the room in its module ------------------------------------------- */

static PyMethodDef module_functions[] = {
    {"_restore_matrix", mo_restore_matrix, METH_VARARGS,
     PyDoc_STR("_restore_matrix(rows, columns, format, data, /)\n--\n\n"
               "What a pickled FloatMatrix calls.")},
    {NULL},
};

/* Both types have all methods of collections.abc.Sequence. */
static int
register_sequences(const mo_floatmatrix_state *room)
{
    PyObject *abc = PyImport_ImportModule("collections.abc");
    if (abc == NULL) {
        return -1;
    }
    PyObject *sequence = PyObject_GetAttrString(abc, "Sequence");
    Py_DECREF(abc);
    PyTypeObject *types[] = {room->FloatMatrixType, room->FloatVectorType};
    int status = sequence == NULL ? -1 : 0;
    for (int i = 0; i < 2 && status == 0; i++) {
        PyObject *result =
            PyObject_CallMethod(sequence, "register", "O", types[i]);
        status = result == NULL ? -1 : 0;
        Py_XDECREF(result);
    }
    Py_XDECREF(sequence);
    return status;
}

int
mo_floatmatrix_setup(PyObject *module, mo_state *state)
{
    mo_floatmatrix_state *room = &state->floatmatrix;
    if (mo_storage_setup(module, room) < 0 ||
        mo_float_iterator_setup(module, room) < 0 ||
        mo_vector_setup(module, room) < 0 ||
        mo_matrix_setup(module, room) < 0 ||
        PyModule_AddFunctions(module, module_functions) < 0) {
        return -1;
    }
    return register_sequences(room);
}

int
mo_floatmatrix_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->floatmatrix.StorageType);
    Py_VISIT(state->floatmatrix.IteratorType);
    Py_VISIT(state->floatmatrix.FloatVectorType);
    Py_VISIT(state->floatmatrix.FloatMatrixType);
    return 0;
}

void
mo_floatmatrix_clear(mo_state *state)
{
    Py_CLEAR(state->floatmatrix.StorageType);
    Py_CLEAR(state->floatmatrix.IteratorType);
    Py_CLEAR(state->floatmatrix.FloatVectorType);
    Py_CLEAR(state->floatmatrix.FloatMatrixType);
}
