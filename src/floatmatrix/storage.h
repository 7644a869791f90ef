/* storage.h - the memory behind a FloatMatrix and every view of it.
 *
 * A storage owns either a block from PyMem_Raw* or what keeps foreign memory
 * alive: a Py_buffer or a Python object.  Its data may move whenever it is
 * resized, so nobody keeps a pointer across a call that can run Python code;
 * views keep offsets.  While exports > 0 (buffers, NumPy arrays, DLPack
 * tensors) it is never resized.
 *
 * Its critical section guards what may change, and the items: whoever reads
 * or writes those holds it, or an export. */
#ifndef MO_FLOATMATRIX_STORAGE_H
#define MO_FLOATMATRIX_STORAGE_H

#include "floatmatrix/floatmatrix.h"

/* Typecodes as in array.array: the C type of every item of a storage. */
#define MO_FLOAT64 'd'
#define MO_FLOAT32 'f'

typedef struct {
    PyObject_HEAD
    /* Borrowed: lives in the module, which this object's type keeps alive. */
    mo_floatmatrix_state *room;
    char *data;         /* first byte; a multiple of 64 in an own block */
    void *block;        /* owned: what data lies in; NULL if foreign */
    Py_ssize_t bytes;   /* usable from data on, >= those used; 0 if foreign */
    Py_ssize_t exports; /* how many others hold `data` itself */
    Py_buffer buffer;   /* owned if buffer.obj is not NULL */
    PyObject *owner;    /* owned; keeps foreign memory alive; or NULL */
    char typecode;      /* MO_FLOAT64 or MO_FLOAT32 */
    bool readonly;
} StorageObject;

/* A new block of `bytes` bytes, zeroed on demand: large zeroed blocks are
 * pages the system has not yet had to provide. */
StorageObject *
mo_storage_new(mo_floatmatrix_state *room, char typecode, Py_ssize_t bytes,
               bool zeroed);

/* Foreign memory at `data`.  Takes over *buffer (may be NULL) and the
 * reference to owner (may be NULL), also on failure. */
StorageObject *
mo_storage_foreign(mo_floatmatrix_state *room, char typecode, char *data,
                   bool readonly, Py_buffer *buffer, PyObject *owner);

/* Grows or shrinks an own block, which may move.  0, or -1 with MemoryError
 * and the block as it was.  The caller has checked exports. */
int
mo_storage_resize(StorageObject *storage, Py_ssize_t bytes);

/* Room for at least `bytes`, with an eighth to spare if it must grow, so that
 * appending rows one by one moves each byte a bounded number of times. */
int
mo_storage_reserve(StorageObject *storage, Py_ssize_t bytes);

/* Keeps the data in its place until mo_storage_unexport(); the caller owns a
 * reference for as long. */
void
mo_storage_export(StorageObject *storage);

void
mo_storage_unexport(StorageObject *storage);

/* The same, with a reference of its own. */
void
mo_storage_pin(StorageObject *storage);

void
mo_storage_unpin(StorageObject *storage);

int
mo_storage_setup(PyObject *module, mo_floatmatrix_state *room);

#endif
