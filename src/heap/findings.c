/* findings.c - see findings.h: containers with room to spare, and instances. */
#include "heap/findings.h"

#include "heap/layout.h"

static size_t
length_of(PyObject *obj)
{
    return PyList_CheckExact(obj)   ? (size_t)PyList_GET_SIZE(obj)
           : PyDict_CheckExact(obj) ? (size_t)((PyDictObject *)obj)->ma_used
                                    : (size_t)((PySetObject *)obj)->used;
}

/* More spare room than growth leaves: a list grows by 1/8 and shrinks once less
 * than half is used; dicts and sets never shrink by themselves, and as they
 * grow are filled to 1/3 and to 1/4 of their room at least. */
bool
mo_has_slack(PyObject *obj)
{
    size_t length = length_of(obj);
    size_t room = mo_room(obj);
    size_t spare = PyList_CheckExact(obj)   ? length / 2
                   : PyDict_CheckExact(obj) ? 3 * length
                                            : 7 * length;
    return room > length + spare + 8;
}

void
mo_find_slack(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    size_t length = length_of(obj);
    mo_kind kind = mo_has_slack(obj) ? MO_SLACK : MO_EMPTY;
    if (kind == MO_EMPTY && length != 0) {
        return;
    }
    mo_row *row = mo_scan_row(scan, kind, node, Py_TYPE(obj), obj);
    if (row != NULL) {
        row->count++;
        row->items += length;
        row->now += bytes;
        if (kind == MO_SLACK) {
            row->after += PyList_CheckExact(obj) ? mo_list_bytes(length)
                          : PyDict_CheckExact(obj)
                              ? mo_dict_bytes(length, mo_has_str_keys(obj))
                              : mo_set_bytes(length);
        }
    }
}

/* What an instance would take with slots: two pointers of the collector's, one for
 * each attribute; none for weak references. */
static size_t
slotted_bytes(PyTypeObject *type, size_t names)
{
    size_t weak = type->tp_weaklistoffset > 0 ? sizeof(PyObject *) : 0;
    return (size_t)type->tp_basicsize - weak +
           (2 + names) * sizeof(PyObject *);
}

/* If there are weak references to some, all have to have room for them. */
static uint64_t
weak_bytes(const mo_row *row)
{
    size_t bytes = slotted_bytes(row->type, (size_t)row->items);
    return row->elsewhere != 0
               ? row->count * mo_weak_slot_bytes(row->type, bytes)
               : 0;
}

void
mo_find_instances(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (!(type->tp_flags & Py_TPFLAGS_MANAGED_DICT) ||
        !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        return;
    }
    PyObject *dict = mo_instance_dict(obj);
    size_t names = mo_shared_names(type);
    if (dict != NULL) {
        bytes += mo_object_bytes(dict);
        names = (size_t)((PyDictObject *)dict)->ma_used;
    }
    mo_row *row = mo_scan_instances_row(scan, type, obj, node);
    if (row != NULL) {
        row->count++;
        row->items = names > row->items ? names : row->items;
        row->now += bytes;
        row->after += mo_rounded(slotted_bytes(type, names));
        row->elsewhere += mo_has_weak_references(obj);
    }
}

void
mo_find_weak_slots(mo_scan *scan)
{
    for (size_t i = 0; i < scan->n_rows; i++) {
        mo_row *row = &scan->rows[i];
        if (row->kind == MO_INSTANCES) {
            row->after += weak_bytes(row);
        }
    }
}
