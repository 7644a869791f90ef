/* findings.h - what the scan recognises as waste, as rows of scan.h.
 *
 * Each function looks at one object, when it is met for the first time.
 *   MO_STRINGS, MO_BYTES, MO_TUPLES
 *                   count: the objects, items: how many of them repeat another,
 *                   elsewhere: others that the pool, or dict, has to have, too
 *   MO_FLOATS, MO_INTS, MO_PROGRESSION
 *                   count: lists (or tuples), items: the numbers in them
 *   MO_MATRIX       count: lists of rows, items: the floats in them
 *                   elsewhere, of these four: numbers that other such lists hold, too
 *   MO_INSTANCES    count: instances, items: the attributes of the class,
 *                   elsewhere: those that weak references refer to
 *   MO_SLACK        count: lists, dicts, sets with far more room than items
 *   MO_EMPTY        count: lists, dicts, sets without any item
 * Sums of `now` may exceed what there is: an object can be two findings.
 *
 * Numbers go with their lists where nothing but such lists refers to them: those that
 * have several references are counted, in scan->numbers, as they are met, and are
 * put down to the first list when all are found. */
#ifndef MO_HEAP_FINDINGS_H
#define MO_HEAP_FINDINGS_H

#include "heap/scan.h"

/* A hash of the contents of an exact str or bytes, which are equal (but for
 * one chance in 2**64) if and only if their hashes are. */
uint64_t
mo_content_hash(PyObject *obj);

/* Whether it may be a duplicate: an exact str or bytes; interned strings are
 * none. */
static inline bool
mo_may_repeat(PyObject *obj)
{
    return PyUnicode_CheckExact(obj)
               ? MO_STR_IS_READY(obj) && !PyUnicode_CHECK_INTERNED(obj)
               : PyBytes_CheckExact(obj) && PyBytes_GET_SIZE(obj) > 1;
}

/* An object of which that is so. */
void
mo_find_duplicates(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes);

/* Looks up what mo_find_duplicates has put off. */
void
mo_find_last_duplicates(mo_scan *scan);

/* Then: adds what has to know those that stay, a pool or a dict, to what they take. */
void
mo_find_holders(mo_scan *scan, uint64_t min_saving);

/* An exact tuple: maybe a duplicate. */
void
mo_find_equal_tuples(mo_scan *scan, PyObject *tuple, uint32_t node,
                     size_t bytes);

/* An exact list or tuple; returns how many of its items need no further walk
 * because they were numbers, or the rows of a matrix. */
Py_ssize_t
mo_find_in_sequence(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes);

/* Whether an exact list, dict or set has far more room than items. */
bool
mo_has_slack(PyObject *obj);

/* An exact list, dict or set. */
void
mo_find_slack(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes);

/* Any other container: instances of classes without __slots__. */
void
mo_find_instances(mo_scan *scan, PyObject *obj, uint32_t node, size_t bytes);

/* When all are met: adds what weak references to some need. */
void
mo_find_weak_slots(mo_scan *scan);

#endif
