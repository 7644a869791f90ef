/* marks.c - see marks.h. */
#include "heap/marks.h"

#include "heap/block.h"

#include <string.h>

#define PAGE_BYTES (MO_PLACES_PER_PAGE / 8)
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

size_t
mo_marks_page(mo_marks *marks, uint64_t mib)
{
    size_t page = mo_table_get(&marks->index, mib, UINT32_MAX);
    if (page == UINT32_MAX) {
        page = marks->used;
        marks->index.is_map = true;
        if (!make_room(marks) ||
            mo_table_add(&marks->index, mib, (uint32_t)page) < 0) {
            return SIZE_MAX;
        }
        marks->used++;
    }
    marks->recent[mib % MO_RECENT_PAGES] = (mo_recent_page){mib, page};
    return page;
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
