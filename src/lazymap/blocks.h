/* blocks.h - running a plan over a block of items that stays in the cache.
 *
 * A block of numbers goes through a whole plan before the next is read, so
 * that what is between two operations never leaves the first-level cache.
 * An mo_blocks owns its memory, from the raw allocator: no function here
 * needs the GIL, calls Python or sets an exception. */
#ifndef MO_LAZYMAP_BLOCKS_H
#define MO_LAZYMAP_BLOCKS_H

#include "lazymap/program.h"

/* Items in a block: 4 KB a lane, so that the three to six lanes of ordinary
 * functions fit in 32 KB of cache together. */
#define MO_BLOCK_ITEMS 512

typedef struct {
    mo_block_plan plan;          /* for `types`, if there are any */
    mo_type types[MO_ARGUMENTS]; /* MO_NO_TYPE first: no plan yet */
    bool has_plan;               /* false: there is none for `types` */
    uint8_t arguments;           /* 1..MO_ARGUMENTS */
    bool numpy;                  /* the arguments are NumPy's scalars */
    Py_ssize_t programs;         /* how many, at least 1 */
    size_t room;                 /* items that a lane has room for */
    int lanes;                   /* lanes that there is memory for */
    mo_value *memory;            /* owned: `lanes` times `room` items; or
                                    NULL, until the first block */
    /* Where the lanes are: in `memory` but for arguments read in place.
     * Constant lanes are filled. */
    const void *lane[MO_PLAN_LANES];
} mo_blocks;

/* Takes no memory yet: a pass may never run a block. */
void
mo_blocks_open(mo_blocks *blocks, int arguments, size_t room);

void
mo_blocks_close(mo_blocks *blocks);

/* Makes sure of memory for the arguments: false if there is none. */
bool
mo_blocks_reserve(mo_blocks *blocks);

/* The memory for an argument's items, once there is any. */
static inline mo_value *
mo_blocks_argument(mo_blocks *blocks, int argument)
{
    return blocks->memory + (size_t)argument * blocks->room;
}

/* Makes ready to run the programs, one after the other, on arguments of these
 * types.  False if that cannot be done exactly, or for want of memory. */
bool
mo_blocks_prepare(mo_blocks *blocks, mo_program *const *programs,
                  const mo_type *types);

/* Runs the plan over n <= room items: the lane of the results, or NULL if it
 * has none for one of them.  `place`, unless it is NULL, is where the last step
 * should write: n items, aligned, and none of the arguments'. */
const void *
mo_blocks_run(mo_blocks *blocks, size_t n, mo_value *place);

#endif
