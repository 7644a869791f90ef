/* vector.c - the type FloatVector: a row, a column or a slice of one, or the
 * sums along an axis.  Its memory is its storage's; see view.h. */
#include "floatmatrix/internal.h"

PyDoc_STRVAR(vector_doc,
"A row or column of a FloatMatrix, a slice of one, or sums along an axis.\n"
"\n"
"It is a view: it shares the memory of the matrix, as a row of a nested list\n"
"is the list itself.  It is a Sequence of floats that can be assigned to but\n"
"not resized; slices are views too, == compares items with those of another\n"
"vector, list or tuple, and it offers its memory as a buffer.\n"
"\n"
">>> m = memopt.FloatMatrix([[1, 2, 3], [4, 5, 6]])\n"
">>> row = m[0]\n"
">>> row[0] = 10\n"
">>> m[0, 0], m[:, 0]\n"
"(10.0, FloatVector([10.0, 4.0]))");

PyDoc_STRVAR(vector_sum_doc,
"sum($self, /, axis=None, *, dtype=None, out=None, keepdims=False,\n"
"    initial=0.0, where=True, skipna=False, threads=None)\n"
"--\n"
"\n"
"The sum of all items, correctly rounded: see FloatMatrix.sum().\n"
"\n"
"axis is None, 0 or -1.  Returns a float, or with keepdims a FloatVector of\n"
"one item.  O(n) time.\n"
"\n"
">>> memopt.FloatMatrix([[1e100, 1.0, -1e100]])[0].sum()\n"
"1.0");

PyDoc_STRVAR(vector_mean_doc,
"mean($self, /, axis=None, *, dtype=None, out=None, keepdims=False,\n"
"     where=True, skipna=False, threads=None)\n"
"--\n"
"\n"
"The exact mean of all items, rounded once: see FloatMatrix.mean().\n"
"\n"
">>> memopt.FloatMatrix([[1, 2, 4, 8]])[0].mean()\n"
"3.75");

static PyMethodDef vector_methods[] = {
    MO_SHARED_METHODS,
    {"sum", MO_KEYWORDS(mo_view_sum), METH_VARARGS | METH_KEYWORDS,
     vector_sum_doc},
    {"mean", MO_KEYWORDS(mo_view_mean), METH_VARARGS | METH_KEYWORDS,
     vector_mean_doc},
    {NULL},
};

static PyType_Slot vector_slots[] = {
    {Py_tp_doc, (void *)vector_doc},
    {Py_tp_dealloc, mo_view_dealloc},
    {Py_tp_traverse, mo_view_traverse},
    {Py_tp_repr, mo_view_repr},
    {Py_tp_richcompare, mo_view_richcompare},
    {Py_tp_iter, mo_view_iter},
    {Py_tp_methods, vector_methods},
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

static PyType_Spec vector_spec = {
    .name = "memopt.FloatVector",
    .basicsize = sizeof(ViewObject),
    .flags =
        (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
         Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_SEQUENCE),
    .slots = vector_slots,
};

int
mo_vector_setup(PyObject *module, mo_floatmatrix_state *room)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &vector_spec, NULL);
    room->FloatVectorType = (PyTypeObject *)type;
    return type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
}
