/* marks.c - see marks.h. */
#include "heap/marks.h"

#include "heap/block.h"

#include <string.h>

#define MIB_SHIFT 20
#define PLACE_BYTES (2 * sizeof(void *))
#define WORDS_PER_PAGE (((size_t)1 << MIB_SHIFT) / PLACE_BYTES / 64)
#define PAGE_BYTES (WORDS_PER_PAGE * sizeof(uint64_t))
#define FIRST_PAGES 4

static bool
make_room(mo_marks *marks)
{
    if (marks->used < marks->capacity) {
        return true;
    }
    size_t wanted = marks->capacity != 0 ? 2 * marks->capacity : FIRST_PAGES;
    uint64_t *pages = mo_block_new(wanted * PAGE_BYTES);
    if (pages == NULL) {
        return false;
    }
    if (marks->used != 0) {
        memcpy(pages, marks->pages, marks->used * PAGE_BYTES);
    }
    mo_block_free(marks->pages, marks->capacity * PAGE_BYTES);
    marks->pages = pages;
    marks->capacity = wanted;
    return true;
}

/* Makes the page of a MiB the last one asked for; false without memory. */
static bool
turn_to_page(mo_marks *marks, uint64_t mib)
{
    uint32_t page = mo_table_get(&marks->index, mib, UINT32_MAX);
    if (page == UINT32_MAX) {
        page = (uint32_t)marks->used;
        marks->last_mib = 0; /* the pages may move */
        marks->index.is_map = true;
        if (!make_room(marks) || mo_table_add(&marks->index, mib, page) < 0) {
            return false;
        }
        marks->used++;
    }
    marks->last_mib = mib;
    marks->last_page = marks->pages + page * WORDS_PER_PAGE;
    return true;
}

int
mo_marks_add(mo_marks *marks, const void *address)
{
    uint64_t mib = ((uint64_t)(uintptr_t)address >> MIB_SHIFT) + 1;
    if (mib != marks->last_mib && !turn_to_page(marks, mib)) {
        return -1;
    }
    size_t place =
        ((uintptr_t)address & (((uintptr_t)1 << MIB_SHIFT) - 1)) / PLACE_BYTES;
    uint64_t *word = marks->last_page + place / 64;
    uint64_t bit = UINT64_C(1) << place % 64;
    bool is_new = (*word & bit) == 0;
    *word |= bit;
    return is_new;
}

void
mo_marks_clear(mo_marks *marks)
{
    mo_table_clear(&marks->index);
    mo_block_free(marks->pages, marks->capacity * PAGE_BYTES);
    memset(marks, 0, sizeof(*marks));
}

size_t
mo_marks_bytes(const mo_marks *marks)
{
    return mo_table_bytes(&marks->index) + marks->capacity * PAGE_BYTES;
}
