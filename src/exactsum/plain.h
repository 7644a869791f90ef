/* plain.h - plain sums: exact if no exception flag says otherwise.
 *
 * The body of a part of a kernel, included after lanes.h; what it defines is
 * called between mo_fp_begin() and mo_fp_rounded().  It serves singles: their
 * 24 bits leave 29 of a double for exponents and carries.
 * No include guard. */

/* Sums side by side, and why each has a part of its own: see rounding.h. */
#define PLAIN_CHAINS 4

/* A vector for each chain, `gap` bytes from one to the next. */
static MO_ALWAYS_INLINE void
add_plain_round(V_T *c, const char *x, size_t gap, const size_t size,
                size_t ahead)
{
    for (size_t j = 0; j < PLAIN_CHAINS; j++, x += gap) {
        if (ahead != 0) {
            MO_PREFETCH(x + ahead);
        }
        c[j] = V_ADD(c[j], load(x, size));
    }
}

/* V_N doubles with the sum of n items; the rest as in rounding.h. */
static MO_ALWAYS_INLINE V_T
plain_row(const char *x, size_t n, const size_t size, size_t ahead,
          bool in_parts)
{
    const size_t step = V_N * size;
    V_T c[PLAIN_CHAINS];
    for (size_t j = 0; j < PLAIN_CHAINS; j++) {
        c[j] = V_SET1(0.0);
    }
    if (in_parts) {
        const size_t part = n / (PLAIN_CHAINS * V_N) * V_N;
        for (size_t i = 0; i < part; i += V_N) {
            add_plain_round(c, x + i * size, part * size, size, ahead);
        }
        x += PLAIN_CHAINS * part * size;
        n -= PLAIN_CHAINS * part;
    }
    for (; n >= PLAIN_CHAINS * V_N; n -= PLAIN_CHAINS * V_N) {
        add_plain_round(c, x, step, size, 0);
        x += PLAIN_CHAINS * step;
    }
    for (; n >= V_N; n -= V_N, x += step) {
        c[0] = V_ADD(c[0], load(x, size));
    }
    if (n > 0) {
        c[1] = V_ADD(c[1], load_some(x, n, size));
    }
    return V_ADD(V_ADD(c[0], c[1]), V_ADD(c[2], c[3]));
}

/* Adds `count` rows to V_N columns. */
static MO_ALWAYS_INLINE void
add_plainly(const char *x, const int count, ptrdiff_t stride, double *sums,
            const size_t size)
{
    V_T sum = V_LOAD(sums);
    for (int i = 0; i < count; i++) {
        sum = V_ADD(sum, load(x + i * stride, size));
    }
    V_STORE(sums, sum);
}

/* The same for `width` columns. */
static MO_ALWAYS_INLINE void
add_rows_plainly(const char *x, const int count, size_t width,
                 ptrdiff_t stride, double *sums, const size_t size)
{
    for (size_t j = 0; j < width; j += LINE, x += LINE * size) {
        for (int i = 0; i < count; i++) {
            MO_PREFETCH(x + i * stride + NEAR);
        }
        for (size_t k = 0; k < LINE; k += V_N) {
            add_plainly(x + k * size, count, stride, sums + j + k, size);
        }
    }
}

/* Adds n rows to `width` columns, a multiple of 8. */
static MO_ALWAYS_INLINE void
plain_columns(const char *x, size_t n, size_t width, ptrdiff_t stride,
              double *sums, const size_t size)
{
    for (; n >= 8; n -= 8, x += 8 * stride) {
        add_rows_plainly(x, 8, width, stride, sums, size);
    }
    for (; n > 0; n--, x += stride) {
        add_rows_plainly(x, 1, width, stride, sums, size);
    }
}
