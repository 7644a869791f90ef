/* block.c - see block.h. */
#include "heap/block.h"

#include "platform/memory.h"

#include <string.h>

/* Below it, malloc's own free lists keep little; an arena has 1 MiB. */
#define LEAST_PAGES ((size_t)256 * 1024)

void *
mo_block_new(size_t bytes)
{
    if (bytes < LEAST_PAGES) {
        return PyMem_RawCalloc(1, bytes);
    }
    PyObjectArenaAllocator arenas;
    PyObject_GetArenaAllocator(&arenas);
    void *block = arenas.alloc(arenas.ctx, bytes);
    if (block != NULL) {
        mo_memory_prefer_huge_pages(block, bytes);
        mo_memory_map_pages(block, bytes);
        memset(block, 0, bytes); /* an allocator that is set need not do it */
    }
    return block;
}

void
mo_block_free(void *block, size_t bytes)
{
    if (block == NULL || bytes < LEAST_PAGES) {
        PyMem_RawFree(block);
        return;
    }
    PyObjectArenaAllocator arenas;
    PyObject_GetArenaAllocator(&arenas);
    arenas.free(arenas.ctx, block, bytes);
}
