/* plain.h - plain sums: exact if no exception flag says otherwise.
 *
 * The body of a part of a kernel, included after lanes.h; what it defines is
 * called between mo_fp_begin() and mo_fp_rounded().  It serves singles: their
 * 24 bits leave 29 of a double for exponents and carries. */

/* V_N doubles with the sum of n items. */
static MO_ALWAYS_INLINE V_T
plain_row(const char *x, size_t n, const size_t size)
{
    const size_t step = V_N * size;
    V_T a = V_SET1(0.0), b = a, c = a, d = a;
    for (; n >= 4 * V_N; n -= 4 * V_N, x += 4 * step) {
        MO_PREFETCH(x + AHEAD * sizeof(double));
        a = V_ADD(a, load(x, size));
        b = V_ADD(b, load(x + step, size));
        c = V_ADD(c, load(x + 2 * step, size));
        d = V_ADD(d, load(x + 3 * step, size));
    }
    for (; n >= V_N; n -= V_N, x += step) {
        a = V_ADD(a, load(x, size));
    }
    if (n > 0) {
        b = V_ADD(b, load_some(x, n, size));
    }
    return V_ADD(V_ADD(a, b), V_ADD(c, d));
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

/* Adds n rows to `width` columns, a multiple of V_N. */
static MO_ALWAYS_INLINE void
add_rows_plainly(const char *x, size_t n, size_t width, ptrdiff_t stride,
                 double *sums, const size_t size)
{
    for (; n >= 4; n -= 4, x += 4 * stride) {
        for (size_t j = 0; j < width; j += V_N) {
            add_plainly(x + j * size, 4, stride, sums + j, size);
        }
    }
    for (; n > 0; n--, x += stride) {
        for (size_t j = 0; j < width; j += V_N) {
            add_plainly(x + j * size, 1, stride, sums + j, size);
        }
    }
}
