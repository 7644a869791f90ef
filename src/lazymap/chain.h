/* chain.h - what a LazyMap does to each item: functions and predicates.
 *
 * A chain is shared by the LazyMaps and iterators that run it, each of which
 * owns a reference; it owns its callables.  It never changes, but for the
 * programs that are found once, when it is first run.  It is a Python
 * object so that the collector sees through it, but no caller ever does. */
#ifndef MO_LAZYMAP_CHAIN_H
#define MO_LAZYMAP_CHAIN_H

#include "lazymap/lazymap.h"

typedef enum {
    MO_STAGE_MAP,    /* the value becomes callable(value) */
    MO_STAGE_FILTER, /* the value is dropped unless callable(value) is true */
} mo_stage_kind;

/* As many stages as one program is made of; later ones are called. */
#define MO_NATIVE_STAGES 16

typedef struct {
    mo_stage_kind kind;
    bool called;        /* native=False: never a program */
    PyObject *callable; /* owned; a filter's None tests the value itself */
    PyObject *program;  /* owned mo_program, once recognised; or NULL */
    PyObject *guard;    /* owned: what the callable must still have for the
                           program to be what it does (see recognise.h); NULL
                           if it cannot change */
} mo_stage;

typedef struct {
    PyVarObject ob_base; /* ob_size: how many stages; 0 changes nothing */
    bool filters;        /* one of them is a filter */
    int8_t native;       /* how many, from the first on, are programs; -1
                            before mo_chain_recognise */
    PyObject *reason;    /* owned str: why not all are; NULL if they are */
    mo_stage stage[];
} mo_chain;

/* A new chain: those of `base`, then one more.  TypeError for a callable
 * that is none.  `called`: never make a program of it. */
mo_chain *
mo_chain_extend(mo_lazymap_state *state, const mo_chain *base,
                mo_stage_kind kind, PyObject *callable, bool called);

/* After a stage failed: its StopIteration, which would end the caller's loop
 * as if the sources had, becomes the cause of a RuntimeError (PEP 479). */
void
mo_chain_failed(void);

/* Whether a filter stage lets the value pass: 1, 0, or -1 with an error. */
int
mo_stage_passes(const mo_stage *stage, PyObject *value);

/* Runs the stages from number `first` on over a value, which it takes over.
 * Returns a new reference, or NULL: with an exception set if a stage failed,
 * without if a filter dropped the value. */
static inline PyObject *
mo_chain_apply(const mo_chain *chain, Py_ssize_t first, PyObject *value)
{
    for (Py_ssize_t i = first; i < Py_SIZE(chain); i++) {
        const mo_stage *stage = &chain->stage[i];
        if (stage->kind == MO_STAGE_MAP) {
            PyObject *mapped = PyObject_CallOneArg(stage->callable, value);
            Py_DECREF(value);
            if (mapped == NULL) {
                mo_chain_failed();
                return NULL;
            }
            value = mapped;
        }
        else if (mo_stage_passes(stage, value) <= 0) {
            Py_DECREF(value);
            return NULL;
        }
    }
    return value;
}

/* As many arguments as are passed without allocating; CPython's own map()
 * has room for 5 too. */
#define MO_SMALL_ARGUMENTS 5

/* The items, one of each source, for one call. */
typedef struct {
    PyObject **value; /* `taken` owned references, room for n; value[-1] is
                         scratch (PY_VECTORCALL_ARGUMENTS_OFFSET) */
    Py_ssize_t taken;
    PyObject *small[MO_SMALL_ARGUMENTS + 1];
} mo_arguments;

/* Room for n arguments, none taken yet; 0, or -1 and MemoryError. */
static inline int
mo_arguments_open(mo_arguments *args, Py_ssize_t n)
{
    args->value = args->small + 1;
    args->taken = 0;
    if (n > MO_SMALL_ARGUMENTS) {
        PyObject **room = PyMem_New(PyObject *, n + 1);
        if (room == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        args->value = room + 1;
    }
    return 0;
}

static inline void
mo_arguments_close(mo_arguments *args)
{
    for (Py_ssize_t i = 0; i < args->taken; i++) {
        Py_DECREF(args->value[i]);
    }
    if (args->value != args->small + 1) {
        PyMem_Free(args->value - 1);
    }
}

/* Whether a chain can be run on several items: it begins with a function. */
static inline bool
mo_chain_takes_several(const mo_chain *chain)
{
    return Py_SIZE(chain) > 0 && chain->stage[0].kind == MO_STAGE_MAP;
}

/* As mo_chain_apply from the first stage on, which gets several items. */
static inline PyObject *
mo_chain_call(const mo_chain *chain, const mo_arguments *args)
{
    assert(args->taken > 1 && mo_chain_takes_several(chain));
    size_t count = (size_t)args->taken | PY_VECTORCALL_ARGUMENTS_OFFSET;
    PyObject *value = PyObject_Vectorcall(chain->stage[0].callable,
                                          args->value, count, NULL);
    if (value == NULL) {
        mo_chain_failed();
        return NULL;
    }
    return mo_chain_apply(chain, 1, value);
}

/* (("map", f), ("filter", p), ...), for pickles. */
PyObject *
mo_chain_as_tuple(const mo_chain *chain);

/* Its inverse: TypeError or ValueError if it is not such a tuple. */
mo_chain *
mo_chain_from_tuple(mo_lazymap_state *state, PyObject *stages);

#endif
