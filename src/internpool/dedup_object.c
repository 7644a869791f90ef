/* dedup_object.c - instances for dedup(): see dedup.h.
 *
 * An instance has places for its slots and attributes; what else it leads to is
 * its class's in C, or in a __dict__, and can but be walked.  Without a GIL only
 * the latter: classes in C are asked what they keep by tp_traverse, which takes
 * no lock, as the collector stops all threads for it. */
#include "internpool/dedup.h"

/* The first class that is not made by Python code, but in C. */
static PyTypeObject *
base_in_c(const mo_walk *w, PyTypeObject *type)
{
    while (type->tp_traverse == w->room->traverse_instance) {
        type = type->tp_base;
    }
    return type;
}

/* Finds where slots are in an instance, up to MO_STRINGS of them from `start`
 * on; how many. */
static int
find_slots(const mo_walk *w, PyTypeObject *type, Py_ssize_t start,
           Py_ssize_t *offsets)
{
    const PyTypeObject *end = base_in_c(w, type);
    Py_ssize_t met = 0;
    int found = 0;
    for (; type != end; type = type->tp_base) {
        for (const PyMemberDef *m = type->tp_members; m && m->name; m++) {
            if (m->type == T_OBJECT_EX && met++ >= start &&
                found < MO_STRINGS) {
                offsets[found++] = m->offset;
            }
        }
    }
    return found;
}

static int
walk_slots(mo_walk *w, PyObject *instance)
{
    Py_ssize_t start = 0, offsets[MO_STRINGS];
    int n, status = 0;
    while (status == 0 &&
           (n = find_slots(w, Py_TYPE(instance), start, offsets)) > 0) {
        status = mo_walk_slots(w, instance, offsets, n);
        start += n;
    }
    return status;
}

/* Whether it is a class made by Python code that gave instances a __dict__. */
static bool
adds_dict(const mo_walk *w, PyTypeObject *type)
{
    return base_in_c(w, type)->tp_dictoffset == 0;
}

/* Whether nothing writes the place of the __dict__ without the instance's lock.
 * A class in C may have its own way to, as functools.partial has. */
static bool
locks_dict(const mo_walk *w, PyTypeObject *type)
{
    return adds_dict(w, type) ||
           PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT) ||
           PyExceptionClass_Check((PyObject *)type) ||
           mo_is_namespace(base_in_c(w, type));
}

/* A visitproc. */
static int
walk_referent(PyObject *object, void *w)
{
    /* Or it was, as code may have run since this instance was found. */
    const bool shared = true;
    return mo_walk_later(w, object, shared);
}

/* Walks the __dict__, if there is one already.  To ask for it would make one,
 * which takes more memory than it may save. */
static int
walk_dict(mo_walk *w, PyObject *instance)
{
    int status = 0;
    MO_BEGIN_CRITICAL_SECTION(instance);
    PyObject *dict = mo_dict_of_instance(instance);
    if (dict != NULL) {
        status = mo_walk_later(w, dict, mo_is_shared(dict, 1));
    }
    MO_END_CRITICAL_SECTION();
    return status;
}

/* Walks what a class in C shows the collector, its __dict__ too. */
static int
walk_others(mo_walk *w, PyObject *instance)
{
    traverseproc traverse = base_in_c(w, Py_TYPE(instance))->tp_traverse;
    return traverse != NULL ? traverse(instance, walk_referent, w) : 0;
}

/* Walks the places that a class made by Python code has given to an instance. */
static int
walk_own_places(mo_walk *w, PyObject *instance)
{
    int status = walk_slots(w, instance);
    return status == 0 && adds_dict(w, Py_TYPE(instance))
               ? mo_walk_attributes(w, instance)
               : status;
}

int
mo_walk_instance(mo_walk *w, PyObject *instance, Py_ssize_t *position)
{
    *position = 1;
    PyTypeObject *type = Py_TYPE(instance);
    int status = walk_own_places(w, instance);
    if (status == 0 &&
        (MO_FREE_THREADED ? locks_dict(w, type) : adds_dict(w, type))) {
        status = walk_dict(w, instance);
    }
    if (status == 0 && !MO_FREE_THREADED) {
        status = walk_others(w, instance);
    }
    return status;
}

int
mo_walk_attributes_beside(mo_walk *w, PyObject *container)
{
    int status = walk_own_places(w, container);
    if (status == 0 &&
        (MO_FREE_THREADED ? locks_dict(w, Py_TYPE(container)) : true)) {
        status = walk_dict(w, container); /* its class in C has the items */
    }
    return status;
}
