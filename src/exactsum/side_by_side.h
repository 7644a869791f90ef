/* side_by_side.h - many sums at once: what plain.h, rounding.h and two_sum.h
 * do, in the order in which it pays to try them.
 *
 * Included by a kernel after those of the three that it has.  What is cheap
 * makes many rows into one or two, which two_sum.h then adds up; if that fails
 * they are all left to two_sum.h.  The kernel gets the columns and rows of
 * kernels.h.  No include guard. */

/* Fewer rows are not worth condensing. */
#define FEW_ROWS 6
#define FEW_ROWS_OF_SINGLES 2

/* The rows as few with the same sums: how many, or 0 if that failed or would
 * not pay. */
static MO_ALWAYS_INLINE size_t
condense_columns(const char *x, size_t n, size_t width, ptrdiff_t stride,
                 double *rows, const size_t size)
{
    size_t count = 0;
    if (n < (size == sizeof(float) ? FEW_ROWS_OF_SINGLES : FEW_ROWS)) {
        return 0;
    }
    if (size == sizeof(float)) {
        count = 1;
        memset(rows, 0, width * sizeof *rows);
        mo_fp_begin();
        plain_columns(x, n, width, stride, rows, size);
    }
#ifdef V_SPLITS
    else {
        count = 2;
        mo_fp_begin();
        split_columns(x, n, width, stride, rows);
    }
#endif
    MO_KEEP_IN_MEMORY(rows);
    return count > 0 && !mo_fp_rounded() ? count : 0;
}

static MO_ALWAYS_INLINE bool
columns(const char *x, size_t n, size_t width, ptrdiff_t stride, double *sums,
        const int terms, const size_t size)
{
    double rows[2 * MO_MAX_WIDTH];
    const ptrdiff_t row = (ptrdiff_t)(width * sizeof *rows);
    size_t count = condense_columns(x, n, width, stride, rows, size);
    if (count > 0) {
        return add_rows_exactly((const char *)rows, count, width, row, sums,
                                terms, sizeof *rows);
    }
    return add_rows_exactly(x, n, width, stride, sums, terms, size);
}

/* Few doubles are widened singles that do not add up exactly. */
static bool
columns1(const void *x, size_t n, size_t width, ptrdiff_t stride, double *sums)
{
    mo_fp_begin();
    plain_columns(x, n, width, stride, sums, sizeof(double));
    return !mo_fp_rounded();
}

static bool
columns2(const void *x, size_t n, size_t width, ptrdiff_t stride, double *sums)
{
    return columns(x, n, width, stride, sums, 2, sizeof(double));
}

static bool
columns3(const void *x, size_t n, size_t width, ptrdiff_t stride, double *sums)
{
    return columns(x, n, width, stride, sums, 3, sizeof(double));
}

static bool
columns2_singles(const void *x, size_t n, size_t width, ptrdiff_t stride,
                 double *sums)
{
    return columns(x, n, width, stride, sums, 2, sizeof(float));
}

static bool
columns3_singles(const void *x, size_t n, size_t width, ptrdiff_t stride,
                 double *sums)
{
    return columns(x, n, width, stride, sums, 3, sizeof(float));
}

static bool
rows(const void *x, size_t n, size_t length, ptrdiff_t stride, size_t ahead,
     double *parts)
{
#ifdef V_SPLITS
    mo_fp_begin();
    split_rows(x, n, length, stride, ahead, parts);
    if (!mo_fp_rounded()) {
        return true;
    }
#endif
    return condense_rows_exactly(x, n, length, stride, parts, sizeof(double));
}

static bool
rows_singles(const void *x, size_t n, size_t length, ptrdiff_t stride,
             size_t ahead, double *parts)
{
    double *part = parts;
    const char *row = x;
    mo_fp_begin();
    for (size_t i = 0; i < n; i++, row += stride, part += 2 * V_N) {
        V_STORE(part,
                plain_row(row, length, sizeof(float), stride, ahead != 0));
        V_STORE(part + V_N, V_SET1(0.0));
    }
    return !mo_fp_rounded() ||
           condense_rows_exactly(x, n, length, stride, parts, sizeof(float));
}
