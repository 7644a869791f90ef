/* scan.h - one walk over the objects of the process, or of some roots.
 *
 * Nearly depth first from named roots, each object once.  What is worth
 * telling goes into two flat tables: nodes, the paths by which objects were
 * reached (`__main__.cache['rows'][...]`, all items of a list being one node),
 * and rows, one for each kind of finding at a node.  Python makes them readable.
 * The items of a long list that lie anywhere in memory are taken in its order: of
 * what several of them own in different places, it says which is the first.
 *
 * The walk runs no Python code, allocates no Python object, changes no
 * reference count and writes into no object: its own memory comes from
 * block.h, and all pointers to objects are borrowed.  That is safe because
 * the GIL is held throughout, so that nothing can die.
 *
 * An object that is no container and has one reference is met once: only the
 * others need an entry in the table of what was met already. */
#ifndef MO_HEAP_SCAN_H
#define MO_HEAP_SCAN_H

#include "heap/marks.h"
#include "heap/order.h"

/* How a node is reached from its parent. */
typedef enum {
    MO_STEP_ROOT,      /* name: what the caller called it */
    MO_STEP_UNNAMED,   /* name: a type; the collector knew such an object */
    MO_STEP_ATTRIBUTE, /* name: a str */
    MO_STEP_KEY,       /* name: a str, the key of a dict's value */
    MO_STEP_KEYS,      /* the keys of a dict */
    MO_STEP_ITEM,      /* any item, or whatever else an object refers to */
    MO_STEP_CALL,      /* name: a function's; its variables are attributes */
} mo_step;

/* A dict of more keys is a mapping, not a record: its values are items, as are
 * those of further keys of the dicts below one node. */
#define MO_MAX_KEYS 64

typedef struct {
    uint32_t parent; /* index of a node; 0 for the roots */
    uint16_t children;
    uint8_t step;   /* an mo_step */
    uint8_t depth;  /* steps from the root */
    uint32_t items; /* the node of its items, or 0 */
    uint32_t rows;  /* the last row made at it, or MO_NO_ROW */
    PyObject *name;
} mo_node;

#define MO_NO_ROW UINT32_MAX

/* What a row counts: see findings.h.  MO_TYPE is one row for each type, of all
 * its objects; MO_INSTANCES too, at the first node. */
typedef enum {
    MO_TYPE,
    MO_STRINGS,
    MO_BYTES,
    MO_TUPLES,
    MO_FLOATS,
    MO_INTS,
    MO_PROGRESSION,
    MO_MATRIX,
    MO_INSTANCES,
    MO_SLACK,
    MO_EMPTY,
} mo_kind;

typedef struct {
    uint8_t kind;   /* an mo_kind */
    bool is_paid;   /* its contents are in another row's pool, counted there */
    bool is_shared; /* other rows that are told have some of its contents */
    uint32_t node;
    uint32_t next; /* the one made at the node before, or MO_NO_ROW */
    PyTypeObject *type;
    PyObject *example; /* the first such object */
    uint64_t count;    /* objects of this kind */
    uint64_t items;    /* what a kind has two numbers for */
    uint64_t now;      /* bytes */
    uint64_t after;    /* bytes, with the swap */
    /* What the swap needs of others: see findings.h. */
    uint64_t elsewhere;
    uint64_t longest; /* characters of a string */
} mo_row;

typedef struct {
    PyObject *obj;
    Py_ssize_t next; /* what of it comes next: an index, a dict's position */
    uint32_t node;
    uint8_t step; /* an mo_step: how a dict's values are named */
} mo_pending;

/* A node found lately: what was asked, and the answer. */
typedef struct {
    const PyObject *name;
    uint32_t parent;
    uint32_t step;
    uint32_t node; /* 0: nothing yet */
} mo_recent;

#define MO_RECENT 256

/* Where an object was reached: a step below a node.  Most objects were met
 * before, or are nothing to tell of, and need no node of their own. */
typedef struct {
    uint32_t parent; /* a node */
    uint32_t node;   /* made when it is asked for; 0 until then */
    mo_step step;
    PyObject *name;
} mo_place;

/* What one dict had as its first, second, ... item, which the next may have
 * there too: records of one shape follow each other. */
typedef struct {
    PyObject *key; /* NULL: nothing yet */
    mo_step step;  /* that of the dict's named values */
    mo_place value;
} mo_field;

#define MO_FIELDS 16

/* The rows of a type. */
typedef struct {
    PyTypeObject *type; /* NULL: nothing yet */
    uint32_t row;
    uint32_t instances; /* MO_NO_ROW: not known yet */
} mo_recent_type;

#define MO_RECENT_TYPES 64

/* A string or tuple that may repeat another. */
typedef struct {
    uint64_t hash; /* of its contents */
    uint64_t bytes;
    uint32_t row; /* where to count it if it does */
} mo_candidate;

#define MO_CANDIDATES 16

/* The hash of a long text that a tuple had lately, as others may have it, too. */
typedef struct {
    const PyObject *text; /* NULL: nothing yet */
    uint64_t hash;
} mo_recent_text;

#define MO_RECENT_TEXTS 64

/* The bits of a hash in whose place the contents have notes. */
#define MO_NOTES UINT64_C(0xFFFF)

/* What objects of one row repeat of another's, where it was met first: of each
 * content that nobody repeated before. */
typedef struct {
    uint32_t row;
    uint32_t owner;
    uint64_t contents;
    uint64_t bytes;
} mo_loan;

typedef struct {
    mo_marks met;         /* objects */
    mo_table contents;    /* hashes of strings and tuples: see duplicates.c */
    mo_table late_owners; /* rows of those that have no room for theirs */
    mo_table loan_index; /* from pairs of rows to 1 + the number of the loan */
    mo_loan *loans;      /* owned */
    size_t n_loans, loans_capacity;
    mo_table numbers; /* that have more than one owner: see numbers.c */
    /* The latest, a ring: looked up once their place is in the cache. */
    mo_candidate candidates[MO_CANDIDATES];
    size_t n_candidates; /* that there have been, ever */
    mo_table in_hand;    /* from addresses that may be objects' to nodes */
    mo_table node_index; /* of all nodes but those of items */
    mo_table type_index; /* of the rows that are one for a type */
    mo_node *nodes;      /* owned; node 0 is nowhere */
    size_t n_nodes, nodes_capacity;
    mo_row *rows; /* owned */
    size_t n_rows, rows_capacity;
    mo_pending *stack; /* owned: met, not yet walked to the end */
    size_t n_stack, stack_capacity;
    PyObject *
        *postponed; /* owned: to be walked later, if not met until then */
    size_t n_postponed, postponed_capacity;
    mo_order order; /* of a long sequence, if one is walked */
    mo_recent recent_nodes[MO_RECENT];
    mo_recent_type recent_types[MO_RECENT_TYPES];
    mo_recent_text recent_texts[MO_RECENT_TEXTS];
    mo_field fields[MO_FIELDS]; /* by place in the dict */
    /* Everything there is, or only what the roots own: then not the types,
     * modules and functions that objects refer to. */
    bool everything;
    bool out_of_memory; /* the walk is over */
} mo_scan;

/* Zeroes it and makes node 0; 0, or -1 without memory. */
int
mo_scan_init(mo_scan *scan, bool everything);

void
mo_scan_clear(mo_scan *scan);

/* Says that an object is a root, so that no walk enters it from elsewhere. */
void
mo_scan_reserve(mo_scan *scan, PyObject *root);

/* Walks what a reserved root owns.  The items of a namespace, an exact dict,
 * are attributes of `name`, or of a call of what has that code. */
void
mo_scan_root(mo_scan *scan, PyObject *name, PyObject *root, bool namespace);

/* Says that a function that runs may have these in hand: if one is an object that
 * the collector tracks, it is named after the function, or module. */
void
mo_scan_in_hand(mo_scan *scan, PyObject *name, const uintptr_t *addresses,
                Py_ssize_t n);

/* Walks an object that the collector tracks, unless it was met before. */
void
mo_scan_tracked(mo_scan *scan, PyObject *obj);

/* Has that done by the next mo_scan_resume, to the last object first. */
void
mo_scan_postpone(mo_scan *scan, PyObject *obj);

void
mo_scan_resume(mo_scan *scan);

/* Ends the walk: the rows are complete, if those are told that save that much. */
void
mo_scan_finish(mo_scan *scan, uint64_t min_saving);

/* Whether what a row says is worth telling: some would take more afterwards. */
static inline bool
mo_row_saves(const mo_row *row, uint64_t min_saving)
{
    return row->now >= row->after && row->now - row->after >= min_saving;
}

/* Bytes that the scan owns. */
size_t
mo_scan_bytes(const mo_scan *scan);

/* ---- for findings and rows.c --------------------------------------------- */

/* Whether this is the first time that `obj` is met. */
bool
mo_scan_meets(mo_scan *scan, PyObject *obj);

/* Room for one more in an array that is full, of `size`-byte items; NULL, and the
 * scan is over, without memory. */
void *
mo_scan_grow(mo_scan *scan, void *items, size_t *capacity, size_t size);

/* The same for an array that may be. */
static inline void *
mo_scan_make_room(mo_scan *scan, void *items, size_t used, size_t *capacity,
                  size_t size)
{
    return MO_LIKELY(used < *capacity)
               ? items
               : mo_scan_grow(scan, items, capacity, size);
}

/* The node one step below another, made if need be; the other one itself at
 * the greatest depth, and without memory, when the scan is over. */
uint32_t
mo_scan_node(mo_scan *scan, uint32_t parent, mo_step step, PyObject *name);

static inline uint32_t
mo_scan_node_of(mo_scan *scan, mo_place *place)
{
    if (place->node == 0) {
        place->node =
            mo_scan_node(scan, place->parent, place->step, place->name);
    }
    return place->node;
}

/* mo_scan_row for one that is not the last made at the node. */
mo_row *
mo_scan_find_row(mo_scan *scan, mo_kind kind, uint32_t node,
                 PyTypeObject *type, PyObject *example);

/* The row of its kind, node and type, made if need be; NULL, and the scan is
 * over, without memory.  Valid until the next call. */
static inline mo_row *
mo_scan_row(mo_scan *scan, mo_kind kind, uint32_t node, PyTypeObject *type,
            PyObject *example)
{
    uint32_t last = scan->nodes[node].rows;
    if (last != MO_NO_ROW && scan->rows[last].kind == kind &&
        scan->rows[last].type == type) {
        return &scan->rows[last];
    }
    return mo_scan_find_row(scan, kind, node, type, example);
}

/* Of the rows that are one for each type, that of its objects and, made at
 * `node`, that of its instances, likewise. */
mo_row *
mo_scan_type_row(mo_scan *scan, PyTypeObject *type);

mo_row *
mo_scan_instances_row(mo_scan *scan, PyTypeObject *type, PyObject *example,
                      uint32_t node);

static inline mo_recent_type *
mo_recent_type_slot(mo_scan *scan, const PyTypeObject *type)
{
    return &scan->recent_types[(uintptr_t)type / 16 % MO_RECENT_TYPES];
}

/* Adds objects to their type's row. */
static inline void
mo_scan_count(mo_scan *scan, PyTypeObject *type, size_t count, size_t bytes)
{
    const mo_recent_type *recent = mo_recent_type_slot(scan, type);
    mo_row *row = MO_LIKELY(recent->type == type)
                      ? &scan->rows[recent->row]
                      : mo_scan_type_row(scan, type);
    if (row != NULL) {
        row->count += count;
        row->now += bytes;
    }
}

#endif
