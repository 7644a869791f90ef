/* recognise.c - see recognise.h. */
#include "lazymap/recognise.h"

#include "lazymap/internal.h"
#include "lazymap/program.h"
#include "state.h"

/* --- Watching tools ----------------------------------------------------------- */

/* sys.monitoring has tools 0 to 5; sys.settrace and sys.setprofile have the
 * others, and are asked otherwise. */
#define MONITORING_TOOLS 6

static bool
is_monitored(mo_lazymap_state *state)
{
    for (long tool = 0; tool < MONITORING_TOOLS; tool++) {
        PyObject *number = PyLong_FromLong(tool); /* small: cannot fail */
        PyObject *name =
            number ? PyObject_CallOneArg(state->get_tool, number) : NULL;
        bool in_use = name != Py_None;
        Py_XDECREF(number);
        Py_XDECREF(name);
        if (in_use) {
            PyErr_Clear(); /* not to know is to be watched */
            return true;
        }
    }
    return false;
}

bool
mo_is_watched(mo_lazymap_state *state)
{
    return mo_thread_is_traced() ||
           (state->get_tool != NULL && is_monitored(state));
}

/* --- Guards ------------------------------------------------------------------------ */

static bool
attribute_is(PyObject *object, PyObject *name, PyObject *expected)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL) {
        PyErr_Clear(); /* not what it was: an ordinary call */
        return false;
    }
    Py_DECREF(value);
    return value == expected;
}

bool
mo_chain_partials_are_current(mo_lazymap_state *state, const mo_chain *chain)
{
    for (int i = 0; i < chain->native; i++) {
        const mo_stage *stage = &chain->stage[i];
        PyObject *guard = stage->guard;
        if (guard != NULL && PyTuple_CheckExact(guard) &&
            (!attribute_is(stage->callable, state->name[MO_NAME_FUNC],
                           PyTuple_GET_ITEM(guard, 0)) ||
             !attribute_is(stage->callable, state->name[MO_NAME_ARGS],
                           PyTuple_GET_ITEM(guard, 1)))) {
            return false;
        }
    }
    return true;
}

/* --- Recognition ---------------------------------------------------------------------- */

/* memopt.recognition.recognise, borrowed, or NULL with an exception. */
static PyObject *
recogniser(mo_lazymap_state *state)
{
    PyObject *known = MO_LOAD_POINTER(&state->recogniser);
    if (known != NULL) {
        return known;
    }
    PyObject *module = PyImport_ImportModule("memopt.recognition");
    if (module == NULL) {
        return NULL;
    }
    PyObject *function = PyObject_GetAttrString(module, "recognise");
    Py_DECREF(module);
    return mo_fill_once(&state->recogniser, function);
}

/* What decides about the callable, borrowed: a function's code, if it is all
 * that does; NULL for a function of which that is not true. */
static PyObject *
key_of(PyObject *callable)
{
    if (!PyFunction_Check(callable)) {
        return callable;
    }
    bool plain = PyFunction_GET_DEFAULTS(callable) == NULL &&
                 PyFunction_GET_KW_DEFAULTS(callable) == NULL;
    return plain ? PyFunction_GET_CODE(callable) : NULL;
}

/* The group that a key belongs to; objects are 16 bytes apart at least. */
static mo_known_callable *
group_of(mo_lazymap_state *state, PyObject *key)
{
    size_t groups = MO_KNOWN_CALLABLES / MO_KNOWN_GROUP;
    size_t group = ((uintptr_t)key >> 4) % groups;
    return &state->known[group * MO_KNOWN_GROUP];
}

/* What is known of a key, a new reference, or NULL. */
static PyObject *
known_answer(mo_lazymap_state *state, PyObject *key, Py_ssize_t arguments)
{
    const mo_known_callable *group = group_of(state, key);
    PyObject *answer = NULL;
    MO_BEGIN_CRITICAL_SECTION(state->identity);
    for (int i = 0; i < MO_KNOWN_GROUP && answer == NULL; i++) {
        if (group[i].key == key && group[i].arguments == arguments) {
            answer = Py_NewRef(group[i].answer);
        }
    }
    MO_END_CRITICAL_SECTION();
    return answer;
}

/* A module's C function or a type of C: lasting, and never anything else. */
static bool
is_builtin(PyObject *callable)
{
    if (PyCFunction_CheckExact(callable)) {
        PyObject *self = PyCFunction_GET_SELF(callable);
        return self == NULL || PyModule_CheckExact(self);
    }
    return PyType_CheckExact(callable) &&
           !PyType_HasFeature((PyTypeObject *)callable, Py_TPFLAGS_HEAPTYPE);
}

/* Whether an answer will stay true, and its callable may be kept alive. */
static bool
can_be_kept(PyObject *callable, PyObject *answer)
{
    if (PyFunction_Check(callable) || is_builtin(callable)) {
        return true;
    }
    return PyTuple_CheckExact(answer) && PyTuple_GET_SIZE(answer) == 2 &&
           PyTuple_GET_ITEM(answer, 1) == Py_None; /* needs no guard */
}

static void
keep_answer(mo_lazymap_state *state, PyObject *key, Py_ssize_t arguments,
            PyObject *answer)
{
    mo_known_callable *group = group_of(state, key), oldest;
    MO_BEGIN_CRITICAL_SECTION(state->identity);
    oldest = group[MO_KNOWN_GROUP - 1];
    memmove(group + 1, group, (MO_KNOWN_GROUP - 1) * sizeof *group);
    group[0] =
        (mo_known_callable){Py_NewRef(key), Py_NewRef(answer), arguments};
    MO_END_CRITICAL_SECTION();
    Py_XDECREF(oldest.key);
    Py_XDECREF(oldest.answer);
}

/* What the recogniser says of a stage: (program, guard), or why there is
 * none as a str.  A new reference, or NULL with an exception. */
static PyObject *
ask(mo_lazymap_state *state, const mo_stage *stage, Py_ssize_t arguments)
{
    if (stage->kind != MO_STAGE_MAP) {
        return PyUnicode_FromString("filters call their predicates");
    }
    if (stage->called) {
        return PyUnicode_FromString("native=False");
    }
    PyObject *key = key_of(stage->callable);
    if (key == NULL) {
        return PyUnicode_FromString("it has default values");
    }
    PyObject *known = known_answer(state, key, arguments);
    if (known != NULL) {
        return known;
    }
    PyObject *function = recogniser(state);
    if (function == NULL) {
        return NULL;
    }
    Py_INCREF(key); /* the function may get other code meanwhile */
    PyObject *answer =
        PyObject_CallFunction(function, "On", stage->callable, arguments);
    if (answer != NULL && key == key_of(stage->callable) &&
        can_be_kept(stage->callable, answer)) {
        keep_answer(state, key, arguments, answer);
    }
    Py_DECREF(key);
    return answer;
}

/* Takes over the answer: 1 for a program, 0 for a reason, or -1. */
static int
take_answer(mo_lazymap_state *state, mo_chain *chain, int i, PyObject *answer)
{
    mo_stage *stage = &chain->stage[i];
    PyObject *program, *guard;
    if (PyUnicode_Check(answer)) {
        Py_XSETREF(chain->reason, answer);
        return 0;
    }
    if (!PyArg_ParseTuple(answer, "O!O:recognise", state->program_type,
                          &program, &guard)) {
        Py_DECREF(answer);
        return -1;
    }
    Py_XSETREF(stage->program, Py_NewRef(program));
    Py_XSETREF(stage->guard, guard == Py_None ? NULL : Py_NewRef(guard));
    Py_DECREF(answer);
    return 1;
}

/* The chain's lock is let go of while Python code runs. */
static int
recognise_lock_held(mo_lazymap_state *state, mo_chain *chain, Py_ssize_t n)
{
    int i = 0, more = 1;
    for (; more > 0 && i < Py_SIZE(chain) && i < MO_NATIVE_STAGES; i++) {
        PyObject *answer = ask(state, &chain->stage[i], i == 0 ? n : 1);
        if (answer == NULL || chain->native >= 0) {
            Py_XDECREF(answer); /* an error, or another call has done it */
            return answer == NULL ? -1 : 0;
        }
        more = take_answer(state, chain, i, answer);
    }
    if (more < 0) {
        return -1;
    }
    if (more > 0 && i < Py_SIZE(chain)) {
        chain->reason = PyUnicode_FromString("too many functions in a row");
        if (chain->reason == NULL) {
            return -1;
        }
    }
    MO_STORE_INT8(&chain->native, (int8_t)(i - (more == 0)));
    return 0;
}

int
mo_chain_recognise(mo_lazymap_state *state, mo_chain *chain, Py_ssize_t n)
{
    int status = 0;
    if (MO_LOAD_INT8(&chain->native) >= 0) {
        return 0;
    }
    MO_BEGIN_CRITICAL_SECTION(chain);
    if (chain->native < 0) {
        status = recognise_lock_held(state, chain, n);
    }
    MO_END_CRITICAL_SECTION();
    return status;
}

/* --- LazyMap.native ---------------------------------------------------------------------- */

/* The first source, borrowed, that has to be read by its iterator; or NULL. */
static PyObject *
source_of_objects(mo_lazymap_state *state, PyObject *sources)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sources); i++) {
        PyObject *source = PyTuple_GET_ITEM(sources, i);
        if (!PyList_CheckExact(source) && !PyTuple_CheckExact(source) &&
            !mo_is_range(source) && !mo_is_number_buffer(state, source)) {
            return source;
        }
    }
    return NULL;
}

bool
mo_lazymap_feeds(mo_lazymap *self)
{
    assert(Py_IS_TYPE(self, self->state->lazymap_type));
    return source_of_objects(self->state, self->sources) == NULL;
}

/* Why functions have to be called, a new str; or None; or NULL. */
static PyObject *
reason_for_calling(mo_lazymap *self, PyObject *sources)
{
    if (sources == NULL) {
        return PyUnicode_FromString("it is exhausted");
    }
    PyObject *source = source_of_objects(self->state, sources);
    if (source != NULL) {
        return PyUnicode_FromFormat(
            "'%.200s' is not a range, list, tuple or buffer of numbers",
            Py_TYPE(source)->tp_name);
    }
    if (mo_is_watched(self->state)) {
        return PyUnicode_FromString(
            "a tracer, profiler or monitoring tool is active");
    }
    if (Py_SIZE(self->chain) == 0) {
        return PyUnicode_FromString("it has no function");
    }
    if (mo_chain_recognise(self->state, self->chain,
                           PyTuple_GET_SIZE(sources)) < 0) {
        return NULL;
    }
    if (self->chain->reason != NULL) {
        return Py_NewRef(self->chain->reason);
    }
    if (!mo_chain_is_current(self->chain) ||
        !mo_chain_partials_are_current(self->state, self->chain)) {
        return PyUnicode_FromString("the function has been changed");
    }
    Py_RETURN_NONE;
}

PyObject *
mo_lazymap_native_reason(PyObject *op, void *closure)
{
    mo_lazymap *self = (mo_lazymap *)op;
    PyObject *chain = Py_NewRef(self->chain);
    PyObject *sources = mo_lazymap_sources(op); /* code may exhaust self */
    PyObject *reason = reason_for_calling(self, sources);
    Py_DECREF(chain);
    Py_XDECREF(sources);
    return reason;
}

PyObject *
mo_lazymap_native(PyObject *op, void *closure)
{
    PyObject *reason = mo_lazymap_native_reason(op, closure);
    if (reason == NULL) {
        return NULL;
    }
    Py_DECREF(reason);
    return PyBool_FromLong(reason == Py_None);
}

/* --- For Python ------------------------------------------------------------------------- */

static PyObject *
compile_tape(PyObject *module, PyObject *args)
{
    mo_state *state = PyModule_GetState(module);
    PyObject *tape;
    Py_ssize_t arguments;
    if (!PyArg_ParseTuple(args, "O!n:_compile", &PyTuple_Type, &tape,
                          &arguments)) {
        return NULL;
    }
    return (PyObject *)mo_program_new(&state->lazymap, tape, arguments);
}

/* For tests: what is the shortest pass that is not made by calling; the old
 * value is returned. */
static PyObject *
set_short_pass(PyObject *module, PyObject *number)
{
    mo_state *state = PyModule_GetState(module);
    Py_ssize_t old = MO_LOAD_SIZE(&state->lazymap.short_pass);
    Py_ssize_t items = PyNumber_AsSsize_t(number, PyExc_OverflowError);
    if (items == -1 && PyErr_Occurred()) {
        return NULL;
    }
    MO_STORE_SIZE(&state->lazymap.short_pass, items);
    return PyLong_FromSsize_t(old);
}

/* For tests: programs are for this instruction set from now on; the old one's
 * name is returned. */
static PyObject *
set_operations(PyObject *module, PyObject *name)
{
    mo_state *state = PyModule_GetState(module);
    const mo_operations *old = MO_LOAD_POINTER(&state->lazymap.operations);
    const char *text = PyUnicode_AsUTF8(name); /* TypeError if no str */
    const mo_operations *table = text ? mo_operations_choose(text) : NULL;
    if (text != NULL && table == NULL) {
        PyErr_Format(PyExc_ValueError, "no operations %R on this machine",
                     name);
    }
    if (table == NULL) {
        return NULL;
    }
    MO_STORE_POINTER(&state->lazymap.operations, table);
    return PyUnicode_FromString(old->name);
}

static PyMethodDef recognise_functions[] = {
    {"_compile", compile_tape, METH_VARARGS, NULL},
    {"_set_operations", set_operations, METH_O, NULL},
    {"_set_short_pass", set_short_pass, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* Recognising takes the time of some hundred calls, though only once for a
 * function; a block that of a dozen. */
#define SHORT_PASS 128

int
mo_recognise_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *monitoring = PySys_GetObject("monitoring"); /* borrowed */
    state->short_pass = SHORT_PASS;
    state->operations = mo_operations_choose(NULL);
    if (monitoring != NULL) { /* from CPython 3.12 on */
        state->get_tool = PyObject_GetAttrString(monitoring, "get_tool");
        if (state->get_tool == NULL) {
            return -1;
        }
    }
    return PyModule_AddFunctions(module, recognise_functions);
}
