/* storage.c - see storage.h. */
#include "floatmatrix/storage.h"

#include <string.h>

/* A cache line, and the widest vector any kernel loads. */
#define ALIGNMENT 64

#define Storage_CAST(op) ((StorageObject *)(op))

static char *
aligned(void *block)
{
    uintptr_t address = (uintptr_t)block + (ALIGNMENT - 1);
    return (char *)(address - address % ALIGNMENT);
}

static StorageObject *
storage_alloc(mo_floatmatrix_state *room, char typecode)
{
    PyTypeObject *type = room->StorageType;
    StorageObject *storage = Storage_CAST(type->tp_alloc(type, 0));
    if (storage != NULL) {
        storage->room = room;
        storage->typecode = typecode;
    }
    return storage;
}

StorageObject *
mo_storage_new(mo_floatmatrix_state *room, char typecode, Py_ssize_t bytes,
               bool zeroed)
{
    if (bytes > PY_SSIZE_T_MAX - ALIGNMENT) {
        PyErr_NoMemory();
        return NULL;
    }
    StorageObject *storage = storage_alloc(room, typecode);
    if (storage == NULL) {
        return NULL;
    }
    size_t padded = (size_t)bytes + ALIGNMENT;
    storage->block =
        zeroed ? PyMem_RawCalloc(padded, 1) : PyMem_RawMalloc(padded);
    if (storage->block == NULL) {
        Py_DECREF(storage);
        PyErr_NoMemory();
        return NULL;
    }
    storage->data = aligned(storage->block);
    storage->bytes = bytes;
    return storage;
}

/* Exporters of one axis, array.array among them, let shape and strides point
 * into the Py_buffer itself; a class of theirs that defines
 * __release_buffer__() reads both when it is released. */
static void
move_buffer(Py_buffer *to, const Py_buffer *from)
{
    *to = *from;
    if (from->shape == &from->len) {
        to->shape = &to->len;
    }
    if (from->strides == &from->itemsize) {
        to->strides = &to->itemsize;
    }
}

StorageObject *
mo_storage_foreign(mo_floatmatrix_state *room, char typecode, char *data,
                   bool readonly, Py_buffer *buffer, PyObject *owner)
{
    StorageObject *storage = storage_alloc(room, typecode);
    if (storage == NULL) {
        if (buffer != NULL) {
            PyBuffer_Release(buffer);
        }
        Py_XDECREF(owner);
        return NULL;
    }
    storage->data = data;
    storage->readonly = readonly;
    storage->owner = owner;
    if (buffer != NULL) {
        move_buffer(&storage->buffer, buffer);
    }
    return storage;
}

int
mo_storage_resize(StorageObject *storage, Py_ssize_t bytes)
{
    assert(storage->block != NULL && storage->exports == 0);
    if (bytes > PY_SSIZE_T_MAX - ALIGNMENT) {
        PyErr_NoMemory();
        return -1;
    }
    ptrdiff_t shift = storage->data - (char *)storage->block;
    void *block = PyMem_RawRealloc(storage->block, (size_t)bytes + ALIGNMENT);
    if (block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    char *data = aligned(block);
    if (data != (char *)block + shift) { /* realloc keeps 16 bytes, not 64 */
        Py_ssize_t kept = Py_MIN(bytes, storage->bytes);
        memmove(data, (char *)block + shift, (size_t)kept);
    }
    storage->block = block;
    storage->data = data;
    storage->bytes = bytes;
    return 0;
}

int
mo_storage_reserve(StorageObject *storage, Py_ssize_t bytes)
{
    if (bytes <= storage->bytes) {
        return 0;
    }
    Py_ssize_t spare = bytes / 8 + ALIGNMENT;
    if (bytes > PY_SSIZE_T_MAX - spare) {
        spare = 0;
    }
    return mo_storage_resize(storage, bytes + spare);
}

void
mo_storage_export(StorageObject *storage)
{
    MO_BEGIN_CRITICAL_SECTION(storage);
    storage->exports++;
    MO_END_CRITICAL_SECTION();
}

void
mo_storage_unexport(StorageObject *storage)
{
    MO_BEGIN_CRITICAL_SECTION(storage);
    assert(storage->exports > 0);
    storage->exports--;
    MO_END_CRITICAL_SECTION();
}

void
mo_storage_pin(StorageObject *storage)
{
    Py_INCREF(storage);
    mo_storage_export(storage);
}

void
mo_storage_unpin(StorageObject *storage)
{
    mo_storage_unexport(storage);
    Py_DECREF(storage);
}

/* No tp_clear, as for tuples: the references are set once, at creation, so
 * any cycle through them passes through an object that has one. */
static int
storage_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(Storage_CAST(op)->buffer.obj);
    Py_VISIT(Storage_CAST(op)->owner);
    return 0;
}

/* A matrix made of a memoryview of a matrix made of ... ends here at each
 * link, so this is where the depth of the recursion is bounded. */
static void
storage_dealloc(PyObject *op)
{
    StorageObject *storage = Storage_CAST(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, storage_dealloc);
    assert(storage->exports == 0);
    PyMem_RawFree(storage->block);
    if (storage->buffer.obj != NULL) {
        PyBuffer_Release(&storage->buffer);
    }
    Py_XDECREF(storage->owner);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyType_Slot storage_slots[] = {
    {Py_tp_dealloc, storage_dealloc},
    {Py_tp_traverse, storage_traverse},
    {0, NULL},
};

static PyType_Spec storage_spec = {
    .name = "memopt._memopt._Storage",
    .basicsize = sizeof(StorageObject),
    .flags = (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
              Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION),
    .slots = storage_slots,
};

int
mo_storage_setup(PyObject *module, mo_floatmatrix_state *room)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &storage_spec, NULL);
    room->StorageType = (PyTypeObject *)type;
    return type == NULL ? -1 : 0;
}
