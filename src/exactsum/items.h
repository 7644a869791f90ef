/* items.h - numbers of any format, equally spaced in memory, into a sum.
 *
 * An mo_intake takes runs of items of one format.  What lies as the kernels
 * want it is summed where it is; the rest is packed, and floats are widened,
 * in pieces that stay in the first-level cache.  Integers never become floats:
 * they are summed as integers.  Runs no Python code, so that it needs no GIL.
 * The struct is its caller's (32 kB: on the stack, but not of a recursion) and
 * one thread's; the items are borrowed for the call. */
#ifndef MO_EXACTSUM_ITEMS_H
#define MO_EXACTSUM_ITEMS_H

#include "exactsum/ladder.h"

typedef enum {
    MO_ITEM_FLOAT,  /* IEEE 754 half, single or double, by size */
    MO_ITEM_SIGNED, /* two's complement */
    MO_ITEM_UNSIGNED,
    MO_ITEM_BOOL, /* true if not zero */
} mo_item_kind;

typedef struct {
    mo_item_kind kind;
    size_t size;  /* bytes: 1, 2, 4 or 8 */
    bool swapped; /* in the byte order that this machine has not */
} mo_item;

/* Bytes that are packed before they are summed: a third of the smallest
 * first-level cache. */
#define MO_PIECE_BYTES 16384

typedef struct {
    mo_item item;
    mo_accumulator *total; /* borrowed: where everything goes */
    mo_ladder *ladder;     /* borrowed: for floats */
    size_t packed;         /* bytes waiting in piece */
    /* Items of item.size, in this machine's byte order, one after another. */
    union {
        uint64_t alignment;
        char bytes[MO_PIECE_BYTES];
    } piece;
} mo_intake;

void
mo_intake_init(mo_intake *intake, mo_ladder *ladder, mo_item item,
               mo_accumulator *total);

/* n items, `stride` bytes apart: any sign, any alignment, also zero.  Only
 * between mo_fpenv_enter() and mo_fpenv_leave(), as the next. */
void
mo_intake_add(mo_intake *intake, const char *first, size_t n,
              ptrdiff_t stride);

/* Ends it: only now is everything in *total. */
void
mo_intake_finish(mo_intake *intake);

#endif
