/* scan.c - see scan.h: the walk.
 *
 * What takes the time is waiting for memory, since the objects of a heap lie
 * anywhere: so each is asked for well before it is needed, in three steps.  An
 * item of a sequence is asked for a few items ahead.  What it points to for its
 * contents is, when it comes from the stack into a ring, which it leaves only
 * after those before it; half-way through the ring, so are its contents.  For
 * all of that to be still in the cache when it is walked, a container puts a
 * batch of its items on the stack, and below them itself, to go on later; which
 * also keeps the stack short. */
#include "heap/scan.h"

#include "heap/block.h"
#include "heap/findings.h"
#include "heap/generator.h"
#include "heap/layout.h"

#include <string.h>

/* How many items of a sequence, and objects in the ring, ahead to ask for; how
 * many objects the ring has, and items a batch.  500 000 instances and as many
 * dicts in random order, 4.5 million objects, took 1.3 times as long without
 * the ring, asking for what is on the stack, and 2.6 times without any of this
 * (CPython 3.11, Zen 4).  Of rings of 8 to 64 the shortest was the best by 5 %;
 * batches of 16 to 128 differ by less than runs do. */
#define ITEMS_AHEAD 12
#define RING_AHEAD 4
#define RING 8
#define BATCH 64

/* The least that is worth to be put in order. */
#define LONG 4096

/* In the place of what comes next in a dict: nothing does. */
#define DONE (-1)

/* ---- meeting objects ---------------------------------------------------- */

bool
mo_scan_meets(mo_scan *scan, PyObject *obj)
{
    int added = mo_marks_add(&scan->met, obj);
    scan->out_of_memory |= added < 0;
    return added > 0;
}

static void
push(mo_scan *scan, PyObject *obj, Py_ssize_t next, uint32_t node)
{
    mo_pending *stack =
        mo_scan_make_room(scan, scan->stack, scan->n_stack,
                          &scan->stack_capacity, sizeof(mo_pending));
    if (stack != NULL) {
        scan->stack = stack;
        stack[scan->n_stack++] = (mo_pending){obj, next, node, MO_STEP_KEY};
    }
}

/* Meets an object that owns no others: counts it and looks for duplicates. */
static inline void
meet_leaf(mo_scan *scan, PyObject *obj, mo_place *place)
{
    if (Py_REFCNT(obj) != 1 && !mo_scan_meets(scan, obj)) {
        return;
    }
    size_t bytes = mo_object_bytes(obj);
    mo_scan_count(scan, Py_TYPE(obj), 1, bytes);
    if (mo_may_repeat(obj)) {
        mo_find_duplicates(scan, obj, mo_scan_node_of(scan, place), bytes);
    }
}

/* What belongs to the program rather than to the object that refers to it. */
static bool
is_code(PyObject *obj)
{
    return PyType_Check(obj) || PyModule_Check(obj) || PyFunction_Check(obj);
}

static void
visit_container(mo_scan *scan, PyObject *obj, mo_place *place)
{
    if ((scan->everything || !is_code(obj)) && mo_scan_meets(scan, obj)) {
        push(scan, obj, 0, mo_scan_node_of(scan, place));
    }
}

/* In line where there are many leaves. */
static MO_ALWAYS_INLINE void
visit(mo_scan *scan, PyObject *obj, mo_place *place)
{
    if (!mo_is_container(obj)) {
        meet_leaf(scan, obj, place);
    }
    else {
        visit_container(scan, obj, place);
    }
}

/* ---- walking one object -------------------------------------------------- */

/* Where a sequence's items from the index `next` on are, which is elsewhere if it
 * is walked in the order of memory; returns how many there are. */
static Py_ssize_t
items_from(mo_scan *scan, PyObject *sequence, Py_ssize_t next,
           PyObject ***items)
{
    Py_ssize_t n = mo_items(sequence, items);
    mo_order *order = &scan->order;
    if (order->sequence != sequence) {
        *items += next;
        return n - next;
    }
    if (next == order->end && !mo_order_next(order, *items, n)) {
        order->sequence = NULL; /* without memory: the rest as it comes */
        *items += next;
        return n - next;
    }
    *items = order->items + (next - order->first);
    if (n - next <= BATCH) {
        order->sequence = NULL; /* the rest of it */
    }
    return order->end - next;
}

/* A list or tuple, from the index `next` on. */
static void
walk_items(mo_scan *scan, PyObject *sequence, Py_ssize_t next, uint32_t node)
{
    PyObject **items;
    Py_ssize_t n = items_from(scan, sequence, next, &items);
    Py_ssize_t batch = n > BATCH ? BATCH : n;
    if (next + batch < Py_SIZE(sequence)) {
        push(scan, sequence, next + batch, node);
    }
    mo_place below = {.parent = node, .step = MO_STEP_ITEM};
    for (Py_ssize_t i = 0; i < batch && !scan->out_of_memory; i++) {
        if (i + ITEMS_AHEAD < n) {
            mo_prefetch_object(items[i + ITEMS_AHEAD]);
        }
        if (items[i] != NULL) { /* a tuple being filled */
            visit(scan, items[i], &below);
        }
    }
}

/* The same, for the first time: if it is long and its items lie anywhere, it is
 * walked in the order of memory, unless another one is. */
static void
begin_items(mo_scan *scan, PyObject *sequence, Py_ssize_t next, uint32_t node)
{
    PyObject **items;
    Py_ssize_t n = mo_items(sequence, &items);
    if (scan->order.sequence == NULL && n - next >= LONG &&
        mo_is_scattered(items + next, n - next)) {
        mo_order_begin(&scan->order, sequence, next);
    }
    walk_items(scan, sequence, next, node);
}

/* Meets a dict's key; where its value is. */
static mo_place
meet_key(mo_scan *scan, PyObject *key, uint32_t node, mo_step step, bool split)
{
    mo_place keys = {.parent = node, .step = MO_STEP_KEYS};
    /* The keys of a split dict belong to all dicts that share them, so that one
     * reference is no sign of being met once. */
    if (!split || Py_REFCNT(key) != 1 || mo_scan_meets(scan, key)) {
        visit(scan, key, &keys);
    }
    bool named = PyUnicode_CheckExact(key);
    return (mo_place){.parent = node,
                      .step = named ? step : MO_STEP_ITEM,
                      .name = named ? key : NULL};
}

/* The same, for the item `i`: nothing to do if the dict before had its key
 * there too. */
static inline mo_place *
meet_field(mo_scan *scan, PyObject *key, int i, uint32_t node, mo_step step,
           bool split)
{
    mo_field *field = &scan->fields[i % MO_FIELDS];
    if (field->key != key || field->value.parent != node ||
        field->step != step) {
        *field = (mo_field){key, step, meet_key(scan, key, node, step, split)};
    }
    return &field->value;
}

/* A dict, from PyDict_Next's position `next` on.  A long one is put on the stack
 * before its batch is, and told what comes next after it. */
static void
walk_dict(mo_scan *scan, PyObject *dict, Py_ssize_t next, uint32_t node,
          mo_step step)
{
    size_t self = scan->n_stack;
    bool is_long = PyDict_GET_SIZE(dict) > BATCH;
    if (is_long) {
        push(scan, dict, DONE, node);
    }
    bool split = mo_dict_is_split(dict);
    bool is_wide = PyDict_GET_SIZE(dict) > MO_PREFETCHED;
    PyObject *key, *value;
    for (int i = 0; !(is_long && i == BATCH) && !scan->out_of_memory; i++) {
        if (!mo_dict_next(dict, &next, &key, &value)) {
            return;
        }
        if (is_wide) {
            mo_prefetch_entry(dict, next + MO_PREFETCHED);
        }
        visit(scan, value, meet_field(scan, key, i, node, step, split));
    }
    if (is_long && !scan->out_of_memory) {
        scan->stack[self].next = next;
        scan->stack[self].step = (uint8_t)step;
    }
}

/* One that is no namespace, and maybe no record. */
static void
begin_dict(mo_scan *scan, PyObject *dict, uint32_t node)
{
    bool is_record = PyDict_GET_SIZE(dict) <= MO_MAX_KEYS;
    walk_dict(scan, dict, 0, node, is_record ? MO_STEP_KEY : MO_STEP_ITEM);
}

/* The attributes of an instance: whether it has a dict, or stands for one. */
static bool
walk_attributes(mo_scan *scan, PyObject *obj, uint32_t node)
{
    PyObject *dict = mo_instance_dict(obj);
    if (dict != NULL) {
        if (mo_scan_meets(scan, dict)) {
            mo_scan_count(scan, Py_TYPE(dict), 1, mo_object_bytes(dict));
            walk_dict(scan, dict, 0, node, MO_STEP_ATTRIBUTE);
        }
        return true;
    }
    PyObject **values;
    size_t n = (size_t)mo_inline_values(obj, &values);
    for (size_t i = 0; i < n && !scan->out_of_memory; i++) {
        if (values[i] != NULL) {
            mo_place place = {
                .parent = node,
                .step = MO_STEP_ATTRIBUTE,
                .name = mo_shared_name(Py_TYPE(obj), i),
            };
            visit(scan, values[i], &place);
        }
    }
    return n != 0;
}

typedef struct {
    mo_scan *scan;
    mo_place place;
    bool leaves; /* not yet walked */
} traversal;

static int
visit_traversed(PyObject *obj, void *argument)
{
    traversal *t = argument;
    if (t->leaves || mo_is_container(obj)) {
        visit(t->scan, obj, &t->place);
    }
    return t->scan->out_of_memory;
}

/* What a function has in a variable; what is in no variable is an item. */
static int
visit_variable(PyObject *name, PyObject *value, void *argument)
{
    traversal *t = argument;
    mo_place *place = &t->place;
    mo_place named = {
        .parent = place->parent, .step = MO_STEP_ATTRIBUTE, .name = name};
    if (name != NULL) {
        place = &named;
        if (PyCell_Check(value) && mo_scan_meets(t->scan, value)) {
            mo_scan_count(t->scan, &PyCell_Type, 1, mo_object_bytes(value));
            value = PyCell_GET(value);
        }
    }
    if (value != NULL) {
        visit(t->scan, value, place);
    }
    return t->scan->out_of_memory;
}

/* Its variables are named after its function, wherever it is itself: what waits is
 * somewhere in an event loop.  A generator expression's name would tell nothing. */
static void
walk_generator(mo_scan *scan, PyObject *generator, uint32_t node)
{
    PyCodeObject *code = mo_generator_code(generator);
    if (scan->everything && code != NULL &&
        PyUnicode_READ_CHAR(code->co_name, 0) != '<') {
        node = mo_scan_node(scan, 0, MO_STEP_CALL, code->co_qualname);
    }
    traversal t = {scan, {.parent = node, .step = MO_STEP_ITEM}, true};
    (void)mo_generator_traverse(generator, visit_variable, &t);
}

/* Any object: what its type's layout tells by name, then the containers among
 * what tp_traverse tells, and all of that where nothing was told by name. */
static void
walk_other(mo_scan *scan, PyObject *obj, uint32_t node)
{
    bool walked = false;
    if (mo_is_dict(obj)) { /* tp_traverse leaves out str keys */
        begin_dict(scan, obj, node);
        walked = true;
    }
    else if (PyList_Check(obj) || PyTuple_Check(obj)) {
        begin_items(scan, obj, 0, node);
        walked = true;
    }
    walked |= walk_attributes(scan, obj, node);
    traversal t = {scan, {.parent = node, .step = MO_STEP_ITEM}, !walked};
    PyTypeObject *type = Py_TYPE(obj);
    if (walked && mo_has_only_attributes(type)) {
        (void)visit_traversed((PyObject *)type, &t);
    }
    else if (!walked && mo_is_generator(obj)) {
        walk_generator(scan, obj, node);
    }
    else if (type->tp_traverse != NULL) {
        (void)type->tp_traverse(obj, visit_traversed, &t);
    }
}

static void
begin_walk(mo_scan *scan, PyObject *obj, uint32_t node)
{
    size_t bytes = mo_object_bytes(obj);
    mo_scan_count(scan, Py_TYPE(obj), 1, bytes);
    if (PyList_CheckExact(obj) || PyTuple_CheckExact(obj)) {
        Py_ssize_t done = mo_find_in_sequence(scan, obj, node, bytes);
        if (done < Py_SIZE(obj)) {
            begin_items(scan, obj, done, node);
        }
    }
    else if (PyDict_CheckExact(obj)) {
        mo_find_slack(scan, obj, node, bytes);
        begin_dict(scan, obj, node);
    }
    else {
        if (PySet_CheckExact(obj)) {
            mo_find_slack(scan, obj, node, bytes);
        }
        mo_find_instances(scan, obj, node, bytes);
        walk_other(scan, obj, node);
    }
}

/* Begins with an object, or goes on with one that has more than a batch. */
static void
walk(mo_scan *scan, mo_pending next)
{
    if (next.next == 0) {
        begin_walk(scan, next.obj, next.node);
    }
    else if (next.next == DONE) {
        return;
    }
    else if (mo_is_dict(next.obj)) {
        walk_dict(scan, next.obj, next.next, next.node, (mo_step)next.step);
    }
    else {
        walk_items(scan, next.obj, next.next, next.node);
    }
}

/* Whether what is on top of the stack may come into the ring.  The rest of a
 * container waits until the ring is empty: what those before it put on the
 * stack would else lie below all of its batches. */
static bool
may_enter(const mo_scan *scan, bool is_empty)
{
    return scan->n_stack != 0 &&
           (is_empty || scan->stack[scan->n_stack - 1].next == 0);
}

static void
walk_pending(mo_scan *scan)
{
    mo_pending ring[RING];
    size_t first = 0, end = 0; /* that have left it, and come into it */
    size_t asked = 0;          /* whose contents have been asked for */
    while (!scan->out_of_memory) {
        for (; end - first < RING && may_enter(scan, first == end); end++) {
            ring[end % RING] = scan->stack[--scan->n_stack];
            mo_prefetch_parts(ring[end % RING].obj);
        }
        for (; asked < end && asked <= first + RING_AHEAD; asked++) {
            mo_prefetch_contents(ring[asked % RING].obj);
        }
        if (first == end) {
            return;
        }
        walk(scan, ring[first++ % RING]);
    }
}

/* ---- the door ------------------------------------------------------------ */

int
mo_scan_init(mo_scan *scan, bool everything)
{
    memset(scan, 0, sizeof(*scan));
    scan->everything = everything;
    scan->node_index.is_map = scan->type_index.is_map = true;
    scan->in_hand.is_map = scan->loan_index.is_map = true;
    scan->numbers.is_map = scan->late_owners.is_map = true;
    scan->contents.notes = MO_NOTES;
    scan->nodes = mo_scan_make_room(scan, NULL, 0, &scan->nodes_capacity,
                                    sizeof(mo_node));
    if (scan->nodes == NULL) {
        return -1;
    }
    scan->nodes[0] = (mo_node){.rows = MO_NO_ROW};
    scan->n_nodes = 1;
    return 0;
}

void
mo_scan_clear(mo_scan *scan)
{
    mo_marks_clear(&scan->met);
    mo_table_clear(&scan->contents);
    mo_table_clear(&scan->late_owners);
    mo_table_clear(&scan->loan_index);
    mo_block_free(scan->loans, scan->loans_capacity * sizeof(mo_loan));
    mo_table_clear(&scan->numbers);
    mo_order_clear(&scan->order);
    mo_table_clear(&scan->in_hand);
    mo_table_clear(&scan->node_index);
    mo_table_clear(&scan->type_index);
    mo_block_free(scan->nodes, scan->nodes_capacity * sizeof(mo_node));
    mo_block_free(scan->rows, scan->rows_capacity * sizeof(mo_row));
    mo_block_free(scan->stack, scan->stack_capacity * sizeof(mo_pending));
    mo_block_free(scan->postponed,
                  scan->postponed_capacity * sizeof(*scan->postponed));
    memset(scan, 0, sizeof(*scan));
}

void
mo_scan_reserve(mo_scan *scan, PyObject *root)
{
    (void)mo_scan_meets(scan, root);
}

static uint32_t
root_node(mo_scan *scan, PyObject *name)
{
    if (!PyCode_Check(name)) {
        return mo_scan_node(scan, 0, MO_STEP_ROOT, name);
    }
    PyObject *function = ((PyCodeObject *)name)->co_qualname;
    return mo_scan_node(scan, 0, MO_STEP_CALL, function);
}

void
mo_scan_in_hand(mo_scan *scan, PyObject *name, const uintptr_t *addresses,
                Py_ssize_t n)
{
    uint32_t node = root_node(scan, name);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (addresses[i] != 0) {
            int added = mo_table_add(&scan->in_hand, addresses[i], node);
            scan->out_of_memory |= added < 0;
        }
    }
}

void
mo_scan_root(mo_scan *scan, PyObject *name, PyObject *root, bool namespace)
{
    uint32_t node = root_node(scan, name);
    if (!namespace) {
        if (mo_is_container(root)) {
            push(scan, root, 0, node);
        }
        walk_pending(scan);
        return;
    }
    mo_scan_count(scan, Py_TYPE(root), 1, mo_object_bytes(root));
    PyObject *key, *value;
    Py_ssize_t position = 0;
    /* One attribute after the other, so that what two of them share is found
     * at the first. */
    while (!scan->out_of_memory &&
           mo_dict_next(root, &position, &key, &value)) {
        mo_prefetch_entry(root, position + MO_PREFETCHED);
        if (PyUnicode_CheckExact(key)) {
            mo_place place = {
                .parent = node, .step = MO_STEP_ATTRIBUTE, .name = key};
            visit(scan, value, &place);
            walk_pending(scan);
        }
    }
}

void
mo_scan_tracked(mo_scan *scan, PyObject *obj)
{
    if (!scan->out_of_memory && mo_scan_meets(scan, obj)) {
        PyObject *type = (PyObject *)Py_TYPE(obj);
        uint32_t parent = mo_table_get(&scan->in_hand, (uintptr_t)obj, 0);
        push(scan, obj, 0, mo_scan_node(scan, parent, MO_STEP_UNNAMED, type));
        walk_pending(scan);
    }
}

void
mo_scan_postpone(mo_scan *scan, PyObject *obj)
{
    int is_met = mo_marks_has(&scan->met, obj);
    scan->out_of_memory |= is_met < 0;
    if (is_met != 0) {
        return;
    }
    PyObject **postponed =
        mo_scan_make_room(scan, scan->postponed, scan->n_postponed,
                          &scan->postponed_capacity, sizeof(*postponed));
    if (postponed != NULL) {
        scan->postponed = postponed;
        postponed[scan->n_postponed++] = obj;
    }
}

void
mo_scan_resume(mo_scan *scan)
{
    while (scan->n_postponed != 0) {
        mo_scan_tracked(scan, scan->postponed[--scan->n_postponed]);
    }
}

void
mo_scan_finish(mo_scan *scan, uint64_t min_saving)
{
    mo_find_last_duplicates(scan);
    mo_find_holders(scan, min_saving);
    mo_find_weak_slots(scan);
}

size_t
mo_scan_bytes(const mo_scan *scan)
{
    return mo_marks_bytes(&scan->met) + mo_table_bytes(&scan->contents) +
           mo_table_bytes(&scan->late_owners) +
           mo_table_bytes(&scan->loan_index) + mo_table_bytes(&scan->numbers) +
           scan->loans_capacity * sizeof(mo_loan) +
           mo_order_bytes(&scan->order) + mo_table_bytes(&scan->in_hand) +
           mo_table_bytes(&scan->node_index) +
           mo_table_bytes(&scan->type_index) +
           scan->nodes_capacity * sizeof(mo_node) +
           scan->rows_capacity * sizeof(mo_row) +
           scan->stack_capacity * sizeof(mo_pending) +
           scan->postponed_capacity * sizeof(*scan->postponed);
}
