/* boxed.c - see boxed.h. */
#include "exactsum/boxed.h"

/* Items ahead of the one being read whose float is fetched. */
#define AHEAD 64

/* Fewer items are not worth being read as rows. */
#define MANY 64

static size_t
unbox_one_by_one(PyObject *const *items, size_t n, double *out)
{
    size_t i = 0;
    for (; i < n && PyFloat_CheckExact(items[i]); i++) {
        out[i] = PyFloat_AS_DOUBLE(items[i]);
    }
    return i;
}

/* Item i of each row; the item `ahead` of it is fetched. */
static MO_ALWAYS_INLINE bool
unbox_column(PyObject *const *const *rows, size_t i, size_t n, size_t ahead,
             double *out)
{
    for (size_t row = 0; row < MO_UNBOXED_ROWS; row++) {
        PyObject *item = rows[row][i];
        if (ahead > 0) {
            MO_PREFETCH(rows[row][i + ahead]);
        }
        if (!PyFloat_CheckExact(item)) {
            return false;
        }
        out[row * n + i] = PyFloat_AS_DOUBLE(item);
    }
    return true;
}

/* As mo_unbox_rows; `more` items follow in each row. */
static bool
unbox_rows(PyObject *const *const *rows, size_t n, size_t more, double *out)
{
    const size_t fetching = n + more > AHEAD ? n + more - AHEAD : 0;
    size_t i = 0;
    for (; i < n && i < fetching; i++) {
        if (!unbox_column(rows, i, n, AHEAD, out)) {
            return false;
        }
    }
    for (; i < n; i++) {
        if (!unbox_column(rows, i, n, 0, out)) {
            return false;
        }
    }
    return true;
}

bool
mo_unbox_rows(PyObject *const *const rows[MO_UNBOXED_ROWS], size_t n,
              double *out)
{
    return unbox_rows(rows, n, 0, out);
}

/* A sequence is read as rows of a fourth of it each. */
size_t
mo_unbox_floats(PyObject *const *items, size_t n, size_t more, double *out)
{
    const size_t length = n < MANY ? 0 : n / MO_UNBOXED_ROWS;
    size_t done = length * MO_UNBOXED_ROWS;
    PyObject *const *rows[MO_UNBOXED_ROWS];
    for (size_t row = 0; row < MO_UNBOXED_ROWS; row++) {
        rows[row] = items + row * length;
    }
    if (!unbox_rows(rows, length, n - done + more, out)) {
        done = 0;
    }
    return done + unbox_one_by_one(items + done, n - done, out + done);
}
