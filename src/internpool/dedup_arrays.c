/* dedup_arrays.c - whether dedup() may write into NumPy arrays of objects. */
#include "internpool/dedup.h"

/* What a module that is loaded has: a new reference, or NULL, with or without
 * an exception. */
static PyObject *
find_loaded(const char *module_name, const char *attribute)
{
    PyObject *name = PyUnicode_FromString(module_name);
    PyObject *module = name ? PyImport_GetModule(name) : NULL;
    Py_XDECREF(name);
    if (module == NULL) {
        return NULL;
    }
    PyObject *found;
    (void)PyObject_GetOptionalAttrString(module, attribute, &found);
    Py_DECREF(module);
    return found;
}

/* Whether pandas' hash tables keep their keys alive: 1 or 0, or -1 with an
 * exception set.  Before 3.1 they rely on the array that an Index has, which may
 * share its memory with columns and others, for the very objects. */
static int
keeps_keys(PyObject *hash_table)
{
    PyObject *table = PyObject_CallNoArgs(hash_table);
    PyObject *key = PyUnicode_FromString("key");
    PyObject *result =
        table && key ? PyObject_CallMethod(table, "set_item", "Oi", key, 0)
                     : NULL;
    int keeps = result ? Py_REFCNT(key) > 1 : -1;
    Py_XDECREF(result);
    Py_XDECREF(table);
    Py_XDECREF(key);
    return keeps;
}

/* 1 or 0, or -1 with an exception set. */
static int
may_be_written(void)
{
    if (MO_FREE_THREADED) {
        return 0; /* threads use arrays without a lock that could be held */
    }
    PyObject *hash_table =
        find_loaded("pandas._libs.hashtable", "PyObjectHashTable");
    if (hash_table == NULL) {
        return PyErr_Occurred() ? -1 : 1;
    }
    int keeps = keeps_keys(hash_table);
    Py_DECREF(hash_table);
    return keeps;
}

int
mo_walk_find_arrays(mo_walk *w)
{
    PyObject *ndarray = find_loaded("numpy", "ndarray");
    if (ndarray == NULL || !PyType_Check(ndarray)) {
        Py_XDECREF(ndarray);
        return PyErr_Occurred() ? -1 : 0;
    }
    w->ndarray = (PyTypeObject *)ndarray;
    if (PyObject_GetOptionalAttrString(ndarray, "base", &w->base) < 0) {
        return -1;
    }
    if (w->base == NULL || !Py_IS_TYPE(w->base, &PyGetSetDescr_Type)) {
        return 0; /* some other NumPy */
    }
    int status = may_be_written();
    w->arrays = status > 0;
    return status < 0 ? -1 : 0;
}

int
mo_array_has_own_items(const mo_walk *w, PyObject *array)
{
    descrgetfunc get = Py_TYPE(w->base)->tp_descr_get;
    PyObject *at = Py_NewRef(array);
    while (at != NULL && PyObject_TypeCheck(at, w->ndarray)) {
        Py_SETREF(at, get(w->base, at, (PyObject *)Py_TYPE(at)));
    }
    int status = at != NULL ? at == Py_None : -1;
    Py_XDECREF(at);
    return status;
}
