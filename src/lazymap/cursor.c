/* cursor.c - see cursor.h. */
#include "lazymap/cursor.h"

/* An attribute of a range as a long long: 0, or -1 if it does not fit (no
 * exception) or cannot be had (with one). */
static int
range_attribute(PyObject *range, PyObject *name, long long *value)
{
    int overflow;
    PyObject *number = PyObject_GetAttr(range, name);
    if (number == NULL) {
        return -1;
    }
    *value = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    return overflow || (*value == -1 && PyErr_Occurred()) ? -1 : 0;
}

/* Values lie between start and stop, so that they fit if those do. */
static int
open_range(mo_lazymap_state *state, mo_cursor *cursor, PyObject *range)
{
    long long stop;
    PyObject **name = state->name;
    if (range_attribute(range, name[MO_NAME_START], &cursor->value) < 0 ||
        range_attribute(range, name[MO_NAME_STOP], &stop) < 0 ||
        range_attribute(range, name[MO_NAME_STEP], &cursor->stride) < 0) {
        return -1;
    }
    cursor->remaining = PyObject_Size(range);
    if (cursor->remaining < 0) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear(); /* such a range has to be iterated */
        }
        return -1;
    }
    cursor->object = Py_NewRef(range);
    cursor->kind = MO_CURSOR_RANGE;
    return 0;
}

/* Those recurse into this file, and must be stopped before the stack is. */
static bool
is_own_iterator(mo_lazymap_state *state, PyObject *iterator)
{
    return Py_IS_TYPE(iterator, state->iterator_type) ||
           Py_IS_TYPE(iterator, state->tuple_iterator_type) ||
           PyObject_TypeCheck(iterator, state->oneshot_type);
}

static int
open_iterator(mo_lazymap_state *state, mo_cursor *cursor, PyObject *source)
{
    cursor->object = PyObject_GetIter(source);
    if (cursor->object == NULL) {
        return -1;
    }
    if (mo_source_is_sized(state, source)) {
        cursor->sized = Py_NewRef(source);
    }
    cursor->kind = is_own_iterator(state, cursor->object) ? MO_CURSOR_NESTED
                                                          : MO_CURSOR_ITER;
    return 0;
}

static int
open_whole(mo_lazymap_state *state, mo_cursor *cursor, PyObject *source)
{
    if (mo_is_range(source)) {
        if (open_range(state, cursor, source) == 0) {
            return 0;
        }
        return PyErr_Occurred() ? -1 : open_iterator(state, cursor, source);
    }
    if (PyList_CheckExact(source)) {
        cursor->kind = MO_CURSOR_LIST;
    }
    else if (PyTuple_CheckExact(source)) {
        cursor->kind = MO_CURSOR_TUPLE;
    }
    else if (mo_is_number_buffer(state, source)) {
        cursor->kind = MO_CURSOR_BUFFER;
    }
    else if (Py_IS_TYPE(source, state->cache_type)) {
        cursor->kind = MO_CURSOR_GETTER;
        cursor->get = mo_cache_get;
        cursor->retries = mo_cache_pulls(source);
    }
    else if (Py_IS_TYPE(source, state->slices_type)) {
        cursor->kind = MO_CURSOR_GETTER;
        cursor->get = mo_slices_get;
        cursor->retries = mo_slices_may_pull(source);
    }
    else {
        return open_iterator(state, cursor, source);
    }
    cursor->object = Py_NewRef(source);
    return 0;
}

static int
open_window(mo_lazymap_state *state, mo_cursor *cursor, PyObject *source,
            const mo_window *window)
{
    if (mo_is_range(source)) {
        PyObject *slice = mo_window_as_slice(window);
        PyObject *part = slice ? PyObject_GetItem(source, slice) : NULL;
        int status = part ? open_whole(state, cursor, part) : -1;
        Py_XDECREF(slice);
        Py_XDECREF(part);
        return status;
    }
    cursor->index = window->start;
    cursor->step = window->step;
    cursor->remaining = window->length;
    cursor->object = Py_NewRef(source);
    cursor->kind =
        PyList_CheckExact(source) ? MO_CURSOR_STRIDE : MO_CURSOR_WINDOW;
    return 0;
}

int
mo_cursor_open(mo_lazymap_state *state, mo_cursor *cursor, PyObject *source,
               const mo_window *window)
{
    *cursor = (mo_cursor){.kind = MO_CURSOR_ENDED};
    return window ? open_window(state, cursor, source, window)
                  : open_whole(state, cursor, source);
}

void
mo_cursor_end(mo_cursor *cursor)
{
    cursor->kind = MO_CURSOR_ENDED;
    Py_CLEAR(cursor->object);
    Py_CLEAR(cursor->sized);
}

int
mo_cursor_traverse(mo_cursor *cursor, visitproc visit, void *arg)
{
    Py_VISIT(cursor->object);
    Py_VISIT(cursor->sized);
    return 0;
}

PyObject *
mo_cursor_save(const mo_cursor *cursor)
{
    switch (cursor->kind) {
        case MO_CURSOR_STRIDE:
        case MO_CURSOR_WINDOW:
            return Py_BuildValue("Onnn", cursor->object, cursor->index,
                                 cursor->step, cursor->remaining);
        case MO_CURSOR_RANGE: {
            Py_ssize_t length = PyObject_Size(cursor->object);
            return Py_BuildValue("Onnn", cursor->object,
                                 length - cursor->remaining, (Py_ssize_t)1,
                                 cursor->remaining);
        }
        case MO_CURSOR_ITER:
        case MO_CURSOR_NESTED:
            return Py_BuildValue("OnOO", cursor->object, (Py_ssize_t)0,
                                 Py_None, Py_None);
        default:
            return Py_BuildValue("OnOO", cursor->object, cursor->index,
                                 Py_None, Py_None);
    }
}

static int
restore_window(mo_lazymap_state *state, mo_cursor *cursor, PyObject *saved)
{
    PyObject *source;
    mo_window window;
    if (!PyArg_ParseTuple(saved, "Onnn:LazyMap cursor", &source, &window.start,
                          &window.step, &window.length)) {
        return -1;
    }
    int kind = mo_source_kind(state, source);
    if (kind < 0) {
        return -1;
    }
    if (kind != MO_SEQUENCE || !mo_window_is_valid(&window)) {
        PyErr_SetString(PyExc_ValueError, "not a window on a Sequence");
        return -1;
    }
    return mo_cursor_open(state, cursor, source, &window);
}

int
mo_cursor_restore(mo_lazymap_state *state, mo_cursor *cursor, PyObject *saved)
{
    PyObject *source, *step, *remaining;
    Py_ssize_t index;
    *cursor = (mo_cursor){.kind = MO_CURSOR_ENDED};
    if (!PyTuple_Check(saved)) {
        PyErr_SetString(PyExc_TypeError, "a LazyMap cursor must be a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(saved, "OnOO:LazyMap cursor", &source, &index, &step,
                          &remaining)) {
        return -1;
    }
    if (remaining != Py_None) {
        return restore_window(state, cursor, saved);
    }
    if (mo_cursor_open(state, cursor, source, NULL) < 0) {
        return -1;
    }
    bool indexed =
        cursor->kind == MO_CURSOR_LIST || cursor->kind == MO_CURSOR_TUPLE ||
        cursor->kind == MO_CURSOR_BUFFER || cursor->kind == MO_CURSOR_GETTER;
    if (index < 0 || (index > 0 && !indexed)) {
        PyErr_SetString(PyExc_ValueError, "not an index of a LazyMap cursor");
        return -1;
    }
    cursor->index = index;
    return 0;
}

static PyObject *
next_in_window(mo_cursor *cursor, PyObject *sequence)
{
    if (cursor->remaining == 0) {
        return NULL;
    }
    return mo_source_item(sequence, mo_cursor_next_index(cursor));
}

/* As the iterators of these types: until there is no such index. */
static PyObject *
next_in_buffer(mo_cursor *cursor, PyObject *source)
{
    PyObject *item = PySequence_GetItem(source, cursor->index);
    if (item != NULL) {
        cursor->index++;
    }
    else if (PyErr_ExceptionMatches(PyExc_IndexError)) {
        PyErr_Clear(); /* the end */
    }
    return item;
}

static PyObject *
next_by_getter(mo_cursor *cursor, PyObject *source)
{
    Py_ssize_t index = cursor->index++;
    PyObject *item = cursor->get(source, index);
    if (item == NULL && cursor->retries && cursor->index == index + 1) {
        cursor->index = index;
    }
    return item;
}

PyObject *
mo_cursor_next_other(mo_cursor *cursor)
{
    PyObject *item = NULL;
    if (cursor->kind == MO_CURSOR_ENDED) {
        return NULL;
    }
    /* LazyMaps over LazyMaps over ... are iterated by recursion. */
    if (Py_EnterRecursiveCall(" while iterating over a LazyMap")) {
        return NULL;
    }
    PyObject *object = Py_NewRef(cursor->object);
    if (cursor->kind == MO_CURSOR_WINDOW) {
        item = next_in_window(cursor, object);
    }
    else if (cursor->kind == MO_CURSOR_BUFFER) {
        item = next_in_buffer(cursor, object);
    }
    else if (cursor->kind == MO_CURSOR_GETTER) {
        item = next_by_getter(cursor, object);
    }
    else {
        item = mo_cursor_iterate(cursor);
    }
    Py_DECREF(object);
    Py_LeaveRecursiveCall();
    return item;
}

/* What a length says after `index` items of it have been read. */
static Py_ssize_t
rest_of(Py_ssize_t length, Py_ssize_t index)
{
    if (length < 0) {
        return -2;
    }
    return length > index ? length - index : 0;
}

Py_ssize_t
mo_cursor_remaining(mo_lazymap_state *state, mo_cursor *cursor)
{
    switch (cursor->kind) {
        case MO_CURSOR_LIST:
            return rest_of(PyList_GET_SIZE(cursor->object), cursor->index);
        case MO_CURSOR_TUPLE:
            return rest_of(PyTuple_GET_SIZE(cursor->object), cursor->index);
        case MO_CURSOR_RANGE:
        case MO_CURSOR_STRIDE:
        case MO_CURSOR_WINDOW:
            return cursor->remaining;
        case MO_CURSOR_ENDED:
            return 0;
        case MO_CURSOR_BUFFER: {
            Py_ssize_t length = PyObject_Size(cursor->object);
            return rest_of(length, cursor->index);
        }
        default:
            break;
    }
    Py_ssize_t hint = -1;
    PyObject *source = cursor->sized ? cursor->sized : cursor->object;
    Py_INCREF(source); /* __len__ may end this cursor */
    if (cursor->kind != MO_CURSOR_GETTER && cursor->sized == NULL) {
        hint = PyObject_LengthHint(source, -1);
        hint = hint < 0 && PyErr_Occurred() ? -2 : hint;
    }
    else if (!mo_source_may_pull(state, source)) {
        hint = mo_source_length(state, source, PY_SSIZE_T_MAX);
        hint = rest_of(hint, cursor->index);
    }
    Py_DECREF(source);
    return hint;
}
