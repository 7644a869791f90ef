/* lines.c - see lines.h.
 *
 * There are three ways.  Lines that lie side by side, such as the columns of a
 * matrix in C order, are summed in strips, a row of each at a time.  Long
 * lines whose items are next to each other are made into a few doubles each;
 * these, and the items of all other lines, are transposed into a tile, in
 * which they do lie side by side.  What a kernel cannot prove to be exact is
 * tried again in smaller parts, and in the end line by line. */
#include "exactsum/lines.h"

#include <math.h>

#include "compat.h"
#include "platform/fpenv.h"

/* Lines of a strip: 16 kB of sums, in the first-level cache with four rows of
 * items.  1000 columns of 1000: 25 to 28 GB/s, in strips of 256 19 to 22 (Ice
 * Lake Xeon, AVX-512). */
#define STRIP 1024

/* Lines of a strip that failed which are tried again together. */
#define SUBSTRIP 64

/* Rows of a strip after which a failure shows. */
#define BAND 128

/* Lines, and doubles, of a tile: 32 kB. */
#define TILE_LINES 64
#define TILE 4096

/* Lines of fewer doubles, or singles, are transposed: TODO */
#define LONG 32
#define LONG_SINGLES 512

/* Lines of more doubles are summed alone, which takes 0.3 us for each: TODO */
#define VERY_LONG 16384

typedef struct {
    mo_plan *plan;
    const mo_lines *lines;
    double *results; /* of line 0, whether it is asked for or not */
} job;

static const char *
item_at(const job *j, size_t line, size_t item)
{
    const mo_lines *lines = j->lines;
    return lines->first + (ptrdiff_t)line * lines->line_stride +
           (ptrdiff_t)item * lines->item_stride;
}

static void
store_result(const job *j, size_t line, const mo_accumulator *total)
{
    const uint64_t divisor = j->lines->divisor;
    j->results[line] = divisor == 1
                           ? mo_accumulator_round(total, NULL)
                           : mo_accumulator_mean(total, divisor, NULL);
}

/* n lines from `line` on, each as an array of its own. */
static MO_NOINLINE void
sum_alone(const job *j, size_t line, size_t n)
{
    const mo_lines *lines = j->lines;
    const mo_item item = {MO_ITEM_FLOAT, lines->itemsize, false};
    mo_intake intake;
    for (; n > 0; n--, line++) {
        mo_accumulator total;
        mo_accumulator_init(&total);
        mo_intake_init(&intake, j->plan->kernel, item, &total);
        mo_intake_add(&intake, item_at(j, line, 0), lines->length,
                      lines->item_stride);
        mo_intake_finish(&intake);
        mo_plan_count(j->plan, &intake.ladder);
        store_result(j, line, &total);
    }
}

/* From the sums that columns() gave to n lines from `line` on. */
static void
conclude(const job *j, size_t line, size_t n, const double *sums, size_t width,
         int terms)
{
    for (size_t i = 0; i < n; i++) {
        double pair = sums[i] + sums[width + i];
        if (!isfinite(pair)) {
            sum_alone(j, line + i, 1);
        }
        else if (terms == 2 && j->lines->divisor == 1) {
            j->results[line + i] = pair;
        }
        else {
            mo_accumulator total;
            mo_accumulator_init(&total);
            mo_accumulator_add_f64(&total, sums + i, (size_t)terms,
                                   (ptrdiff_t)(width * sizeof *sums));
            store_result(j, line + i, &total);
        }
    }
}

/* --- lines that lie side by side -------------------------------------- */

static bool
try_strip(const job *j, size_t line, size_t width, double *sums, int terms)
{
    const mo_lines *lines = j->lines;
    const mo_columns columns = j->plan->kernel->columns[terms];
    memset(sums, 0, (size_t)terms * width * sizeof *sums);
    for (size_t item = 0; item < lines->length; item += BAND) {
        size_t rows = Py_MIN(lines->length - item, BAND);
        if (!columns((const double *)(const void *)item_at(j, line, item),
                     rows, width, lines->item_stride, sums)) {
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

/* to[i * to_row + j * to_item] = the item j of row i, of `size` bytes. */
static MO_ALWAYS_INLINE void
copy_rows(double *to, size_t to_row, size_t to_item, const char *from,
          size_t rows, ptrdiff_t row_stride, size_t items,
          ptrdiff_t item_stride, const size_t size)
{
    for (size_t i = 0; i < rows; i++, from += row_stride, to += to_row) {
        for (size_t j = 0; j < items; j++) {
            to[j * to_item] = load(from + (ptrdiff_t)j * item_stride, size);
        }
    }
}

static ptrdiff_t
magnitude_of_stride(ptrdiff_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Items item..item + items - 1 of n lines to the tile, where it is the items
 * of `width` lines that lie side by side. */
static void
fill_tile(double *tile, size_t width, const job *j, size_t line, size_t n,
          size_t item, size_t items)
{
    const ptrdiff_t along = j->lines->item_stride;
    const ptrdiff_t across = j->lines->line_stride;
    const char *from = item_at(j, line, item);
    const bool single = j->lines->itemsize == sizeof(float);
    if (magnitude_of_stride(across) > magnitude_of_stride(along) &&
        items >= 16) {
        if (single) {
            copy_rows(tile, 1, width, from, n, across, items, along, 4);
        }
        else {
            copy_rows(tile, 1, width, from, n, across, items, along, 8);
        }
    }
    else if (single && across == sizeof(float)) {
        copy_rows(tile, width, 1, from, items, along, n, 4, 4);
    }
    else if (single) {
        copy_rows(tile, width, 1, from, items, along, n, across, 4);
    }
    else {
        copy_rows(tile, width, 1, from, items, along, n, across, 8);
    }
}

static bool
try_tiles(const job *j, size_t line, size_t n, size_t width, double *sums,
          int terms)
{
    const mo_lines *lines = j->lines;
    const mo_columns columns = j->plan->kernel->columns[terms];
    double tile[TILE] = {0}; /* beyond n lines it stays so */
    const size_t most = TILE / width;
    memset(sums, 0, (size_t)terms * width * sizeof *sums);
    for (size_t item = 0; item < lines->length; item += most) {
        const size_t items = Py_MIN(lines->length - item, most);
        fill_tile(tile, width, j, line, n, item, items);
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
    if (try_tiles(j, line, n, width, sums, 2)) {
        conclude(j, line, n, sums, width, 2);
    }
    else if (try_tiles(j, line, n, width, sums, 3)) {
        conclude(j, line, n, sums, width, 3);
    }
    else {
        sum_alone(j, line, n);
    }
}

/* --- long lines of doubles -------------------------------------------- */

/* What rows() makes of n lines, as lines of its own. */
static bool
try_parts(const job *j, const double *parts, size_t n, double *sums)
{
    const mo_kernel *kernel = j->plan->kernel;
    const size_t length = 2 * (size_t)kernel->lanes;
    const ptrdiff_t size = sizeof(double);
    double tile[2 * MO_MAX_LANES * TILE_LINES] = {0};
    copy_rows(tile, 1, TILE_LINES, (const char *)parts, n,
              (ptrdiff_t)length * size, length, size, sizeof(double));
    memset(sums, 0, 2 * TILE_LINES * sizeof *sums);
    return kernel->columns[2](tile, length, TILE_LINES, TILE_LINES * size,
                              sums);
}

/* n <= TILE_LINES */
static void
sum_long(const job *j, size_t line, size_t n)
{
    const mo_lines *lines = j->lines;
    double parts[TILE_LINES * 2 * MO_MAX_LANES], sums[2 * TILE_LINES];
    const double *x = (const double *)(const void *)item_at(j, line, 0);
    if (j->plan->kernel->rows(x, n, lines->length, lines->line_stride,
                              parts) &&
        try_parts(j, parts, n, sums)) {
        conclude(j, line, n, sums, TILE_LINES, 2);
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
    bool beside = magnitude_of_stride(j->lines->line_stride) <
                  magnitude_of_stride(j->lines->item_stride);
    size_t fit = TILE / Py_MAX(1, j->lines->length) / 8 * 8;
    size_t group = beside ? STRIP : Py_MAX(TILE_LINES, Py_MIN(STRIP, fit));
    sum_groups(j, line, n, group, sum_tiles);
}

static void
sum_doubles(const job *j, size_t line, size_t n)
{
    const ptrdiff_t size = sizeof(double);
    const size_t length = j->lines->length;
    if (j->lines->item_stride == size && length >= LONG) {
        /* As many as are still in the cache should they fail. */
        size_t group = Py_MAX(1, Py_MIN(TILE_LINES, MO_BLOCK / length));
        sum_groups(j, line, n, group, length < VERY_LONG ? sum_long : sum_alone);
        return;
    }
    if (j->lines->line_stride == size) {
        size_t beside = n / 8 * 8;
        sum_groups(j, line, beside, STRIP, sum_strip);
        line += beside;
        n -= beside;
    }
    sum_in_tiles(j, line, n);
}

static void
sum_singles(const job *j, size_t line, size_t n)
{
    if (j->lines->item_stride == sizeof(float) &&
        j->lines->length >= LONG_SINGLES) {
        sum_alone(j, line, n);
    }
    else {
        sum_in_tiles(j, line, n);
    }
}

void
mo_sum_lines(mo_plan *plan, const mo_lines *lines, size_t from, size_t n,
             double *results)
{
    const job j = {.plan = plan, .lines = lines, .results = results - from};
    mo_fpenv environment = mo_fpenv_enter();
    if (!MO_HAS_KERNELS) {
        sum_alone(&j, from, n);
    }
    else if (lines->itemsize == sizeof(double)) {
        sum_doubles(&j, from, n);
    }
    else {
        sum_singles(&j, from, n);
    }
    mo_fpenv_leave(&environment);
}
