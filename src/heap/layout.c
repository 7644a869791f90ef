/* layout.c - see layout.h.
 *
 * The structs that CPython keeps to itself are declared here as its sources
 * have them (Include/internal/pycore_dict.h), equal in 3.11 to 3.15;
 * tests/test_heap_scan.py compares sizes with sys.getsizeof. */
#include "heap/layout.h"

#include "heap/generator.h"

typedef mo_dict_keys dict_keys;

/* PyDictKeyEntry has the hash before it. */
#define GENERAL_ENTRY_BYTES (sizeof(Py_hash_t) + sizeof(mo_unicode_entry))

static const dict_keys *
keys_of(PyObject *dict)
{
    return (const dict_keys *)((PyDictObject *)dict)->ma_keys;
}

static const dict_keys *
shared_keys(PyTypeObject *type)
{
    return (const dict_keys *)((PyHeapTypeObject *)type)->ht_cached_keys;
}

/* The entries that a table of 2**log2 slots has room for: USABLE_FRACTION. */
static size_t
usable(unsigned int log2)
{
    return (((size_t)1 << log2) << 1) / 3;
}

static size_t
header_bytes(PyTypeObject *type)
{
    return (PyType_IS_GC(type) ? 2 * sizeof(void *) : 0) +
           (type->tp_flags & MO_TPFLAGS_PREHEADER ? 2 * sizeof(void *) : 0);
}

/* ---- strings ------------------------------------------------------------ */

static size_t
str_bytes(PyObject *str)
{
    size_t length = (size_t)PyUnicode_GET_LENGTH(str);
    const PyCompactUnicodeObject *compact = (PyCompactUnicodeObject *)str;
    size_t data = (length + 1) * PyUnicode_KIND(str);
    size_t utf8 = 0;
    if (compact->utf8 != NULL &&
        (void *)compact->utf8 != PyUnicode_DATA(str)) {
        utf8 = mo_rounded((size_t)compact->utf8_length + 1);
    }
    if (!PyUnicode_IS_COMPACT(str)) { /* legacy strings of 3.11 */
        return mo_rounded(sizeof(PyUnicodeObject)) + mo_rounded(data) + utf8;
    }
    return mo_rounded(sizeof(PyCompactUnicodeObject) + data) + utf8;
}

/* ---- containers --------------------------------------------------------- */

size_t
mo_list_bytes(size_t length)
{
    return mo_rounded(sizeof(PyListObject) + 2 * sizeof(void *)) +
           mo_rounded((length + length % 2) *
                      sizeof(PyObject *)); /* as list() */
}

static size_t
keys_bytes(unsigned int log2_size, unsigned int log2_index_bytes, bool general)
{
    size_t entry = general ? GENERAL_ENTRY_BYTES : sizeof(mo_unicode_entry);
    return mo_rounded(offsetof(dict_keys, indices) +
                      ((size_t)1 << log2_index_bytes) +
                      usable(log2_size) * entry);
}

#define DICT_OBJECT_BYTES (sizeof(PyDictObject) + 2 * sizeof(void *))

size_t
mo_dict_bytes(size_t length, bool all_keys_str)
{
    unsigned int log2 = 3;
    while (usable(log2) < length) {
        log2++;
    }
    /* Indices have 1, 2, 4 or 8 bytes. */
    unsigned int width = log2 < 8 ? 0 : log2 < 16 ? 1 : log2 < 32 ? 2 : 3;
    return mo_rounded(DICT_OBJECT_BYTES) +
           (length != 0 ? keys_bytes(log2, log2 + width, !all_keys_str) : 0);
}

bool
mo_has_str_keys(PyObject *dict)
{
    return keys_of(dict)->kind != MO_KEYS_GENERAL;
}

static size_t
values_bytes(const dict_keys *shared)
{
    size_t room = (size_t)(shared->nentries + shared->usable);
    return MO_INLINE_VALUES_BYTES(room);
}

static size_t
dict_bytes(PyObject *dict)
{
    const dict_keys *keys = keys_of(dict);
    size_t bytes = mo_rounded(DICT_OBJECT_BYTES);
    if (mo_dict_is_split(dict)) {
        /* Inline values lie in the instance and are counted there. */
        return bytes +
               (MO_VALUES_ARE_EMBEDDED ? 0 : mo_rounded(values_bytes(keys)));
    }
    if (keys->log2_size == 0) { /* CPython's one empty table */
        return bytes;
    }
    return bytes + keys_bytes(keys->log2_size, keys->log2_index_bytes,
                              keys->kind == MO_KEYS_GENERAL);
}

size_t
mo_set_bytes(size_t length)
{
    size_t slots = PySet_MINSIZE;
    if (length * 5 >= (slots - 1) * 3) { /* set_merge's limit, and room */
        while (slots <= 2 * length) {
            slots *= 2;
        }
    }
    return mo_rounded(sizeof(PySetObject) + 2 * sizeof(void *)) +
           (slots > PySet_MINSIZE ? mo_rounded(slots * sizeof(setentry)) : 0);
}

static size_t
set_bytes(PyObject *obj)
{
    const PySetObject *set = (PySetObject *)obj;
    size_t table = set->table != set->smalltable
                       ? ((size_t)set->mask + 1) * sizeof(setentry)
                       : 0;
    return mo_rounded((size_t)Py_TYPE(obj)->tp_basicsize +
                      header_bytes(Py_TYPE(obj))) +
           mo_rounded(table);
}

size_t
mo_room(PyObject *obj)
{
    if (PyList_CheckExact(obj)) {
        return (size_t)((PyListObject *)obj)->allocated;
    }
    if (PyDict_CheckExact(obj)) {
        unsigned int log2 = keys_of(obj)->log2_size;
        return log2 != 0 && !mo_dict_is_split(obj) ? usable(log2) : 0;
    }
    assert(PyAnySet_CheckExact(obj));
    return ((size_t)((PySetObject *)obj)->mask + 1) / 5 * 3;
}

/* ---- instances ---------------------------------------------------------- */

bool
mo_dict_is_split(PyObject *dict)
{
    return ((PyDictObject *)dict)->ma_values != NULL;
}

static bool
has_managed_dict(PyObject *obj)
{
    return (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0;
}

PyObject *
mo_instance_dict(PyObject *obj)
{
    if (has_managed_dict(obj)) {
        return mo_managed_dict(obj);
    }
    Py_ssize_t offset = Py_TYPE(obj)->tp_dictoffset;
    if (offset <= 0 || PyType_Check(obj)) { /* negative: after the items */
        return NULL;
    }
    PyObject *dict = *(PyObject **)((char *)obj + offset);
    return dict != NULL && PyDict_Check(dict) ? dict : NULL;
}

bool
mo_has_weak_references(PyObject *obj)
{
    Py_ssize_t offset = Py_TYPE(obj)->tp_weaklistoffset;
    return offset != 0 && *(PyObject **)((char *)obj + offset) != NULL;
}

size_t
mo_weak_slot_bytes(PyTypeObject *type, size_t bytes)
{
    /* In the instance, or before it beside the place of a dict. */
    size_t pointers = type->tp_weaklistoffset > 0 ? 1 : 2;
    return mo_rounded(bytes + pointers * sizeof(PyObject *)) -
           mo_rounded(bytes);
}

size_t
mo_shared_names(PyTypeObject *type)
{
    const dict_keys *keys =
        type->tp_flags & Py_TPFLAGS_HEAPTYPE ? shared_keys(type) : NULL;
    return keys != NULL ? (size_t)keys->nentries : 0;
}

PyObject *
mo_shared_name(PyTypeObject *type, size_t i)
{
    const dict_keys *keys = shared_keys(type);
    assert(i < (size_t)keys->nentries && keys->kind == MO_KEYS_SPLIT);
    return mo_unicode_entries(keys)[i].key;
}

bool
mo_has_only_attributes(PyTypeObject *type)
{
    size_t weak = type->tp_weaklistoffset > 0 ? sizeof(PyObject *) : 0;
    return (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0 &&
           type->tp_itemsize == 0 &&
           (size_t)type->tp_basicsize <= sizeof(PyObject) + weak;
}

/* ---- ahead of the walk --------------------------------------------------- */

static void
prefetch_lines(const void *start)
{
    MO_PREFETCH(start);
    MO_PREFETCH((const char *)start + 64);
}

/* As many as a function has. */
#define MOST_FIELDS 16

/* The words of an object, of which some are pointers to others. */
typedef struct {
    PyObject **first, **end;
} fields;

/* Of the many that a type has only its dict: of all else that is large the first
 * ones. */
static fields
fields_of(PyObject *obj)
{
    PyObject **first = (PyObject **)(obj + 1);
    size_t n = (size_t)Py_TYPE(obj)->tp_basicsize / sizeof(PyObject *) - 2;
    if (PyType_Check(obj)) {
        first = &((PyTypeObject *)obj)->tp_dict;
        n = 1;
    }
    return (fields){first, first + (n < MOST_FIELDS ? n : MOST_FIELDS)};
}

void
mo_prefetch_parts(PyObject *obj)
{
    PyObject **values;
    if (PyDict_CheckExact(obj)) {
        prefetch_lines(keys_of(obj));
    }
    else if (PyList_CheckExact(obj)) {
        MO_PREFETCH(((PyListObject *)obj)->ob_item);
    }
    else if (mo_inline_values(obj, &values) != 0) {
        MO_PREFETCH(values);
    }
    else if (has_managed_dict(obj) && mo_managed_dict(obj) != NULL) {
        MO_PREFETCH(mo_managed_dict(obj));
    }
    else if (!PyTuple_CheckExact(obj)) {
        const fields own = fields_of(obj);
        prefetch_lines(own.first);
        MO_PREFETCH(own.end - 1);
    }
}

void
mo_prefetch_entry(PyObject *dict, Py_ssize_t i)
{
    const dict_keys *keys = keys_of(dict);
    if (keys->kind == MO_KEYS_UNICODE && i < keys->nentries) {
        const mo_unicode_entry *entry = &mo_unicode_entries(keys)[i];
        MO_PREFETCH(entry->key);
        mo_prefetch_leaf(entry->value);
    }
}

void
mo_prefetch_contents(PyObject *obj)
{
    PyObject **items;
    Py_ssize_t n = 0;
    if (PyDict_CheckExact(obj)) {
        const dict_keys *keys = keys_of(obj);
        const mo_unicode_entry *entry = mo_unicode_entries(keys);
        n = keys->kind == MO_KEYS_UNICODE ? keys->nentries : 0;
        for (Py_ssize_t i = 0; i < n && i < MO_PREFETCHED; i++, entry++) {
            mo_prefetch_leaf(entry->value);
        }
        return;
    }
    if (PyList_CheckExact(obj) || PyTuple_CheckExact(obj)) {
        n = mo_items(obj, &items);
    }
    else if ((n = mo_inline_values(obj, &items)) == 0) {
        const fields own = fields_of(obj);
        for (PyObject **at = own.first; at < own.end; at++) {
            MO_PREFETCH(*at);
        }
        return;
    }
    for (Py_ssize_t i = 0; i < n && i < MO_PREFETCHED; i++) {
        mo_prefetch_leaf(items[i]);
    }
}

/* ---- any object ---------------------------------------------------------- */

/* Whether instances of such a subclass of tuple, bytes or int come from
 * PyType_GenericAlloc, which gives each one item more than it has: those of
 * classes, not those of struct sequences. */
static bool
is_generic(PyTypeObject *type)
{
    unsigned long both = Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_BASETYPE;
    return (type->tp_flags & both) == both;
}

/* Where a struct sequence ends, which may have fields that are none of its
 * items; 0 for other types without such. */
static size_t
end_of_fields(PyTypeObject *type)
{
    size_t end = 0;
    const PyMemberDef *field = type->tp_members;
    for (; field != NULL && field->name != NULL; field++) {
        size_t after = (size_t)field->offset + sizeof(PyObject *);
        end = after > end ? after : end;
    }
    return end;
}

/* What a frame has room for: its variables, and what it works on. */
static size_t
frame_items(const PyCodeObject *code)
{
    return code != NULL ? (size_t)(code->co_nlocalsplus + code->co_stacksize)
                        : 0;
}

/* Items that lie in the object itself.  Frames and generators are allocated
 * with room for some, but keep no length; metaclasses give no instances any. */
static size_t
own_items(PyObject *obj)
{
    if (mo_is_generator(obj)) {
        return frame_items(mo_generator_code(obj));
    }
    if (PyType_Check(obj) || PyFrame_Check(obj)) {
        return 0;
    }
    bool one_more =
        is_generic(Py_TYPE(obj)) && (PyTuple_Check(obj) || PyBytes_Check(obj));
    Py_ssize_t items = Py_SIZE(obj);
    return (size_t)(items < 0 ? -items : items) + one_more;
}

/* Basic size, items, headers; inline values, wherever this CPython has them. */
static size_t
plain_bytes(PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    size_t bytes = (size_t)type->tp_basicsize;
    if (type->tp_itemsize != 0) {
        bytes += own_items(obj) * (size_t)type->tp_itemsize;
    }
    if (PyTuple_Check(obj) && bytes < end_of_fields(type)) {
        bytes = end_of_fields(type);
    }
    bytes += header_bytes(type);
    if (!has_managed_dict(obj) || shared_keys(type) == NULL) {
        return mo_rounded(bytes);
    }
    size_t values = values_bytes(shared_keys(type));
    if (MO_VALUES_ARE_EMBEDDED) {
        bool embedded = (type->tp_flags & MO_TPFLAGS_INLINE_VALUES) != 0;
        return mo_rounded(bytes + (embedded ? values : 0));
    }
    return mo_rounded(bytes) +
           (mo_managed_values(obj) != NULL ? mo_rounded(values) : 0);
}

static bool
is_bytearray(PyObject *obj)
{
    const PyBufferProcs *buffer = Py_TYPE(obj)->tp_as_buffer;
    return buffer != NULL && buffer->bf_getbuffer != NULL &&
           PyByteArray_Check(obj);
}

/* A bool, or an instance of another subclass of int: digits lie behind the rest
 * of it, and Py_SIZE is not their number from 3.12 on. */
static size_t
int_bytes(PyObject *number)
{
    PyTypeObject *type = Py_TYPE(number);
    size_t digits = 0;
    if (is_generic(type)) {
        digits = (size_t)MO_INT_SIZE((PyLongObject *)number) + 1;
    }
    return mo_rounded((size_t)type->tp_basicsize + 4 * digits +
                      header_bytes(type));
}

size_t
mo_other_bytes(PyObject *obj)
{
    if (PyUnicode_CheckExact(obj)) {
        return str_bytes(obj);
    }
    if (PyDict_CheckExact(obj)) {
        return dict_bytes(obj);
    }
    if (PyLong_Check(obj)) {
        return int_bytes(obj);
    }
    size_t owned = 0;
    if (PyUnicode_Check(obj)) { /* its characters are a block of their own */
        owned = str_bytes(obj) - mo_rounded(sizeof(PyUnicodeObject));
    }
    else if (PyList_Check(obj)) {
        owned = mo_rounded((size_t)((PyListObject *)obj)->allocated *
                           sizeof(PyObject *));
    }
    else if (mo_is_dict(obj)) {
        owned = dict_bytes(obj) - mo_rounded(DICT_OBJECT_BYTES);
    }
    else if (PyAnySet_CheckExact(obj)) {
        return set_bytes(obj);
    }
    else if (is_bytearray(obj)) {
        owned = mo_rounded(mo_bytearray_content_bytes(obj));
    }
    return plain_bytes(obj) + owned;
}
