/* allocator.h - how much CPython's own allocator, pymalloc, holds and uses.
 *
 * Objects of up to 512 bytes live in its arenas; larger ones are the C heap's
 * business, see platform/memory.h. */
#ifndef MO_HEAP_ALLOCATOR_H
#define MO_HEAP_ALLOCATOR_H

#include "compat.h"

/* Bytes of all arenas, and of the blocks in use in them, each as large as it was
 * rounded up to be; both 0 if the C heap is used instead.  False if there is
 * no answer: not of mimalloc, nor from CPython 3.14 on.  Needs the GIL; takes
 * about a millisecond. */
bool
mo_pymalloc_bytes(uint64_t *held, uint64_t *used);

#endif
