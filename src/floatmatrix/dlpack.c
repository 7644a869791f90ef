/* dlpack.c - __dlpack__ both ways: tensors lent to other libraries and
 * borrowed from them.
 *
 * A lent tensor pins its storage until its deleter is called, which may be
 * in any thread.  A borrowed one is owned by a capsule that calls the
 * producer's deleter.  Semantics: the Python array API standard, 2023.12. */
#include "compat.h" /* first: Python.h asks for all of POSIX */

#include "floatmatrix/dlpack.h"

#include "floatmatrix/foreign.h"

/* --- lending ---------------------------------------------------------- */

typedef struct {
    union {
        mo_dl_managed plain;
        mo_dl_versioned versioned;
    } managed;
    int64_t shape[2];
    int64_t strides[2];
    StorageObject *storage; /* pinned */
} loan;

static void
loan_end(loan *lent)
{
    if (!Py_IsInitialized()) {
        return; /* the interpreter took the memory with it */
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    mo_storage_unpin(lent->storage);
    PyMem_RawFree(lent);
    PyGILState_Release(gil);
}

static void
delete_plain(mo_dl_managed *managed)
{
    loan_end(managed->context);
}

static void
delete_versioned(mo_dl_versioned *managed)
{
    loan_end(managed->context);
}

/* A consumer renames the capsule and from then on calls the deleter itself;
 * one that was never consumed is still called by its first name. */
static void
capsule_destroy(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor") ||
        PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        loan_end(PyCapsule_GetContext(capsule));
    }
}

static void
fill_tensor(mo_dl_tensor *tensor, loan *lent, const mo_view *view)
{
    const char typecode = view->storage->typecode;
    for (int axis = 0; axis < view->ndim; axis++) {
        lent->shape[axis] = mo_view_shape(view)[axis];
        lent->strides[axis] =
            mo_view_strides(view)[axis] / mo_itemsize(typecode);
    }
    tensor->data = mo_view_at(view, 0, 0);
    tensor->device.type = MO_DL_CPU;
    tensor->device.id = 0;
    tensor->ndim = view->ndim;
    tensor->dtype.code = MO_DL_FLOAT;
    tensor->dtype.bits = (uint8_t)(8 * mo_itemsize(typecode));
    tensor->dtype.lanes = 1;
    tensor->shape = lent->shape;
    tensor->strides = lent->strides;
    tensor->byte_offset = 0;
}

/* Fills in the one of the two structures that was asked for; its capsule
 * name. */
static const char *
fill_managed(loan *lent, const mo_view *view, bool is_versioned,
             bool is_copied)
{
    if (!is_versioned) {
        mo_dl_managed *plain = &lent->managed.plain;
        plain->context = lent;
        plain->deleter = delete_plain;
        fill_tensor(&plain->tensor, lent, view);
        return "dltensor";
    }
    mo_dl_versioned *versioned = &lent->managed.versioned;
    versioned->version.major = 1;
    versioned->version.minor = 0;
    versioned->context = lent;
    versioned->deleter = delete_versioned;
    versioned->flags = (view->storage->readonly ? MO_DL_READ_ONLY : 0) |
                       (is_copied ? MO_DL_IS_COPIED : 0);
    fill_tensor(&versioned->tensor, lent, view);
    return "dltensor_versioned";
}

static PyObject *
lend(const mo_view *view, bool is_versioned, bool is_copied)
{
    loan *lent = PyMem_RawCalloc(1, sizeof *lent);
    if (lent == NULL) {
        return PyErr_NoMemory();
    }
    mo_storage_pin(view->storage); /* its address must not change any more */
    lent->storage = view->storage;
    const char *name = fill_managed(lent, view, is_versioned, is_copied);
    PyObject *capsule = PyCapsule_New(&lent->managed, name, NULL);
    if (capsule == NULL) {
        mo_storage_unpin(view->storage);
        PyMem_RawFree(lent);
        return NULL;
    }
    (void)PyCapsule_SetContext(capsule, lent); /* cannot fail: it is valid */
    (void)PyCapsule_SetDestructor(capsule, capsule_destroy);
    return capsule;
}

static int
check_lendable(const mo_view *view, bool is_versioned)
{
    const Py_ssize_t size = mo_itemsize(view->storage->typecode);
    if (view->strides[0] % size != 0 || view->strides[1] % size != 0) {
        PyErr_SetString(PyExc_BufferError,
                        "DLPack needs strides of whole items; use copy=True");
        return -1;
    }
    if (view->storage->readonly && !is_versioned) {
        PyErr_SetString(PyExc_BufferError,
                        "DLPack before 1.0 cannot say that memory is "
                        "read-only; use max_version=(1, 0) or copy=True");
        return -1;
    }
    return 0;
}

/* None, or (1, 0): this machine's memory. */
static int
check_device(PyObject *device)
{
    int type, id;
    if (device == Py_None) {
        return 0;
    }
    if (!PyTuple_Check(device)) {
        PyErr_SetString(PyExc_TypeError, "dl_device must be a tuple or None");
        return -1;
    }
    if (!PyArg_ParseTuple(device, "ii;dl_device must be two integers", &type,
                          &id)) {
        return -1;
    }
    if (type != MO_DL_CPU || id != 0) {
        PyErr_SetString(PyExc_BufferError,
                        "a FloatMatrix is lent to the CPU only: dl_device "
                        "must be (1, 0)");
        return -1;
    }
    return 0;
}

/* max_version is the newest (major, minor) the consumer reads. */
static int
parse_max_version(PyObject *max_version, bool *is_versioned)
{
    int major, minor;
    *is_versioned = false;
    if (max_version == Py_None) {
        return 0;
    }
    if (!PyTuple_Check(max_version)) {
        PyErr_SetString(PyExc_TypeError,
                        "max_version must be a tuple or None");
        return -1;
    }
    if (!PyArg_ParseTuple(max_version, "ii;max_version must be two integers",
                          &major, &minor)) {
        return -1;
    }
    *is_versioned = major >= 1;
    return 0;
}

PyObject *
mo_view_dlpack(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy",
                            NULL};
    PyObject *stream = Py_None, *max_version = Py_None, *device = Py_None;
    PyObject *copy = Py_None;
    mo_view view = mo_view_of(op);
    bool is_versioned;
    mo_copy_mode mode;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:__dlpack__", names,
                                     &stream, &max_version, &device, &copy)) {
        return NULL;
    }
    if (stream != Py_None) {
        PyErr_SetString(PyExc_ValueError,
                        "stream must be None: memory of the CPU has none");
        return NULL;
    }
    if (check_device(device) < 0 ||
        parse_max_version(max_version, &is_versioned) < 0 ||
        mo_parse_copy(copy, &mode) < 0) {
        return NULL;
    }
    if (mode != MO_COPY_ALWAYS) {
        return check_lendable(&view, is_versioned) < 0
                   ? NULL
                   : lend(&view, is_versioned, false);
    }
    if (mo_view_duplicate(&view, &view, view.storage->typecode) < 0) {
        return NULL;
    }
    PyObject *capsule = lend(&view, is_versioned, true);
    Py_DECREF(view.storage);
    return capsule;
}

PyObject *
mo_view_dlpack_device(PyObject *op, PyObject *unused)
{
    return Py_BuildValue("(ii)", MO_DL_CPU, 0);
}

/* --- borrowing -------------------------------------------------------- */

static const char borrowed_name[] = "memopt.dlpack";

static void
return_plain(PyObject *capsule)
{
    mo_dl_managed *managed = PyCapsule_GetPointer(capsule, borrowed_name);
    if (managed->deleter != NULL) {
        managed->deleter(managed);
    }
}

static void
return_versioned(PyObject *capsule)
{
    mo_dl_versioned *managed = PyCapsule_GetPointer(capsule, borrowed_name);
    if (managed->deleter != NULL) {
        managed->deleter(managed);
    }
}

/* New reference to what obj.__dlpack__() returns; NULL with no exception if
 * it has no such method. */
static PyObject *
call_dlpack(PyObject *obj)
{
    PyObject *method, *capsule = NULL;
    if (PyObject_GetOptionalAttrString(obj, "__dlpack__", &method) <= 0) {
        return NULL;
    }
    PyObject *none = PyTuple_New(0);
    PyObject *newest = Py_BuildValue("{s(ii)}", "max_version", 1, 0);
    if (none != NULL && newest != NULL) {
        capsule = PyObject_Call(method, none, newest);
        if (capsule == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear(); /* a producer from before 1.0 */
            capsule = PyObject_Call(method, none, NULL);
        }
    }
    Py_XDECREF(none);
    Py_XDECREF(newest);
    Py_DECREF(method);
    return capsule;
}

/* Takes the tensor over from the producer's capsule into one of our own,
 * foreign->owner. */
static mo_dl_tensor *
take_tensor(mo_foreign *foreign, PyObject *capsule)
{
    const bool is_versioned = PyCapsule_IsValid(capsule, "dltensor_versioned");
    if (!is_versioned && !PyCapsule_IsValid(capsule, "dltensor")) {
        PyErr_SetString(PyExc_TypeError,
                        "__dlpack__() must return a fresh DLPack capsule");
        return NULL;
    }
    void *managed = PyCapsule_GetPointer(
        capsule, is_versioned ? "dltensor_versioned" : "dltensor");
    mo_dl_versioned *versioned = managed;
    if (is_versioned && versioned->version.major > 1) {
        PyErr_Format(PyExc_BufferError, "cannot read DLPack version %u",
                     (unsigned)versioned->version.major);
        return NULL;
    }
    foreign->owner = PyCapsule_New(managed, borrowed_name, NULL);
    if (foreign->owner == NULL ||
        PyCapsule_SetName(capsule, is_versioned ? "used_dltensor_versioned"
                                                : "used_dltensor") < 0) {
        return NULL;
    }
    (void)PyCapsule_SetDestructor(
        foreign->owner, is_versioned ? return_versioned : return_plain);
    if (!is_versioned) {
        return &((mo_dl_managed *)managed)->tensor;
    }
    foreign->readonly = (versioned->flags & MO_DL_READ_ONLY) != 0;
    return &versioned->tensor;
}

static int
parse_tensor(mo_foreign *foreign, const mo_dl_tensor *tensor)
{
    static const char kinds[] = {'i', 'u', 'f', 0, 0, 0, 'b'};
    const int code = tensor->dtype.code, bits = tensor->dtype.bits;
    Py_ssize_t shape[2], strides[2];
    char format[32];
    if (tensor->device.type != MO_DL_CPU &&
        tensor->device.type != MO_DL_CUDA_HOST) {
        PyErr_Format(PyExc_BufferError,
                     "cannot read memory of DLPack device type %d",
                     (int)tensor->device.type);
        return -1;
    }
    char kind =
        code < (int)sizeof kinds && bits % 8 == 0 && tensor->dtype.lanes == 1
            ? kinds[code]
            : 0;
    PyOS_snprintf(format, sizeof format, "DLPack %d:%d", code, bits);
    if (mo_foreign_set_type(foreign, kind, bits / 8, format) < 0) {
        return -1;
    }
    for (int axis = 0; axis < tensor->ndim && axis < 2; axis++) {
        shape[axis] = (Py_ssize_t)tensor->shape[axis];
        if (tensor->strides != NULL) {
            strides[axis] =
                (Py_ssize_t)tensor->strides[axis] * foreign->itemsize;
        }
    }
    foreign->first = (char *)tensor->data + tensor->byte_offset;
    return mo_foreign_set_layout(foreign, tensor->ndim, shape,
                                 tensor->strides == NULL ? NULL : strides);
}

int
mo_foreign_from_dlpack(mo_foreign *foreign, PyObject *obj)
{
    if (PyType_Check(obj)) {
        return 0; /* a class has the method for its instances */
    }
    PyObject *capsule = call_dlpack(obj);
    if (capsule == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    mo_dl_tensor *tensor = take_tensor(foreign, capsule);
    int status = tensor == NULL ? -1 : parse_tensor(foreign, tensor);
    Py_DECREF(capsule);
    return status < 0 ? -1 : 1;
}
