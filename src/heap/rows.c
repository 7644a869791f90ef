/* rows.c - see scan.h: the nodes and rows of a scan, each found again by what it
 * stands for.
 *
 * Most lookups repeat one of the last: records of one shape follow each other.
 * A cache of one slot each answers those by comparing what was asked, without
 * a hash of a name's contents. */
#include "heap/scan.h"

#include "heap/block.h"
#include "heap/findings.h"

#include <string.h>

/* Beyond this many steps a path ends: linked lists are as long as they like. */
#define MAX_DEPTH 12

/* A dict with more keys than this below one node is a mapping, not a record:
 * its further values are items. */
#define MAX_KEYS 64

#define NO_ROW UINT32_MAX

/* Room for one more in a growing array of `size`-byte items; NULL, and the
 * scan is over, without memory. */
void *
mo_scan_make_room(mo_scan *scan, void *items, size_t used, size_t *capacity,
                  size_t size)
{
    if (used < *capacity) {
        return items;
    }
    size_t wanted = *capacity != 0 ? 2 * *capacity : 64;
    void *bigger =
        wanted <= SIZE_MAX / size ? mo_block_new(wanted * size) : NULL;
    if (bigger == NULL) {
        scan->out_of_memory = true;
        return NULL;
    }
    if (used != 0) {
        memcpy(bigger, items, used * size);
        mo_block_free(items, *capacity * size);
    }
    *capacity = wanted;
    return bigger;
}

/* ---- nodes --------------------------------------------------------------- */

/* A hash of two numbers, different for all small ones: the multiples of the
 * golden ratio lie far apart (Knuth, vol. 3, 6.4). */
static uint64_t
mix(uint64_t a, uint64_t b)
{
    uint64_t h = a * UINT64_C(0x9E3779B97F4A7C15) + b;
    h = (h ^ h >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return h ^ h >> 32;
}

static uint32_t
new_node(mo_scan *scan, uint32_t parent, mo_step step, PyObject *name,
         uint64_t key)
{
    mo_node *nodes = mo_scan_make_room(scan, scan->nodes, scan->n_nodes,
                                       &scan->nodes_capacity, sizeof(mo_node));
    if (nodes == NULL) {
        return parent;
    }
    scan->nodes = nodes;
    uint32_t node = (uint32_t)scan->n_nodes;
    if (mo_table_add(&scan->node_index, key, node) < 0) {
        scan->out_of_memory = true;
        return parent;
    }
    nodes[node] = (mo_node){.parent = parent,
                            .step = (uint8_t)step,
                            .depth = (uint8_t)(nodes[parent].depth + 1),
                            .name = name};
    nodes[parent].children += nodes[parent].children < UINT16_MAX;
    scan->n_nodes++;
    return node;
}

/* A name that is the key of a dict has been hashed; one that is not is a root's, or
 * a function's, of which equal ones may have been or not. */
static uint64_t
hash_of_name(mo_step step, PyObject *name)
{
    Py_hash_t known = ((PyASCIIObject *)name)->hash;
    return known != -1 && step != MO_STEP_CALL ? (uint64_t)known
                                               : mo_content_hash(name);
}

/* Nodes with the same parent, step and name are one; names are equal if their
 * contents are. */
static uint32_t
find_node(mo_scan *scan, uint32_t parent, mo_step step, PyObject *name)
{
    uint64_t hash = 0;
    if (name != NULL) {
        hash = PyUnicode_Check(name) ? hash_of_name(step, name)
                                     : (uint64_t)(uintptr_t)name;
    }
    uint64_t key = mix(mix(parent, (uint64_t)step), hash);
    uint32_t found = mo_table_get(&scan->node_index, key, 0);
    if (found != 0) {
        return found;
    }
    if (step == MO_STEP_KEY && scan->nodes[parent].children >= MAX_KEYS) {
        return find_node(scan, parent, MO_STEP_ITEM, NULL);
    }
    return new_node(scan, parent, step, name, key);
}

uint32_t
mo_scan_node(mo_scan *scan, uint32_t parent, mo_step step, PyObject *name)
{
    if (scan->nodes[parent].depth >= MAX_DEPTH) {
        return parent;
    }
    uint32_t kind = (uint32_t)step;
    mo_recent *slot = mo_recent_slot(scan->recent_nodes, name, parent, kind);
    if (!mo_is_recent(slot, name, parent, kind)) {
        uint32_t node = find_node(scan, parent, step, name);
        *slot = (mo_recent){name, parent, kind, node, true};
    }
    return slot->found;
}

/* ---- rows ---------------------------------------------------------------- */

static uint32_t
new_row(mo_scan *scan, mo_kind kind, uint32_t node, PyTypeObject *type,
        PyObject *example, uint64_t key)
{
    mo_row *rows = mo_scan_make_room(scan, scan->rows, scan->n_rows,
                                     &scan->rows_capacity, sizeof(mo_row));
    if (rows == NULL) {
        return NO_ROW;
    }
    scan->rows = rows;
    uint32_t row = (uint32_t)scan->n_rows;
    if (mo_table_add(&scan->row_index, key, row) < 0) {
        scan->out_of_memory = true;
        return NO_ROW;
    }
    rows[row] = (mo_row){
        .kind = (uint8_t)kind, .node = node, .type = type, .example = example};
    scan->n_rows++;
    return row;
}

mo_row *
mo_scan_find_row(mo_scan *scan, mo_kind kind, uint32_t place,
                 PyTypeObject *type, PyObject *example, uint32_t node)
{
    uint64_t key = mix(mix((uintptr_t)type, place), kind);
    uint32_t row = mo_table_get(&scan->row_index, key, NO_ROW);
    if (row == NO_ROW) {
        row = new_row(scan, kind, node, type, example, key);
    }
    if (row == NO_ROW) {
        return NULL;
    }
    *mo_recent_slot(scan->recent_rows, type, place, kind) =
        (mo_recent){type, place, kind, row, true};
    return &scan->rows[row];
}

mo_row *
mo_scan_type_row(mo_scan *scan, PyTypeObject *type)
{
    mo_row *row = mo_scan_row(scan, MO_TYPE, 0, type, NULL);
    if (row != NULL) {
        scan->recent_types[(uintptr_t)type / 16 % MO_RECENT_TYPES] =
            (mo_recent_type){type, (uint32_t)(row - scan->rows)};
    }
    return row;
}
