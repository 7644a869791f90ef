/* lines.c - see lines.h.
 *
 * There are three ways.  Lines that lie side by side, such as the columns of a
 * matrix in C order, are summed in strips, a row of each at a time.  Long
 * lines whose items are next to each other are made into a few doubles each;
 * these, and the items of all other lines, are transposed into a tile, in
 * which they do lie side by side.  What a kernel cannot prove to be exact is
 * tried again in smaller parts, and in the end line by line. */
#include "compat.h" /* first: Python.h asks for all of POSIX */

#include "exactsum/lines.h"

#include <math.h>

#include "exactsum/items.h"

/* Lines of a strip: 16 kB of sums, in the first-level cache with four rows of
 * items.  1000 columns of 1000: 25 to 28 GB/s, in strips of 256 19 to 22 (Ice
 * Lake Xeon, AVX-512). */
#define STRIP ((size_t)MO_MAX_WIDTH)

/* Lines of a strip that failed which are tried again together. */
#define SUBSTRIP ((size_t)64)

/* Rows of a strip after which a failure shows. */
#define BAND ((size_t)256)

/* Lines, and doubles, of a tile: 32 kB. */
#define TILE_LINES ((size_t)64)
#define TILE ((size_t)4096)

/* Doubles of filtered lines that are summed at once: 16 kB. */
#define PIECE ((size_t)2048)

/* Contiguous lines of fewer doubles are transposed into a tile. */
#define LONG 32

/* Lines of other kinds, unless they lie side by side, are too if they have
 * fewer items: 5 ns an item, where a line alone takes 300 ns and 1 ns an item
 * (Ice Lake Xeon, filtered rows). */
#define LONG_ALONE 128

/* Lines of more doubles are summed alone, which takes 0.3 us for each */
#define VERY_LONG 16384

typedef struct {
    const mo_lines *lines;
    const mo_outcome *outcome;
    double *results;
    size_t group; /* lines of a chunk */
    bool counted; /* of mo_sum_filtered() */
    mo_worker *worker;
} job;

static const char *
item_at(const job *j, size_t line, size_t item)
{
    const mo_lines *lines = j->lines;
    return lines->first + (ptrdiff_t)line * lines->line_stride +
           (ptrdiff_t)item * lines->item_stride;
}

static ptrdiff_t
magnitude_of_stride(ptrdiff_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Whether neighbours in memory belong to different lines. */
static bool
lie_side_by_side(const mo_lines *lines)
{
    return magnitude_of_stride(lines->line_stride) <
           magnitude_of_stride(lines->item_stride);
}

/* --- copying what counts ---------------------------------------------- */

static MO_ALWAYS_INLINE double
load(const char *p, const size_t size)
{
    if (size == sizeof(double)) {
        double x;
        memcpy(&x, p, sizeof x);
        return x;
    }
    float single;
    memcpy(&single, p, sizeof single);
    return (double)single;
}

/* Items of several rows, here and there: a row is a line, or the items of
 * like number of several lines. */
typedef struct {
    double *to;
    size_t to_row, to_item; /* doubles from one to the next */
    const char *from;
    ptrdiff_t from_row, from_item; /* bytes */
    const char *mask;
    ptrdiff_t mask_row, mask_item; /* bytes */
    size_t rows, items;
    uint64_t limit; /* see is_counted() */
} transfer;

static MO_ALWAYS_INLINE void
copy(const transfer *t, const size_t size, const ptrdiff_t from_item)
{
    for (size_t i = 0; i < t->rows; i++) {
        double *to = t->to + i * t->to_row;
        const char *from = t->from + (ptrdiff_t)i * t->from_row;
        for (size_t k = 0; k < t->items; k++) {
            to[k * t->to_item] = load(from + (ptrdiff_t)k * from_item, size);
        }
    }
}

/* Doubled bits of all numbers are up to this, of NaNs above. */
#define DOUBLED_INFINITY UINT64_C(0xffe0000000000000)

static uint64_t
limit_of(const mo_filter *filter)
{
    return filter->skip_nan ? DOUBLED_INFINITY : UINT64_MAX;
}

static MO_ALWAYS_INLINE uint64_t
bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 1 or 0, without a branch: masks are hard to predict. */
static MO_ALWAYS_INLINE uint64_t
is_counted(char mask, uint64_t bits, uint64_t limit)
{
    return (uint64_t)(mask != 0) & (uint64_t)(bits << 1 <= limit);
}

static MO_ALWAYS_INLINE void
copy_row_of_what_counts(const transfer *t, size_t i, const size_t size)
{
    const ptrdiff_t from_item = t->from_item, mask_item = t->mask_item;
    const size_t items = t->items, to_item = t->to_item;
    const uint64_t limit = t->limit;
    const char *from = t->from + (ptrdiff_t)i * t->from_row;
    const char *mask = t->mask + (ptrdiff_t)i * t->mask_row;
    double *to = t->to + i * t->to_row;
    for (size_t k = 0; k < items; k++) {
        uint64_t bits = bits_of(load(from, size));
        bits &= UINT64_C(0) - is_counted(*mask, bits, limit);
        memcpy(to, &bits, sizeof bits);
        from += from_item;
        mask += mask_item;
        to += to_item;
    }
}

/* Not inlined, as it needs all registers. */
static MO_NOINLINE void
copy_what_counts(const transfer *t, size_t size)
{
    for (size_t i = 0; i < t->rows; i++) {
        if (size == sizeof(double)) {
            copy_row_of_what_counts(t, i, sizeof(double));
        }
        else {
            copy_row_of_what_counts(t, i, sizeof(float));
        }
    }
}

/* A loop for each case: the constant arguments are all that tells them
 * apart. */
static void
transfer_items(const transfer *t, size_t size)
{
    const ptrdiff_t stride = t->from_item;
    if (t->mask != NULL) {
        copy_what_counts(t, size);
    }
    else if (size == sizeof(double)) {
        copy(t, sizeof(double), stride);
    }
    else if (stride == sizeof(float)) {
        copy(t, sizeof(float), sizeof(float));
    }
    else {
        copy(t, sizeof(float), stride);
    }
}

/* Items item..item + items - 1 of n lines, each `to_line` doubles from the one
 * before, its items `to_item` apart; zeros in place of what does not count. */
static void
fetch(const job *j, double *to, size_t to_line, size_t to_item, size_t line,
      size_t n, size_t item, size_t items)
{
    const mo_lines *lines = j->lines;
    const mo_filter *filter = lines->filter;
    transfer t = {
        .to = to,
        .to_row = to_line,
        .to_item = to_item,
        .from = item_at(j, line, item),
        .from_row = lines->line_stride,
        .from_item = lines->item_stride,
        .rows = n,
        .items = items,
    };
    if (filter != NULL) {
        t.mask_row = filter->line_stride;
        t.mask_item = filter->item_stride;
        t.mask = filter->mask + (ptrdiff_t)line * t.mask_row +
                 (ptrdiff_t)item * t.mask_item;
        t.limit = limit_of(filter);
    }
    if (n > 1 &&
        (lie_side_by_side(lines) || items < 16)) { /* the other way round */
        t = (transfer){
            .to = to,
            .to_row = t.to_item,
            .to_item = t.to_row,
            .from = t.from,
            .from_row = t.from_item,
            .from_item = t.from_row,
            .mask = t.mask,
            .mask_row = t.mask_item,
            .mask_item = t.mask_row,
            .rows = items,
            .items = n,
            .limit = t.limit,
        };
    }
    transfer_items(&t, lines->itemsize);
}

/* How many items of a line count. */
static uint64_t
count_items(const mo_lines *lines, size_t line)
{
    const mo_filter *filter = lines->filter;
    if (filter == NULL) {
        return lines->length;
    }
    const bool singles = lines->itemsize == sizeof(float);
    const uint64_t limit = limit_of(filter);
    const char *from = lines->first + (ptrdiff_t)line * lines->line_stride;
    const char *mask = filter->mask + (ptrdiff_t)line * filter->line_stride;
    uint64_t count = 0;
    for (size_t k = 0; k < lines->length; k++) {
        double x =
            singles ? load(from, sizeof(float)) : load(from, sizeof(double));
        count += is_counted(*mask, bits_of(x), limit);
        from += lines->item_stride;
        mask += filter->item_stride;
    }
    return count;
}

/* --- line by line ----------------------------------------------------- */

static void
store_result(const job *j, size_t line, mo_accumulator *total)
{
    double *result = &j->results[line];
    if (j->outcome->is_mean) {
        uint64_t n = count_items(j->lines, line);
        *result = n > 0 ? mo_accumulator_mean(total, n, NULL) : (double)NAN;
        return;
    }
    mo_accumulator_add(total, j->outcome->initial);
    *result = mo_accumulator_round(total, NULL);
}

/* All items of a line, as an array of its own. */
static void
add_line(const job *j, size_t line, mo_accumulator *total)
{
    const mo_lines *lines = j->lines;
    const mo_item item = {MO_ITEM_FLOAT, lines->itemsize, false};
    mo_intake intake;
    mo_intake_init(&intake, &j->worker->ladder, item, total);
    mo_intake_add(&intake, item_at(j, line, 0), lines->length,
                  lines->item_stride);
    mo_intake_finish(&intake);
}

/* Only those that count, of any number of lines. */
static void
add_filtered(const job *j, size_t line, size_t n, mo_accumulator *total)
{
    const size_t length = j->lines->length;
    double piece[PIECE];
    size_t filled = 0;
    for (; n > 0; n--, line++) {
        for (size_t item = 0; item < length;) {
            size_t items = Py_MIN(length - item, PIECE - filled);
            fetch(j, piece + filled, 0, 1, line, 1, item, items);
            item += items;
            filled += items;
            if (filled == PIECE) {
                mo_ladder_add(&j->worker->ladder, piece, filled, total);
                filled = 0;
            }
        }
    }
    mo_ladder_add(&j->worker->ladder, piece, filled, total);
}

/* n lines from `line` on, each alone. */
static MO_NOINLINE void
sum_alone(const job *j, size_t line, size_t n)
{
    for (; n > 0; n--, line++) {
        mo_accumulator total;
        mo_accumulator_init(&total);
        if (j->lines->filter != NULL) {
            add_filtered(j, line, 1, &total);
        }
        else {
            add_line(j, line, &total);
        }
        store_result(j, line, &total);
    }
}

/* results[line..line + n - 1] from sums of one or two terms; whether all are
 * finite.  A loop that compilers vectorize. */
static bool
round_sums(const job *j, size_t line, size_t n, const double *sums,
           const double *rests)
{
    double *results = j->results + line;
    uint64_t greatest = 0;
    for (size_t i = 0; i < n; i++) {
        const double sum = sums[i] + rests[i];
        const uint64_t bits = bits_of(sum) << 1;
        greatest = bits > greatest ? bits : greatest;
        results[i] = sum;
    }
    return greatest < DOUBLED_INFINITY;
}

static void
conclude_line(const job *j, size_t line, const double *sum, size_t width,
              int terms)
{
    mo_accumulator total;
    mo_accumulator_init(&total);
    mo_accumulator_add_f64(&total, sum, (size_t)terms,
                           (ptrdiff_t)(width * sizeof *sum));
    store_result(j, line, &total);
}

/* From the sums that columns() gave to n lines from `line` on. */
static void
conclude(const job *j, size_t line, size_t n, const double *sums, size_t width,
         int terms)
{
    static const double zeros[STRIP];
    const mo_outcome *outcome = j->outcome;
    const bool plain = !outcome->is_mean && outcome->initial == 0.0;
    if (plain && terms <= 2 &&
        round_sums(j, line, n, sums, terms == 2 ? sums + width : zeros)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double sum = terms == 1 ? sums[i] : sums[i] + sums[width + i];
        if (isfinite(sum)) {
            conclude_line(j, line + i, sums + i, width, terms);
        }
        else {
            sum_alone(j, line + i, 1);
        }
    }
}

/* --- lines that lie side by side -------------------------------------- */

static bool
try_strip(const job *j, size_t line, size_t width, double *sums, int terms)
{
    const mo_lines *lines = j->lines;
    const mo_kernel *kernel = j->worker->ladder.kernel;
    const mo_columns columns = lines->itemsize == sizeof(double)
                                   ? kernel->columns[terms]
                                   : kernel->columns_singles[terms];
    memset(sums, 0, (size_t)terms * width * sizeof *sums);
    for (size_t item = 0; item < lines->length; item += BAND) {
        size_t rows = Py_MIN(lines->length - item, BAND);
        if (!columns(item_at(j, line, item), rows, width, lines->item_stride,
                     sums)) {
            return false;
        }
    }
    return true;
}

/* width: a multiple of 8, at most STRIP. */
static void
sum_strip(const job *j, size_t line, size_t width)
{
    double sums[2 * STRIP];
    if (try_strip(j, line, width, sums, 2)) {
        conclude(j, line, width, sums, width, 2);
        return;
    }
    for (size_t end = line + width; line < end; line += SUBSTRIP) {
        size_t n = Py_MIN(end - line, SUBSTRIP);
        if (try_strip(j, line, n, sums, 2)) {
            conclude(j, line, n, sums, n, 2);
        }
        else if (try_strip(j, line, n, sums, 3)) {
            conclude(j, line, n, sums, n, 3);
        }
        else {
            sum_alone(j, line, n);
        }
    }
}

/* --- lines in a tile -------------------------------------------------- */

static bool
try_tiles(const job *j, size_t line, size_t n, size_t width, double *sums,
          int terms)
{
    const mo_lines *lines = j->lines;
    const mo_columns columns = j->worker->ladder.kernel->columns[terms];
    double tile[TILE];
    const size_t most = Py_MIN(TILE / width, lines->length);
    memset(tile, 0, most * width * sizeof *tile); /* beyond n lines it stays */
    memset(sums, 0, (size_t)terms * width * sizeof *sums);
    for (size_t item = 0; item < lines->length; item += most) {
        const size_t items = Py_MIN(lines->length - item, most);
        fetch(j, tile, 1, width, line, n, item, items);
        if (!columns(tile, items, width, (ptrdiff_t)(width * sizeof *tile),
                     sums)) {
            return false;
        }
    }
    return true;
}

/* n <= STRIP */
static void
sum_tiles(const job *j, size_t line, size_t n)
{
    const size_t width = (n + 7) / 8 * 8;
    double sums[3 * STRIP];
    const int fewest = j->lines->itemsize == sizeof(float) ? 1 : 2;
    for (int terms = fewest; terms <= 3; terms++) {
        if (try_tiles(j, line, n, width, sums, terms)) {
            conclude(j, line, n, sums, width, terms);
            return;
        }
    }
    sum_alone(j, line, n);
}

/* --- long lines ------------------------------------------------------- */

/* What rows() makes of n lines, as lines of its own, `width` side by side. */
static bool
try_parts(const job *j, const double *parts, size_t n, size_t width,
          double *sums)
{
    const mo_kernel *kernel = j->worker->ladder.kernel;
    const size_t length = 2 * (size_t)kernel->lanes;
    double tile[2 * MO_MAX_LANES * TILE_LINES];
    memset(tile, 0,
           length * width * sizeof *tile); /* beyond n lines it stays */
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < length; k++) {
            tile[k * width + i] = parts[i * length + k];
        }
    }
    memset(sums, 0, 2 * width * sizeof *sums);
    return kernel->columns[2](tile, length, width,
                              (ptrdiff_t)(width * sizeof *tile), sums);
}

/* n <= TILE_LINES */
static void
sum_long(const job *j, size_t line, size_t n)
{
    const mo_lines *lines = j->lines;
    const mo_kernel *kernel = j->worker->ladder.kernel;
    const mo_rows rows = lines->itemsize == sizeof(double)
                             ? kernel->rows
                             : kernel->rows_singles;
    const size_t width = (n + 7) / 8 * 8;
    double parts[TILE_LINES * 2 * MO_MAX_LANES], sums[2 * TILE_LINES];
    if (rows(item_at(j, line, 0), n, lines->length, lines->line_stride,
             j->worker->ladder.ahead, parts) &&
        try_parts(j, parts, n, width, sums)) {
        conclude(j, line, n, sums, width, 2);
    }
    else {
        sum_alone(j, line, n);
    }
}

/* --- the choice ------------------------------------------------------- */

typedef void (*group_sum)(const job *j, size_t line, size_t n);

static void
sum_groups(const job *j, size_t line, size_t n, size_t group, group_sum sum)
{
    for (; n > 0; line += group, n -= group) {
        group = Py_MIN(group, n);
        sum(j, line, group);
    }
}

static void
sum_in_tiles(const job *j, size_t line, size_t n)
{
    size_t fit = TILE / Py_MAX(1, j->lines->length) / 8 * 8;
    size_t group = lie_side_by_side(j->lines)
                       ? STRIP
                       : Py_MAX(TILE_LINES, Py_MIN(STRIP, fit));
    sum_groups(j, line, n, group, sum_tiles);
}

/* Lines whose items are next to each other. */
static void
sum_long_lines(const job *j, size_t line, size_t n)
{
    /* As many as are still in the cache should they fail. */
    const size_t group = Py_MIN(TILE_LINES, MO_BLOCK / j->lines->length);
    const bool alone = j->lines->length >= VERY_LONG;
    sum_groups(j, line, n, Py_MAX(1, group), alone ? sum_alone : sum_long);
}

static void
sum_side_by_side(const job *j, size_t line, size_t n)
{
    const size_t whole = n / 8 * 8;
    sum_groups(j, line, whole, STRIP, sum_strip);
    sum_in_tiles(j, line + whole, n - whole);
}

static void
sum_some(const job *j, size_t line, size_t n)
{
    const mo_lines *lines = j->lines;
    const ptrdiff_t size = (ptrdiff_t)lines->itemsize;
    const bool plain = lines->filter == NULL;
    if (j->worker->ladder.kernel->lanes == 0) {
        sum_alone(j, line, n);
    }
    else if (plain && lines->item_stride == size && lines->length >= LONG) {
        sum_long_lines(j, line, n);
    }
    else if (plain && lines->line_stride == size) {
        sum_side_by_side(j, line, n);
    }
    else if (!lie_side_by_side(lines) && lines->length >= LONG_ALONE) {
        sum_alone(j, line, n);
    }
    else {
        sum_in_tiles(j, line, n);
    }
}

/* --- in one or more threads ------------------------------------------- */

/* Lines of a chunk: whole strips or tiles. */
static size_t
lines_of_chunk(const mo_lines *lines)
{
    const size_t least = lie_side_by_side(lines) ? STRIP : TILE_LINES;
    const size_t fit = MO_CHUNK / Py_MAX(1, lines->length);
    return Py_MAX(1, fit / least) * least;
}

static size_t
divide_up(size_t n, size_t by)
{
    return n / by + (n % by != 0);
}

static void
sum_chunk(const void *context, size_t chunk, mo_worker *worker)
{
    job j = *(const job *)context;
    const size_t line = chunk * j.group;
    j.worker = worker;
    sum_some(&j, line, Py_MIN(j.group, j.lines->count - line));
}

void
mo_sum_lines(mo_plan *plan, const mo_lines *lines, const mo_outcome *outcome,
             double *results)
{
    const job j = {
        .lines = lines,
        .outcome = outcome,
        .results = results,
        .group = lines_of_chunk(lines),
    };
    (void)mo_parallel_sum(plan, divide_up(lines->count, j.group),
                          lines->count * lines->length, sum_chunk, &j, NULL);
}

static void
sum_filtered_chunk(const void *context, size_t chunk, mo_worker *worker)
{
    job j = *(const job *)context;
    const size_t line = chunk * j.group;
    const size_t n = Py_MIN(j.group, j.lines->count - line);
    j.worker = worker;
    add_filtered(&j, line, n, worker->total);
    for (size_t i = 0; i < n && j.counted; i++) {
        worker->terms += count_items(j.lines, line + i);
    }
}

uint64_t
mo_sum_filtered(mo_plan *plan, const mo_lines *lines, bool counted,
                mo_accumulator *total)
{
    const job j = {
        .lines = lines,
        .group = lines_of_chunk(lines),
        .counted = counted,
    };
    return mo_parallel_sum(plan, divide_up(lines->count, j.group),
                           lines->count * lines->length, sum_filtered_chunk,
                           &j, total);
}
