/* room.c - what the door lazymap.h promises: the room's part of the module. */
#include "lazymap/internal.h"

#include "state.h"

static const char *const attribute_names[MO_NAMES] = {
    [MO_NAME_APPEND] = "append",
    [MO_NAME_ARGS] = "args",
    [MO_NAME_FUNC] = "func",
    [MO_NAME_GETSTATE] = "__getstate__",
    [MO_NAME_REDUCE_EX] = "__reduce_ex__",
    [MO_NAME_SETSTATE] = "__setstate__",
    [MO_NAME_START] = "start",
    [MO_NAME_STEP] = "step",
    [MO_NAME_STOP] = "stop",
};

static int
names_setup(mo_lazymap_state *state)
{
    for (int i = 0; i < MO_NAMES; i++) {
        state->name[i] = PyUnicode_InternFromString(attribute_names[i]);
        if (state->name[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

int
mo_lazymap_setup(PyObject *module, mo_state *state)
{
    mo_lazymap_state *room = &state->lazymap;
    if (names_setup(room) < 0 || mo_chain_setup(module, room) < 0 ||
        mo_program_setup(module, room) < 0 ||
        mo_recognise_setup(module, room) < 0 || mo_collect_setup(module) < 0 ||
        mo_iterator_setup(module, room) < 0 ||
        mo_lazymap_type_setup(module, room) < 0 ||
        mo_oneshot_setup(module, room) < 0 ||
        mo_cache_setup(module, room) < 0 ||
        mo_slices_setup(module, room) < 0 ||
        mo_tuples_setup(module, room) < 0 ||
        mo_pickle_setup(module, room) < 0) {
        return -1;
    }
    return 0;
}

int
mo_lazymap_traverse(mo_state *state, visitproc visit, void *arg)
{
    mo_lazymap_state *room = &state->lazymap;
    Py_VISIT(room->lazymap_type);
    Py_VISIT(room->oneshot_type);
    Py_VISIT(room->iterator_type);
    Py_VISIT(room->chain_type);
    Py_VISIT(room->program_type);
    Py_VISIT(room->cache_type);
    Py_VISIT(room->slices_type);
    Py_VISIT(room->tuples_type);
    Py_VISIT(room->tuple_iterator_type);
    Py_VISIT(room->identity);
    Py_VISIT(room->sequence_abc);
    Py_VISIT(room->restore);
    Py_VISIT(room->restore_iterator);
    Py_VISIT(room->array_type);
    Py_VISIT(room->recogniser);
    for (int i = 0; i < MO_KNOWN_CALLABLES; i++) {
        Py_VISIT(room->known[i].key);
        Py_VISIT(room->known[i].answer);
    }
    Py_VISIT(room->closed_forms);
    Py_VISIT(room->get_tool);
    return 0;
}

void
mo_lazymap_clear(mo_state *state)
{
    mo_lazymap_state *room = &state->lazymap;
    Py_CLEAR(room->lazymap_type);
    Py_CLEAR(room->oneshot_type);
    Py_CLEAR(room->iterator_type);
    Py_CLEAR(room->chain_type);
    Py_CLEAR(room->program_type);
    Py_CLEAR(room->cache_type);
    Py_CLEAR(room->slices_type);
    Py_CLEAR(room->tuples_type);
    Py_CLEAR(room->tuple_iterator_type);
    Py_CLEAR(room->identity);
    Py_CLEAR(room->sequence_abc);
    Py_CLEAR(room->restore);
    Py_CLEAR(room->restore_iterator);
    Py_CLEAR(room->array_type);
    Py_CLEAR(room->recogniser);
    for (int i = 0; i < MO_KNOWN_CALLABLES; i++) {
        Py_CLEAR(room->known[i].key);
        Py_CLEAR(room->known[i].answer);
    }
    Py_CLEAR(room->closed_forms);
    Py_CLEAR(room->get_tool);
    for (int i = 0; i < MO_NAMES; i++) {
        Py_CLEAR(room->name[i]);
    }
}
