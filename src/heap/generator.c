/* generator.c - see generator.h.
 *
 * The variables lie where the basic size of the type ends, in all of CPython 3.11
 * to 3.15, but once the code has ended nothing is there any more, and whether it
 * has is told differently by each.  So tp_traverse is asked, which goes through
 * them in order, and what it tells is looked for there, not read from there. */
#include "heap/generator.h"

bool
mo_is_generator(PyObject *obj)
{
    return PyGen_CheckExact(obj) || PyCoro_CheckExact(obj) ||
           PyAsyncGen_CheckExact(obj);
}

typedef struct {
    PyCodeObject *code;
    const uintptr_t
        *slots;          /* of the variables: addresses, from 3.14 on tagged */
    Py_ssize_t next;     /* the first that none was found in yet */
    bool after_function; /* the last told was one */
    bool within;         /* the frame: what is told now are variables */
    mo_visit_variable visit;
    void *argument;
} traversal;

#define TAGS ((uintptr_t)7)

static PyObject *
name_of(traversal *t, PyObject *value)
{
    PyObject *names = t->code->co_localsplusnames;
    for (Py_ssize_t i = t->next; i < PyTuple_GET_SIZE(names); i++) {
        if ((t->slots[i] & ~TAGS) == (uintptr_t)value) {
            t->next = i + 1;
            return PyTuple_GET_ITEM(names, i);
        }
    }
    return NULL;
}

/* The frame's function and code, one after the other, are told before its
 * variables; the generator's own names, which one of these may be too, before. */
static int
visit_named(PyObject *obj, void *argument)
{
    traversal *t = argument;
    PyObject *name = t->within ? name_of(t, obj) : NULL;
    t->within |= t->after_function && obj == (PyObject *)t->code;
    t->after_function = PyFunction_Check(obj);
    return t->visit(name, obj, t->argument);
}

int
mo_generator_traverse(PyObject *generator, mo_visit_variable visit,
                      void *argument)
{
    PyTypeObject *type = Py_TYPE(generator);
    const void *end = (const char *)generator + type->tp_basicsize;
    traversal t = {.code = mo_generator_code(generator),
                   .slots = end,
                   .visit = visit,
                   .argument = argument};
    return type->tp_traverse(generator, visit_named, &t);
}

static int
add_variable(PyObject *name, PyObject *value, void *variables)
{
    PyObject *content =
        name != NULL && PyCell_Check(value) ? PyCell_GET(value) : value;
    bool is_set = name != NULL && content != NULL;
    return is_set ? PyDict_SetItem(variables, name, content) : 0;
}

PyObject *
mo_variables(PyObject *generator)
{
    if (!mo_is_generator(generator)) {
        PyErr_SetString(PyExc_TypeError,
                        "_variables() wants a generator, "
                        "coroutine or asynchronous generator");
        return NULL;
    }
    PyObject *variables = PyDict_New();
    if (variables != NULL &&
        mo_generator_traverse(generator, add_variable, variables) < 0) {
        Py_CLEAR(variables);
    }
    return variables;
}
