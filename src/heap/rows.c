/* rows.c - see scan.h: the nodes and rows of a scan, each found again by what it
 * stands for.
 *
 * A node has a list of its rows, which are few, and its most frequent child, that
 * of items; the others are in a table.  Most lookups there repeat one of the last:
 * records of one shape follow each other.  A cache of one slot each answers those
 * by comparing what was asked, without a hash of a name's contents. */
#include "heap/scan.h"

#include "heap/block.h"
#include "heap/findings.h"

#include <string.h>

/* Beyond this many steps a path ends: linked lists are as long as they like. */
#define MAX_DEPTH 12

void *
mo_scan_grow(mo_scan *scan, void *items, size_t *capacity, size_t size)
{
    size_t used = *capacity;
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
new_node(mo_scan *scan, uint32_t parent, mo_step step, PyObject *name)
{
    mo_node *nodes = mo_scan_make_room(scan, scan->nodes, scan->n_nodes,
                                       &scan->nodes_capacity, sizeof(mo_node));
    if (nodes == NULL) {
        return parent;
    }
    scan->nodes = nodes;
    uint32_t node = (uint32_t)scan->n_nodes++;
    nodes[node] = (mo_node){.parent = parent,
                            .step = (uint8_t)step,
                            .depth = (uint8_t)(nodes[parent].depth + 1),
                            .rows = MO_NO_ROW,
                            .name = name};
    nodes[parent].children += nodes[parent].children < UINT16_MAX;
    return node;
}

static uint32_t
node_of_items(mo_scan *scan, uint32_t parent)
{
    uint32_t node = scan->nodes[parent].items;
    if (node == 0) {
        node = new_node(scan, parent, MO_STEP_ITEM, NULL);
        scan->nodes[parent].items = node;
    }
    return node;
}

/* The key of a dict, or a variable, has been hashed; of equal names of roots or
 * functions one may have been and another not. */
static uint64_t
hash_of_name(mo_step step, PyObject *name)
{
    Py_hash_t known = ((PyASCIIObject *)name)->hash;
    bool is_key = step == MO_STEP_ATTRIBUTE || step == MO_STEP_KEY;
    return is_key && known != -1 ? (uint64_t)known : mo_content_hash(name);
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
    if (step == MO_STEP_KEY && scan->nodes[parent].children >= MO_MAX_KEYS) {
        uint32_t found = mo_table_get(&scan->node_index, key, 0);
        return found != 0 ? found : node_of_items(scan, parent);
    }
    uint32_t *found = mo_table_value(&scan->node_index, key);
    if (found == NULL) {
        scan->out_of_memory = true;
        return parent;
    }
    if (*found == 0) {
        *found = new_node(scan, parent, step, name);
    }
    return *found;
}

uint32_t
mo_scan_node(mo_scan *scan, uint32_t parent, mo_step step, PyObject *name)
{
    if (scan->nodes[parent].depth >= MAX_DEPTH) {
        return parent;
    }
    if (step == MO_STEP_ITEM) {
        return node_of_items(scan, parent);
    }
    mo_recent *slot =
        &scan->recent_nodes[((uintptr_t)name / 16 + parent * 31) % MO_RECENT];
    if (slot->node == 0 || slot->name != name || slot->parent != parent ||
        slot->step != (uint32_t)step) {
        uint32_t node = find_node(scan, parent, step, name);
        *slot = (mo_recent){name, parent, (uint32_t)step, node};
    }
    return slot->node;
}

/* ---- rows ---------------------------------------------------------------- */

/* MO_NO_ROW, and the scan is over, without memory. */
static uint32_t
new_row(mo_scan *scan, mo_kind kind, uint32_t node, PyTypeObject *type,
        PyObject *example)
{
    mo_row *rows = mo_scan_make_room(scan, scan->rows, scan->n_rows,
                                     &scan->rows_capacity, sizeof(mo_row));
    if (rows == NULL) {
        return MO_NO_ROW;
    }
    scan->rows = rows;
    rows[scan->n_rows] = (mo_row){.kind = (uint8_t)kind,
                                  .node = node,
                                  .next = MO_NO_ROW,
                                  .type = type,
                                  .example = example};
    return (uint32_t)scan->n_rows++;
}

mo_row *
mo_scan_find_row(mo_scan *scan, mo_kind kind, uint32_t node,
                 PyTypeObject *type, PyObject *example)
{
    uint32_t row = scan->nodes[node].rows;
    while (row != MO_NO_ROW) {
        mo_row *found = &scan->rows[row];
        if (found->kind == kind && found->type == type) {
            return found;
        }
        row = found->next;
    }
    row = new_row(scan, kind, node, type, example);
    if (row == MO_NO_ROW) {
        return NULL;
    }
    scan->rows[row].next = scan->nodes[node].rows;
    scan->nodes[node].rows = row;
    return &scan->rows[row];
}

/* A row that is one for the type, of all nodes. */
static uint32_t
find_type_row(mo_scan *scan, mo_kind kind, PyTypeObject *type,
              PyObject *example, uint32_t node)
{
    uint64_t key = mix((uintptr_t)type, kind);
    uint32_t row = mo_table_get(&scan->type_index, key, MO_NO_ROW);
    if (row == MO_NO_ROW) {
        row = new_row(scan, kind, node, type, example);
        if (row != MO_NO_ROW &&
            mo_table_add(&scan->type_index, key, row) < 0) {
            scan->out_of_memory = true;
        }
    }
    return row;
}

mo_row *
mo_scan_type_row(mo_scan *scan, PyTypeObject *type)
{
    mo_recent_type *slot = mo_recent_type_slot(scan, type);
    if (slot->type != type) {
        uint32_t row = find_type_row(scan, MO_TYPE, type, NULL, 0);
        if (row == MO_NO_ROW) {
            return NULL;
        }
        *slot = (mo_recent_type){type, row, MO_NO_ROW};
    }
    return &scan->rows[slot->row];
}

mo_row *
mo_scan_instances_row(mo_scan *scan, PyTypeObject *type, PyObject *example,
                      uint32_t node)
{
    mo_recent_type *slot = mo_recent_type_slot(scan, type);
    if (mo_scan_type_row(scan, type) == NULL) {
        return NULL;
    }
    if (slot->instances == MO_NO_ROW) {
        slot->instances =
            find_type_row(scan, MO_INSTANCES, type, example, node);
    }
    return slot->instances != MO_NO_ROW ? &scan->rows[slot->instances] : NULL;
}
