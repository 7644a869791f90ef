/* object.c - what FloatMatrix and FloatVector objects have in common: life,
 * length, repr and the properties of their memory. */
#include "floatmatrix/internal.h"

/* Up to this many items a repr shows them all: a screenful. */
#define REPR_ITEMS 100

const char *
mo_view_name(PyObject *op)
{
    return View_CAST(op)->view.ndim == 2 ? "FloatMatrix" : "FloatVector";
}

Py_ssize_t
mo_view_length(PyObject *op)
{
    return MO_LOAD_SIZE(mo_view_shape(&View_CAST(op)->view));
}

PyObject *
mo_view_tolist_method(PyObject *op, PyObject *unused)
{
    const mo_view view = mo_view_of(op);
    return mo_view_tolist(&view);
}

/* --- repr ------------------------------------------------------------- */

static PyObject *
repr_of_large(const mo_view *view)
{
    const Py_ssize_t *shape = view->shape;
    const int typecode = view->storage->typecode;
    if (view->ndim == 1) {
        return PyUnicode_FromFormat("<FloatVector of %zd items, dtype '%c'>",
                                    shape[1], typecode);
    }
    return PyUnicode_FromFormat(
        "<FloatMatrix of %zd rows, %zd columns, dtype '%c'>", shape[0],
        shape[1], typecode);
}

/* Evaluates to an equal object, if a FloatMatrix without NaN or infinity. */
PyObject *
mo_view_repr(PyObject *op)
{
    const mo_view view = mo_view_of(op);
    const Py_ssize_t *shape = view.shape;
    const char *name = mo_view_name(op);
    const char *suffix =
        view.storage->typecode == MO_FLOAT64 ? "" : ", dtype='f'";
    if (shape[0] == 0 && shape[1] > 0) { /* nested lists cannot say this */
        return PyUnicode_FromFormat("%s.zeros(0, %zd%s)", name, shape[1],
                                    suffix);
    }
    if (shape[0] > REPR_ITEMS ||
        (shape[0] > 0 && shape[1] > REPR_ITEMS / shape[0])) {
        return repr_of_large(&view);
    }
    PyObject *list = mo_view_tolist(&view);
    if (list == NULL) {
        return NULL;
    }
    PyObject *repr = PyUnicode_FromFormat("%s(%R%s)", name, list,
                                          view.ndim == 2 ? suffix : "");
    Py_DECREF(list);
    return repr;
}

/* --- properties ------------------------------------------------------- */

static PyObject *
view_get_shape(PyObject *op, void *closure)
{
    const mo_view view = mo_view_of(op);
    return view.ndim == 1
               ? Py_BuildValue("(n)", view.shape[1])
               : Py_BuildValue("(nn)", view.shape[0], view.shape[1]);
}

static PyObject *
view_get_dtype(PyObject *op, void *closure)
{
    const char typecode = View_CAST(op)->view.storage->typecode;
    return PyUnicode_FromStringAndSize(&typecode, 1);
}

static PyObject *
view_get_itemsize(PyObject *op, void *closure)
{
    const char typecode = View_CAST(op)->view.storage->typecode;
    return PyLong_FromSsize_t(mo_itemsize(typecode));
}

static PyObject *
view_get_nbytes(PyObject *op, void *closure)
{
    const mo_view view = mo_view_of(op);
    return PyLong_FromSsize_t(view.shape[0] * view.shape[1] *
                              mo_itemsize(view.storage->typecode));
}

static PyObject *
view_get_readonly(PyObject *op, void *closure)
{
    return PyBool_FromLong(View_CAST(op)->view.storage->readonly);
}

/* A vector, having one axis, is its own transpose, as in NumPy. */
static PyObject *
view_get_t(PyObject *op, void *closure)
{
    mo_view view = mo_view_of(op);
    if (view.ndim == 2) {
        view = mo_view_transpose(&view);
    }
    return mo_view_subobject(&view);
}

static PyObject *
view_get_flat(PyObject *op, void *closure)
{
    mo_view view = mo_view_of(op);
    if (!mo_view_flatten(&view)) {
        PyErr_SetString(PyExc_ValueError,
                        "the rows do not follow each other in memory: use "
                        "m.copy().flat");
        return NULL;
    }
    return mo_view_subobject(&view);
}

PyGetSetDef mo_view_getset[] = {
    {"T", view_get_t, NULL,
     PyDoc_STR("The transpose, a view.  A vector's is the vector."), NULL},
    {"flat", view_get_flat, NULL,
     PyDoc_STR(
         "All items, row after row, as a FloatVector, a view.  ValueError\n"
         "if a slice or transpose leaves no step from each to the next:\n"
         "then use m.copy().flat."),
     NULL},
    {"shape", view_get_shape, NULL, PyDoc_STR("The number of items per axis."),
     NULL},
    {"dtype", view_get_dtype, NULL,
     PyDoc_STR("The type of the items: 'd' (float64) or 'f' (float32)."),
     NULL},
    {"itemsize", view_get_itemsize, NULL,
     PyDoc_STR("The size of an item in bytes: 8 or 4."), NULL},
    {"nbytes", view_get_nbytes, NULL,
     PyDoc_STR("The size of all items in bytes."), NULL},
    {"readonly", view_get_readonly, NULL,
     PyDoc_STR("Whether the memory is shared with an object that does not "
               "let it be changed."),
     NULL},
    {NULL},
};

/* Memory is counted by the object that was made with it, once, as in NumPy:
 * a view or a sharer counts only itself. */
PyObject *
mo_view_sizeof(PyObject *op, PyObject *unused)
{
    const mo_view *view = &View_CAST(op)->view;
    size_t size = sizeof(ViewObject);
    if (view->is_owner) {
        MO_BEGIN_CRITICAL_SECTION(view->storage);
        size += sizeof(StorageObject) + (size_t)view->storage->bytes;
        MO_END_CRITICAL_SECTION();
    }
    return PyLong_FromSize_t(size);
}

/* --- life ------------------------------------------------------------- */

PyMemberDef mo_view_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ViewObject, weakrefs),
     READONLY, NULL},
    {NULL},
};

/* There is no tp_clear, for the reason given in storage.c. */
int
mo_view_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(View_CAST(op)->view.storage);
    return 0;
}

void
mo_view_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    Py_XDECREF(View_CAST(op)->view.storage);
    type->tp_free(op);
    Py_DECREF(type);
}

/* --- docstrings of the shared methods --------------------------------- */

const char mo_view_tolist_doc[] = PyDoc_STR(
    "tolist($self, /)\n"
    "--\n"
    "\n"
    "The items as a list of floats, or the rows as a list of such lists.\n"
    "\n"
    ">>> memopt.FloatMatrix.zeros(2, 2).tolist()\n"
    "[[0.0, 0.0], [0.0, 0.0]]");

const char mo_view_copy_doc[] = PyDoc_STR(
    "copy($self, /)\n"
    "--\n"
    "\n"
    "The same items in memory of the copy's own, in C order and writable.");

const char mo_view_count_doc[] = PyDoc_STR(
    "count($self, value, /)\n"
    "--\n"
    "\n"
    "The number of items (of a matrix: rows) that equal value, in O(n) time.\n"
    "\n"
    ">>> memopt.FloatMatrix([[1, 2], [1, 2], [3, 4]]).count([1, 2])\n"
    "2");

const char mo_view_index_doc[] = PyDoc_STR(
    "index($self, value, start=0, stop=sys.maxsize, /)\n"
    "--\n"
    "\n"
    "The index of the first item (of a matrix: row) that equals value, from\n"
    "start on and before stop.  Raises ValueError if there is none.  O(n) time.\n"
    "\n"
    ">>> memopt.FloatMatrix([[1, 2], [1, 2], [3, 4]]).index([3, 4])\n"
    "2");

const char mo_view_array_doc[] = PyDoc_STR(
    "__array__($self, /, dtype=None, copy=None)\n"
    "--\n"
    "\n"
    "A numpy.ndarray that shares the memory, unless dtype or copy need a copy.\n"
    "\n"
    "While it lives, append() and extend() raise BufferError.  copy=False\n"
    "raises ValueError if dtype needs a copy.  Raises ImportError if there is\n"
    "no NumPy.");

const char mo_view_dlpack_doc[] = PyDoc_STR(
    "__dlpack__($self, /, *, stream=None, max_version=None, dl_device=None,\n"
    "           copy=None)\n"
    "--\n"
    "\n"
    "A DLPack capsule that shares the memory, or with copy=True a copy of it.\n"
    "\n"
    "Raises BufferError for a device other than the CPU, and for read-only\n"
    "memory if max_version is below (1, 0).");

const char mo_view_dlpack_device_doc[] = PyDoc_STR(
    "__dlpack_device__($self, /)\n"
    "--\n"
    "\n"
    "(1, 0), which in DLPack is the CPU.");
