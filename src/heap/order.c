/* order.c - see order.h: a radix sort (Knuth, vol. 3, 5.2.5). */
#include "heap/order.h"

#include "heap/block.h"

#include <string.h>

/* How many items to take at a time, which bounds the memory for them: 8 MiB,
 * and as much to sort them. */
#define AT_A_TIME ((Py_ssize_t)1 << 20)

/* Two digits of the address: which 256 bytes of a region of 256 KiB, and which of
 * 1024 regions.  Items that are 256 MiB apart may count as neighbours, since a
 * thousand or more lie between them.  With 1 000 000 items in random order, of
 * 4 500 000 objects, the walk took 0.31 s as they came, 0.19 with their regions
 * in order and 0.17 with both digits (CPython 3.11, Sapphire Rapids). */
#define FIRST_SHIFT 8
#define DIGIT_BITS 10
#define DIGITS (1 << DIGIT_BITS)

#define SAMPLES 64
#define FAR_BYTES 65536

bool
mo_is_scattered(PyObject *const *items, Py_ssize_t n)
{
    int far = 0;
    for (Py_ssize_t i = 0; i < SAMPLES; i++) {
        PyObject *const *at = &items[(n - 1) / SAMPLES * i];
        uintptr_t distance = (uintptr_t)at[1] - (uintptr_t)at[0];
        far += distance + FAR_BYTES > 2 * FAR_BYTES;
    }
    return far > SAMPLES / 2;
}

void
mo_order_begin(mo_order *order, const PyObject *sequence, Py_ssize_t first)
{
    order->sequence = sequence;
    order->end = first;
}

static bool
make_room(mo_order *order, size_t wanted)
{
    if (wanted <= order->capacity) {
        return true;
    }
    PyObject **items = mo_block_new(wanted * sizeof(PyObject *));
    if (items == NULL) {
        return false;
    }
    mo_block_free(order->items, mo_order_bytes(order));
    order->items = items;
    order->capacity = wanted;
    return true;
}

static inline size_t
digit_of(const PyObject *item, int shift)
{
    return (uintptr_t)item >> shift & (DIGITS - 1);
}

/* Copies n items in the order of one digit, else in the one that they are in. */
static void
sort_by(PyObject *const *items, PyObject **sorted, size_t n, int shift)
{
    uint32_t place[DIGITS + 1] = {0}; /* where those with a digit begin */
    for (size_t i = 0; i < n; i++) {
        place[digit_of(items[i], shift) + 1]++;
    }
    for (size_t i = 0; i < DIGITS; i++) {
        place[i + 1] += place[i];
    }
    for (size_t i = 0; i < n; i++) {
        sorted[place[digit_of(items[i], shift)]++] = items[i];
    }
}

bool
mo_order_next(mo_order *order, PyObject *const *items, Py_ssize_t n)
{
    Py_ssize_t first = order->end;
    Py_ssize_t end = n - first > AT_A_TIME ? first + AT_A_TIME : n;
    size_t taken = (size_t)(end - first);
    /* Not kept: the walk makes tables in the same memory. */
    PyObject **half_sorted = mo_block_new(taken * sizeof(PyObject *));
    if (half_sorted == NULL || !make_room(order, taken)) {
        mo_block_free(half_sorted, taken * sizeof(PyObject *));
        return false;
    }
    sort_by(items + first, half_sorted, taken, FIRST_SHIFT);
    sort_by(half_sorted, order->items, taken, FIRST_SHIFT + DIGIT_BITS);
    mo_block_free(half_sorted, taken * sizeof(PyObject *));
    order->first = first;
    order->end = end;
    return true;
}

void
mo_order_clear(mo_order *order)
{
    mo_block_free(order->items, mo_order_bytes(order));
    memset(order, 0, sizeof(*order));
}

size_t
mo_order_bytes(const mo_order *order)
{
    return order->capacity * sizeof(PyObject *);
}
