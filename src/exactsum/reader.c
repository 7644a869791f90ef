/* reader.c - see reader.h.
 *
 * Reading is kept apart from adding: floats are gathered into a block of
 * doubles, and only whole blocks are summed.  Lists may change while their
 * items are read, by the items' own code or another thread, so each step looks
 * at the size again, and owns the item it reads or locks the list. */
#include "exactsum/reader.h"

#include "exactsum/boxed.h"
#include "exactsum/buffer.h"
#include "exactsum/dispatch.h"
#include "platform/fpenv.h"
#include "state.h"

/* Doubles gathered before they are summed.  The first block lies on the stack
 * (2 kB: fsum may be called from an iterator that an fsum reads, and so on);
 * who fills it gets a larger one, of 32 kB; 8 and 64 kB are as fast. */
#define SMALL_BLOCK 256
#define LARGE_BLOCK 4096

/* Every int up to this size is a double, in any rounding mode. */
#define EXACT_INT_LIMIT (INT64_C(1) << 53)

/* An error names the position of its item down to this many levels. */
#define PATH_LEVELS 8

typedef struct {
    mo_state *state; /* borrowed */
    mo_sum *sum;     /* borrowed: where everything goes */
    mo_plan plan;
    mo_progress progress;
    mo_ladder ladder; /* for the blocks */
    int64_t count;    /* numbers added so far that sum->count lacks */
    int level; /* collections being read, one in the other; 0 at first */
    /* Where the item that failed is, outermost level first; noted on the way
     * out of its collections. */
    int path_length;
    Py_ssize_t path[PATH_LEVELS];
    size_t filled;   /* doubles waiting in block */
    size_t capacity; /* of block */
    double *block;   /* small, or owned (PyMem) */
    double small[SMALL_BLOCK];
} reader;

static int
read_item(reader *r, PyObject *x);

static void
reader_init(reader *r, mo_state *state, int threads, PyObject *progress,
            mo_sum *sum)
{
    r->state = state;
    r->sum = sum;
    r->plan = mo_plan_begin(state, threads);
    r->progress = (mo_progress){.callback = progress, .total = -1};
    mo_ladder_init(&r->ladder, r->plan.kernel);
    r->count = 0;
    r->level = 0;
    r->path_length = 0;
    r->filled = 0;
    r->capacity = SMALL_BLOCK;
    r->block = r->small; /* which is left as it is */
}

static void
flush(reader *r)
{
    mo_fpenv environment = mo_fpenv_enter();
    mo_ladder_add(&r->ladder, r->block, r->filled, &r->sum->total);
    mo_fpenv_leave(&environment);
    r->count += (int64_t)r->filled;
    r->filled = 0;
}

/* Makes room for another double: by a larger block, if there is memory. */
static MO_NOINLINE void
make_room(reader *r)
{
    flush(r);
    if (r->block == r->small) {
        double *large = PyMem_New(double, LARGE_BLOCK);
        if (large != NULL) {
            r->block = large;
            r->capacity = LARGE_BLOCK;
        }
    }
}

static inline void
put(reader *r, double x)
{
    r->block[r->filled++] = x;
    if (r->filled == r->capacity) {
        make_room(r);
    }
}

/* Whether x is an exact float, or an exact int that equals *value. */
static inline bool
as_plain_double(PyObject *x, double *value)
{
    if (MO_LIKELY(PyFloat_CheckExact(x))) {
        *value = PyFloat_AS_DOUBLE(x);
        return true;
    }
    if (PyLong_CheckExact(x)) {
        int overflow;
        int64_t v = PyLong_AsLongLongAndOverflow(x, &overflow);
        *value = (double)v;
        return !overflow && -EXACT_INT_LIMIT <= v && v <= EXACT_INT_LIMIT;
    }
    return false;
}

/* Takes doubles off an int too wide for int64_t until nothing is left: each
 * is within half an ulp of the rest, so at most 20 are needed. */
static int
read_huge_int(reader *r, PyObject *x)
{
    /* Not PyNumber_Subtract, which would call a subclass's __sub__. */
    const binaryfunc subtract = PyLong_Type.tp_as_number->nb_subtract;
    PyObject *rest = Py_NewRef(x);
    for (;;) {
        double part = PyLong_AsDouble(rest);
        if (part == -1.0 && PyErr_Occurred()) {
            break;
        }
        if (part == 0.0) {
            Py_DECREF(rest);
            r->count++;
            return 0;
        }
        mo_accumulator_add(&r->sum->total, part);
        PyObject *subtrahend = PyLong_FromDouble(part);
        if (subtrahend == NULL) {
            break;
        }
        Py_SETREF(rest, subtract(rest, subtrahend));
        Py_DECREF(subtrahend);
        if (rest == NULL) {
            return -1;
        }
    }
    Py_DECREF(rest);
    return -1;
}

static int
read_int(reader *r, PyObject *x)
{
    int overflow;
    int64_t value = PyLong_AsLongLongAndOverflow(x, &overflow);
    if (overflow) {
        return read_huge_int(r, x);
    }
    mo_accumulator_add_i64(&r->sum->total, value);
    r->count++;
    return 0;
}

static inline bool
is_list_or_tuple(PyObject *x)
{
    return PyList_CheckExact(x) || PyTuple_CheckExact(x);
}

static inline bool
has_float(PyTypeObject *type)
{
    return type->tp_as_number != NULL && type->tp_as_number->nb_float != NULL;
}

static inline bool
has_index(PyTypeObject *type)
{
    return type->tp_as_number != NULL && type->tp_as_number->nb_index != NULL;
}

/* A number by its methods: PyFloat_AsDouble with its TypeError for others,
 * but exact for an object that has __index__ alone. */
static int
read_number_like(reader *r, PyObject *x)
{
    if (!has_float(Py_TYPE(x)) && has_index(Py_TYPE(x))) {
        PyObject *index = PyNumber_Index(x);
        if (index == NULL) {
            return -1;
        }
        int failed = read_int(r, index);
        Py_DECREF(index);
        return failed;
    }
    double value = PyFloat_AsDouble(x);
    if (value == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    put(r, value);
    return 0;
}

static inline bool
is_exactsum(const reader *r, PyObject *x)
{
    return Py_IS_TYPE(x, r->state->exactsum.ExactSumType);
}

/* Not inlined: its copy would take stack on every level of nesting. */
static MO_NOINLINE int
read_exactsum(reader *r, PyObject *x)
{
    mo_sum part = mo_exactsum_snapshot(x);
    return mo_sum_merge(r->sum, &part);
}

static int
read_buffer(reader *r, PyObject *x, int max_ndim)
{
    return mo_buffer_read(x, max_ndim, &r->plan, &r->progress, &r->sum->total,
                          &r->count);
}

static int
read_number(reader *r, PyObject *x)
{
    if (PyFloat_Check(x)) {
        put(r, PyFloat_AS_DOUBLE(x));
        return 0;
    }
    if (PyLong_Check(x)) {
        return read_int(r, x);
    }
    if (is_exactsum(r, x)) {
        return read_exactsum(r, x);
    }
    if (PyObject_CheckBuffer(x)) {
        return read_buffer(r, x, 0);
    }
    return read_number_like(r, x);
}

/* Item i of the collection being read has failed. */
static void
note_position(reader *r, Py_ssize_t i)
{
    if (r->level <= PATH_LEVELS) {
        r->path[r->level - 1] = i;
        r->path_length = Py_MAX(r->path_length, r->level);
    }
}

/* Reports the progress now and then. */
static inline int
report(reader *r)
{
    const int64_t done = r->count + (int64_t)r->filled;
    return mo_progress_is_due(&r->progress, done)
               ? mo_progress_report(&r->progress, done)
               : 0;
}

/* How many of the first n items, which `more` follow, are plain; their values to
 * out.  Floats are the rule, and ints among them the exception. */
static size_t
gather(PyObject *const *items, size_t n, size_t more, double *out)
{
    size_t i = mo_unbox_floats(items, n, more, out);
    while (i < n && as_plain_double(items[i], &out[i])) {
        i++;
    }
    return i;
}

/* Gathers plain items of a list or tuple, from item i on, at most as many as
 * there is room for in the block; how many.  Runs no Python code. */
static Py_ssize_t
read_plain_lock_held(reader *r, PyObject *sequence, Py_ssize_t i)
{
    const Py_ssize_t there = PySequence_Fast_GET_SIZE(sequence) - i;
    if (there <= 0) {
        return 0;
    }
    PyObject *const *items = PySequence_Fast_ITEMS(sequence) + i;
    const size_t n = Py_MIN((size_t)there, r->capacity - r->filled);
    const size_t plain =
        gather(items, n, (size_t)there - n, &r->block[r->filled]);
    r->filled += plain;
    if (r->filled == r->capacity) {
        make_room(r);
    }
    return (Py_ssize_t)plain;
}

static Py_ssize_t
read_plain(reader *r, PyObject *sequence, Py_ssize_t i)
{
    Py_ssize_t plain;
    MO_BEGIN_CRITICAL_SECTION(sequence);
    plain = read_plain_lock_held(r, sequence, i);
    MO_END_CRITICAL_SECTION();
    return plain;
}

/* The items of rows of equal length, from row i on, or false: not all are lists
 * or tuples, or there are not so many rows. */
static bool
find_rows(PyObject *sequence, Py_ssize_t i,
          PyObject *const *rows[MO_UNBOXED_ROWS], size_t *length)
{
    if (PySequence_Fast_GET_SIZE(sequence) - i < MO_UNBOXED_ROWS) {
        return false;
    }
    PyObject *const *items = PySequence_Fast_ITEMS(sequence) + i;
    for (int k = 0; k < MO_UNBOXED_ROWS; k++) {
        if (!is_list_or_tuple(items[k])) {
            return false;
        }
        const size_t n = (size_t)PySequence_Fast_GET_SIZE(items[k]);
        rows[k] = PySequence_Fast_ITEMS(items[k]);
        if (k > 0 && n != *length) {
            return false;
        }
        *length = n;
    }
    return true;
}

/* Gathers the floats of so many rows at once, from row i on, if there are such
 * rows and room for them; how many rows.  Runs no Python code.  Without a GIL
 * it would have to lock them all. */
static Py_ssize_t
read_rows(reader *r, PyObject *sequence, Py_ssize_t i)
{
    PyObject *const *rows[MO_UNBOXED_ROWS];
    size_t length;
    if (MO_FREE_THREADED || !find_rows(sequence, i, rows, &length) ||
        length > r->capacity / MO_UNBOXED_ROWS) {
        return 0;
    }
    const size_t count = MO_UNBOXED_ROWS * length;
    if (r->filled + count > r->capacity) {
        make_room(r);
    }
    if (!mo_unbox_rows(rows, length, &r->block[r->filled])) {
        return 0;
    }
    r->filled += count;
    if (r->filled == r->capacity) {
        make_room(r);
    }
    return MO_UNBOXED_ROWS;
}

/* Item i of a collection.  Takes over the reference. */
static int
read_owned(reader *r, PyObject *item, Py_ssize_t i)
{
    int failed = read_item(r, item);
    Py_DECREF(item);
    if (failed) {
        note_position(r, i);
        return -1;
    }
    return report(r);
}

/* An exact list or tuple.  Rows that are not all floats are read for nothing when
 * several at once are tried: so the next try is later and later. */
static int
read_items(reader *r, PyObject *sequence)
{
    Py_ssize_t next_try = 0, pause = MO_UNBOXED_ROWS;
    for (Py_ssize_t i = 0;;) {
        Py_ssize_t plain = read_plain(r, sequence, i);
        if (plain == 0 && i >= next_try) {
            plain = read_rows(r, sequence, i);
            pause = plain > 0 ? MO_UNBOXED_ROWS : 2 * pause;
            next_try = i + (plain > 0 ? 0 : pause);
        }
        PyObject *item = plain > 0 ? NULL : mo_sequence_item(sequence, i);
        if (plain == 0 && item == NULL) {
            return 0;
        }
        if (item != NULL ? read_owned(r, item, i) : report(r)) {
            return -1;
        }
        i += Py_MAX(plain, 1);
    }
}

static int
read_iterator(reader *r, PyObject *iterator)
{
    PyObject *item;
    for (Py_ssize_t i = 0; (item = PyIter_Next(iterator)) != NULL; i++) {
        if (read_owned(r, item, i)) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* All the items of an exact list or tuple or of an iterator, guarded against
 * nesting too deep, endless nesting included. */
static int
read_level(reader *r, PyObject *items, int (*body)(reader *r, PyObject *items))
{
    if (Py_EnterRecursiveCall(" while summing nested numbers")) {
        return -1;
    }
    r->level++;
    int failed = body(r, items);
    r->level--;
    Py_LeaveRecursiveCall();
    return failed;
}

/* Steals `iterator`; NULL means that there is none and an exception is set. */
static int
read_all(reader *r, PyObject *iterator)
{
    if (iterator == NULL) {
        return -1;
    }
    int failed = read_level(r, iterator, read_iterator);
    Py_DECREF(iterator);
    return failed;
}

/* An item that is neither float, int, list, tuple nor text. */
static int
read_other_item(reader *r, PyObject *x)
{
    PyTypeObject *type = Py_TYPE(x);
    if (is_exactsum(r, x)) {
        return read_exactsum(r, x);
    }
    if (PyObject_CheckBuffer(x)) {
        return read_buffer(r, x, MO_ANY_NDIM);
    }
    if (type->tp_iter != NULL) {
        PyObject *iterator = PyObject_GetIter(x);
        if (iterator == NULL && has_float(type) &&
            PyErr_ExceptionMatches(PyExc_TypeError)) {
            /* An array of no dimensions (torch, xarray): a number. */
            PyErr_Clear(); /* it is a number */
            return read_number_like(r, x);
        }
        return read_all(r, iterator);
    }
    if (has_float(type) || has_index(type) || !PySequence_Check(x)) {
        return read_number_like(r, x);
    }
    return read_all(r, PyObject_GetIter(x));
}

static int
read_item(reader *r, PyObject *x)
{
    double value;
    if (as_plain_double(x, &value)) {
        put(r, value);
        return 0;
    }
    if (PyLong_Check(x)) {
        return read_int(r, x);
    }
    if (is_list_or_tuple(x)) {
        return read_level(r, x, read_items);
    }
    if (PyFloat_Check(x)) { /* walks the type's bases: after the flag tests */
        put(r, PyFloat_AS_DOUBLE(x));
        return 0;
    }
    /* Text is not a nesting of numbers, though it has a buffer or items. */
    if (PyUnicode_Check(x) || PyBytes_Check(x) || PyByteArray_Check(x)) {
        PyErr_Format(PyExc_TypeError, "must be real number, not %.200s",
                     Py_TYPE(x)->tp_name);
        return -1;
    }
    return read_other_item(r, x);
}

static int
read_collection(reader *r, PyObject *obj)
{
    if (is_list_or_tuple(obj)) {
        return read_level(r, obj, read_items);
    }
    if (is_exactsum(r, obj)) {
        return read_exactsum(r, obj);
    }
    if (PyObject_CheckBuffer(obj)) {
        r->progress.total = MO_TOTAL_OF_BUFFER;
        return read_buffer(r, obj, MO_ANY_NDIM);
    }
    if (PyUnicode_Check(obj)) {
        PyErr_SetString(PyExc_TypeError,
                        "cannot sum a str; convert its parts with float()");
        return -1;
    }
    return read_all(r, PyObject_GetIter(obj));
}

/* "while summing item [3][17]", with dots for the levels left out. */
static PyObject *
format_note(const reader *r)
{
    PyObject *note = PyUnicode_FromString("while summing item ");
    for (int i = 0; note != NULL && i < r->path_length; i++) {
        const char *rest = i == PATH_LEVELS - 1 ? "..." : "";
        Py_SETREF(note,
                  PyUnicode_FromFormat("%U[%zd]%s", note, r->path[i], rest));
    }
    return note;
}

/* Says in a note on the exception being raised which item is at fault, if it
 * is of the kind that a wrong item gives. */
static void
note_path(const reader *r)
{
    if (r->path_length == 0 ||
        !(PyErr_ExceptionMatches(PyExc_TypeError) ||
          PyErr_ExceptionMatches(PyExc_OverflowError))) {
        return;
    }
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *method = PyUnicode_InternFromString("add_note");
    PyObject *note = format_note(r);
    PyObject *done = NULL;
    if (method != NULL && note != NULL) {
        done = PyObject_CallMethodOneArg(exception, method, note);
    }
    Py_XDECREF(method);
    Py_XDECREF(note);
    Py_XDECREF(done);
    /* Replaces any error from above: the note is a courtesy, and the
     * exception right without it. */
    PyErr_SetRaisedException(exception);
}

/* Ends every read: all or nothing of the block, and the count. */
static int
finish(reader *r, int failed)
{
    if (!failed) {
        flush(r);
        mo_usage_add(&r->plan.usage, &r->ladder.usage);
        mo_plan_end(r->state, &r->plan);
    }
    if (r->block != r->small) {
        PyMem_Free(r->block);
    }
    if (failed) {
        note_path(r);
        return -1;
    }
    if (r->progress.callback != NULL &&
        mo_progress_report(&r->progress, r->count) < 0) {
        return -1;
    }
    return mo_sum_count(r->sum, r->count);
}

int
mo_read_number(mo_state *state, PyObject *x, mo_sum *sum)
{
    reader r;
    reader_init(&r, state, 1, NULL, sum);
    return finish(&r, read_number(&r, x));
}

int
mo_sum_read(mo_state *state, PyObject *obj, int threads, PyObject *progress,
            mo_sum *sum)
{
    reader r;
    reader_init(&r, state, threads, progress, sum);
    return finish(&r, read_collection(&r, obj));
}

int
mo_read_any(mo_state *state, PyObject *obj, mo_sum *sum)
{
    reader r;
    reader_init(&r, state, MO_THREADS_AUTO, NULL, sum);
    /* As an argument by itself, bytes are a buffer like any other. */
    bool is_bytes = PyBytes_Check(obj) || PyByteArray_Check(obj);
    return finish(&r,
                  is_bytes ? read_collection(&r, obj) : read_item(&r, obj));
}
