/* block.h - memory that goes back to the system when it is freed.
 *
 * malloc may keep tens of megabytes of what the scan gives back, which would
 * then count as the program's.  Large blocks come from CPython's arena
 * allocator (mmap, VirtualAlloc), small ones from PyMem_Raw*. */
#ifndef MO_HEAP_BLOCK_H
#define MO_HEAP_BLOCK_H

#include "compat.h"

/* Zeroed memory, or NULL; needs no GIL. */
void *
mo_block_new(size_t bytes);

/* Frees what mo_block_new(bytes) returned, or NULL. */
void
mo_block_free(void *block, size_t bytes);

#endif
