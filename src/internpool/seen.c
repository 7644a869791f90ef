/* seen.c - see seen.h. */
#include "internpool/seen.h"

#define MIN_PLACES 64

/* The entry of the object, or the free one where it belongs. */
static mo_seen_entry *
entry_of(const mo_seen *seen, PyObject *object)
{
    /* Fibonacci hashing (Knuth, TAOCP vol. 3, 6.4); objects are 16 apart. */
    uint64_t hash =
        (uint64_t)((uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(hash >> 32) & (seen->places - 1);
    while (seen->entries[i].object != NULL &&
           seen->entries[i].object != object) {
        i = (i + 1) & (seen->places - 1);
    }
    return &seen->entries[i];
}

static int
grow(mo_seen *seen)
{
    const mo_seen old = *seen;
    size_t places = old.places > 0 ? old.places * 2 : MIN_PLACES;
    mo_seen_entry *entries = PyMem_Calloc(places, sizeof *entries);
    if (entries == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *seen = (mo_seen){entries, places, old.count};
    for (size_t i = 0; i < old.places; i++) {
        if (old.entries[i].object != NULL) {
            *entry_of(seen, old.entries[i].object) = old.entries[i];
        }
    }
    PyMem_Free(old.entries);
    return 0;
}

mo_seen_entry *
mo_seen_find(const mo_seen *seen, PyObject *object)
{
    if (seen->places == 0) {
        return NULL;
    }
    mo_seen_entry *entry = entry_of(seen, object);
    return entry->object == object ? entry : NULL;
}

int
mo_seen_add(mo_seen *seen, PyObject *object)
{
    if (mo_seen_find(seen, object) != NULL) {
        return 1;
    }
    if (seen->count == seen->places / 2 && grow(seen) < 0) {
        return -1;
    }
    entry_of(seen, object)->object = Py_NewRef(object);
    seen->count++;
    return 0;
}

void
mo_seen_free(mo_seen *seen)
{
    mo_seen all = *seen;
    *seen = (mo_seen){NULL, 0, 0};
    for (size_t i = 0; i < all.places; i++) {
        Py_XDECREF(all.entries[i].object);
        Py_XDECREF(all.entries[i].instead);
    }
    PyMem_Free(all.entries);
}
