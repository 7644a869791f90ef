/* feed.c - see feed.h. */
#include "lazymap/feed.h"

#include "exactsum/exactsum.h"

/* --- Which sources ---------------------------------------------------------- */

static bool
is_objects(PyObject *source)
{
    return PyList_CheckExact(source) || PyTuple_CheckExact(source);
}

bool
mo_feed_suits(mo_lazymap_state *state, const mo_cursor *cursor)
{
    switch (cursor->kind) {
        case MO_CURSOR_LIST:
        case MO_CURSOR_TUPLE:
        case MO_CURSOR_RANGE:
        case MO_CURSOR_STRIDE:
        case MO_CURSOR_BUFFER:
            return true;
        case MO_CURSOR_WINDOW:
            return is_objects(cursor->object) ||
                   mo_is_number_buffer(state, cursor->object);
        default:
            return false;
    }
}

/* --- Opening ------------------------------------------------------------------ */

/* The items from `index` on in such steps that are among `size`. */
static Py_ssize_t
count_from(Py_ssize_t index, Py_ssize_t step, Py_ssize_t size)
{
    if (index < 0 || index >= size) {
        return 0;
    }
    return step > 0 ? (size - 1 - index) / step + 1 : index / -step + 1;
}

/* The items from the cursor on. */
static Py_ssize_t
count_available(const mo_cursor *cursor, Py_ssize_t size)
{
    if (cursor->kind != MO_CURSOR_STRIDE && cursor->kind != MO_CURSOR_WINDOW) {
        return count_from(cursor->index, 1, size);
    }
    const Py_ssize_t fits = count_from(cursor->index, cursor->step, size);
    return fits < cursor->remaining ? fits : cursor->remaining;
}

/* The format of a buffer whose items Python has as int, float or bool, or 0. */
static char
plain_format(const Py_buffer *view, bool numpy)
{
    const char *format = view->format ? view->format : "B";
    if (format[0] == '@') {
        format++;
    }
    if (format[0] == 0 || format[1] != 0 || view->ndim != 1) {
        return 0;
    }
    if (numpy) { /* the types whose scalars compute as Python does */
        bool fits = format[0] == 'd' ||
                    (strchr("lq", format[0]) != NULL && view->itemsize == 8);
        return fits ? format[0] : 0;
    }
    return strchr("bBhHiIlLqQfd?", format[0]) ? format[0] : 0;
}

static bool
open_buffer(mo_feed *feed, PyObject *source)
{
    if (PyObject_GetBuffer(source, &feed->view, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear(); /* iterating it says what is wrong */
        return false;
    }
    feed->kind = MO_FEED_BUFFER;
    feed->numpy = mo_is_numpy_array(source);
    feed->format = plain_format(&feed->view, feed->numpy);
    if (feed->format == 0) {
        PyBuffer_Release(&feed->view);
        return false;
    }
    return true;
}

bool
mo_feed_open(mo_lazymap_state *state, mo_feed *feed, const mo_cursor *cursor)
{
    PyObject *source = cursor->object;
    bool windowed =
        cursor->kind == MO_CURSOR_STRIDE || cursor->kind == MO_CURSOR_WINDOW;
    feed->operations = MO_LOAD_POINTER(&state->operations);
    feed->numpy = false;
    feed->index = cursor->index;
    feed->step = windowed ? cursor->step : 1;
    if (cursor->kind == MO_CURSOR_RANGE) {
        feed->kind = MO_FEED_RANGE;
        feed->value = cursor->value;
        feed->stride = cursor->stride;
        feed->available = cursor->remaining;
    }
    else if (source == NULL || !mo_feed_suits(state, cursor)) {
        return false;
    }
    else if (is_objects(source)) {
        feed->kind = MO_FEED_OBJECTS;
        feed->sequence = Py_NewRef(source);
        feed->available =
            count_available(cursor, PySequence_Fast_GET_SIZE(source));
    }
    else {
        if (!open_buffer(feed, source)) {
            return false;
        }
        feed->available = count_available(cursor, feed->view.shape[0]);
    }
    return true;
}

void
mo_feed_close(mo_feed *feed)
{
    if (feed->kind == MO_FEED_BUFFER) {
        PyBuffer_Release(&feed->view);
    }
    else if (feed->kind == MO_FEED_OBJECTS) {
        Py_CLEAR(feed->sequence);
    }
}

/* --- Reading -------------------------------------------------------------------- */

static size_t
read_range(const mo_feed *feed, Py_ssize_t skip, mo_value *room, size_t n)
{
    uint64_t stride = (uint64_t)feed->stride; /* the last step may wrap */
    uint64_t first = (uint64_t)feed->value + (uint64_t)skip * stride;
    feed->operations->count_up(room, first, stride, n);
    return n;
}

/* Objects lie anywhere in memory: that many items ahead of the one being read
 * are fetched. */
#define AHEAD 16

static_assert(sizeof(mo_value) == sizeof(double),
              "lanes are doubles in a row");

/* `ahead` is AHEAD, or 0 if so many items do not follow. */
static size_t
read_floats(PyObject **objects, Py_ssize_t step, Py_ssize_t ahead,
            mo_value *room, size_t n)
{
    size_t i = 0;
    for (; i < n && PyFloat_CheckExact(*objects); i++, objects += step) {
        MO_PREFETCH(objects[ahead * step]);
        room[i].f = PyFloat_AS_DOUBLE(*objects);
    }
    return i;
}

static size_t
read_ints(PyObject **objects, Py_ssize_t step, Py_ssize_t ahead,
          mo_value *room, size_t n)
{
    size_t i = 0;
    for (; i < n && PyLong_CheckExact(*objects); i++, objects += step) {
        MO_PREFETCH(objects[ahead * step]);
        if (!mo_int_as_int64(*objects, &room[i].i)) {
            break;
        }
    }
    return i;
}

/* As many as are of the first one's type; none if another thread has made the
 * list too short for all of them. */
static size_t
read_objects_lock_held(const mo_feed *feed, Py_ssize_t skip, mo_value *room,
                       size_t n, mo_type *type)
{
    const Py_ssize_t step = feed->step, first = feed->index + skip * step;
    const Py_ssize_t size = PySequence_Fast_GET_SIZE(feed->sequence);
    const Py_ssize_t there = count_from(first, step, size);
    const Py_ssize_t more =
        Py_MIN(there, feed->available - skip) - (Py_ssize_t)n;
    if (more < 0) {
        return 0;
    }
    PyObject **objects = PySequence_Fast_ITEMS(feed->sequence) + first;
    const Py_ssize_t ahead = more >= AHEAD ? AHEAD : 0;
    *type = PyFloat_CheckExact(*objects) ? MO_FLOAT : MO_INT;
    if (*type == MO_INT) {
        return read_ints(objects, step, ahead, room, n);
    }
    return step == 1 ? mo_unbox_floats(objects, n, (size_t)more, &room->f)
                     : read_floats(objects, step, ahead, room, n);
}

static size_t
read_objects(const mo_feed *feed, Py_ssize_t skip, mo_value *room, size_t n,
             mo_type *type)
{
    size_t got;
    if (PyTuple_CheckExact(feed->sequence)) { /* never changes */
        return read_objects_lock_held(feed, skip, room, n, type);
    }
    MO_BEGIN_CRITICAL_SECTION(feed->sequence);
    got = read_objects_lock_held(feed, skip, room, n, type);
    MO_END_CRITICAL_SECTION();
    return got;
}

/* memcpy: the items of a buffer need not be aligned. */
#define READ_AS(TYPE, FIELD)                  \
    for (i = 0; i < n; i++, from += stride) { \
        TYPE item;                            \
        memcpy(&item, from, sizeof item);     \
        room[i].FIELD = item;                 \
    }                                         \
    break

#define READ_UNSIGNED(TYPE)                   \
    for (i = 0; i < n; i++, from += stride) { \
        TYPE item;                            \
        memcpy(&item, from, sizeof item);     \
        const uint64_t wide = item;           \
        if (wide > INT64_MAX) {               \
            break;                            \
        }                                     \
        room[i].i = (int64_t)wide;            \
    }                                         \
    break

static size_t
read_items(char format, const char *from, Py_ssize_t stride, mo_value *room,
           size_t n)
{
    size_t i = 0;
    switch (format) {
        case 'b':
            READ_AS(signed char, i);
        case 'B':
            READ_AS(unsigned char, i);
        case 'h':
            READ_AS(short, i);
        case 'H':
            READ_AS(unsigned short, i);
        case 'i':
            READ_AS(int, i);
        case 'I':
            READ_AS(unsigned int, i);
        case 'l':
            READ_AS(long, i);
        case 'q':
            READ_AS(long long, i);
        case 'L':
            READ_UNSIGNED(unsigned long);
        case 'Q':
            READ_UNSIGNED(unsigned long long);
        case 'f':
            READ_AS(float, f);
        case 'd':
            READ_AS(double, f);
        default: /* '?' */
            for (i = 0; i < n; i++, from += stride) {
                room[i].i = *from != 0;
            }
            break;
    }
    return i;
}

static mo_type
format_type(char format)
{
    if (format == '?') {
        return MO_BOOL;
    }
    return format == 'f' || format == 'd' ? MO_FLOAT : MO_INT;
}

/* Lanes are of 64 bits, one after the other, and aligned. */
static bool
lies_as_lane(const mo_feed *feed, const char *from, Py_ssize_t stride)
{
    bool wide = feed->format == 'd' ||
                (strchr("lq", feed->format) && feed->view.itemsize == 8);
    return wide && stride == (Py_ssize_t)sizeof(mo_value) &&
           (uintptr_t)from % sizeof(mo_value) == 0;
}

/* Has the processor fetch the next block while it computes on this: what is
 * read with pauses it does not see coming.  Sums of 64 MB take 12 ms so, and
 * 19 without (Zen 3). */
static void
fetch(const char *from, size_t n)
{
    for (size_t i = 0; i < n * sizeof(mo_value); i += MO_CACHE_LINE) {
        MO_PREFETCH(from + i);
    }
}

static size_t
read_buffer(const mo_feed *feed, Py_ssize_t skip, mo_value *room, size_t n,
            mo_type *type, const void **in_place)
{
    const Py_buffer *view = &feed->view;
    Py_ssize_t index = feed->index + skip * feed->step;
    Py_ssize_t stride = view->strides[0] * feed->step;
    const char *from = (const char *)view->buf + index * view->strides[0];
    *type = format_type(feed->format);
    if (in_place != NULL && lies_as_lane(feed, from, stride)) {
        *in_place = from;
        if (feed->available - skip >= 2 * (Py_ssize_t)n) {
            fetch(from + n * sizeof(mo_value), n);
        }
        return n;
    }
    return read_items(feed->format, from, stride, room, n);
}

size_t
mo_feed_read(mo_feed *feed, Py_ssize_t skip, mo_value *room, size_t n,
             mo_type *type, const void **in_place)
{
    if ((Py_ssize_t)n > feed->available - skip) {
        n = (size_t)(feed->available - skip);
    }
    if (n == 0) {
        return 0;
    }
    if (feed->kind == MO_FEED_RANGE) {
        *type = MO_INT;
        return read_range(feed, skip, room, n);
    }
    if (feed->kind == MO_FEED_OBJECTS) {
        return read_objects(feed, skip, room, n, type);
    }
    return read_buffer(feed, skip, room, n, type, in_place);
}

/* --- Looking again ---------------------------------------------------------------- */

static bool
is_number(PyObject *item, mo_type type, mo_value value)
{
    int64_t number;
    if (type == MO_FLOAT) {
        mo_value now;
        if (!PyFloat_CheckExact(item)) {
            return false;
        }
        now.f = PyFloat_AS_DOUBLE(item);
        return now.i == value.i; /* the bits: -0.0 is not 0.0 */
    }
    if (type == MO_BOOL) {
        return item == (value.i ? Py_True : Py_False);
    }
    return PyLong_CheckExact(item) && mo_int_as_int64(item, &number) &&
           number == value.i;
}

/* Whether item i of a list is the number. */
static bool
is_in_list(PyObject *list, Py_ssize_t i, mo_type type, mo_value value)
{
    bool same;
    MO_KEEP(list);
    MO_BEGIN_CRITICAL_SECTION(list);
    same = i < PyList_GET_SIZE(list) &&
           is_number(PyList_GET_ITEM(list, i), type, value);
    MO_END_CRITICAL_SECTION();
    MO_LET_GO(list);
    return same;
}

bool
mo_feed_is_current(const mo_cursor *cursor, mo_type type, mo_value value)
{
    PyObject *source = cursor->object;
    if (source == NULL) {
        return false;
    }
    if (cursor->kind == MO_CURSOR_RANGE || PyTuple_CheckExact(source)) {
        return true;
    }
    if (PyList_CheckExact(source)) {
        return is_in_list(source, cursor->index, type, value);
    }
    PyObject *item = PySequence_GetItem(source, cursor->index);
    if (item == NULL) {
        PyErr_Clear(); /* it will be raised when the item is asked for */
        return false;
    }
    bool same = is_number(item, type, value);
    Py_DECREF(item);
    return same;
}
