/* two_sum.h - many sums side by side, each kept as a few doubles.
 *
 * The body of a part of a kernel, included after lanes.h by one file for each
 * instruction set, which defines V_XOR and V_OR, of the bits, or
 *     V_SUM(a, b), V_DIFFERENCE(a, b)  rounded to nearest
 *     V_EXACT_SUM(a, b, doubt)         a + b; if that had to be rounded, it is
 *                                      noted in V_T *doubt or in the flags
 *     V_IS_SURE(doubt)                 whether nothing was noted
 *
 * (s, e) + x is (t, e + r), where t + r = s + x exactly: D. E. Knuth's TwoSum
 * (The Art of Computer Programming, vol. 2, 4.2.2, theorem B), which holds for
 * any s and x unless t overflows.  So s + e stays exact as long as no addition
 * to e is rounded; with a third double, as long as none to that is.  Where t
 * overflows, or an item is not finite, s + e is not either.
 * No include guard. */

#ifndef V_EXACT_SUM

/* Of the differences, the one from the greater operand is exact, so that it
 * differs from the other operand if anything was lost: a + b is exact if and
 * only if both are what they should be. */
static MO_ALWAYS_INLINE V_T
exact_sum(V_T a, V_T b, V_T *doubt)
{
    const V_T t = V_ADD(a, b);
    const V_T lost_b = V_XOR(V_SUB(t, a), b);
    const V_T lost_a = V_XOR(V_SUB(t, b), a);
    *doubt = V_OR(*doubt, V_OR(lost_a, lost_b));
    return t;
}

# define V_SUM(a, b) V_ADD(a, b)
# define V_DIFFERENCE(a, b) V_SUB(a, b)
# define V_EXACT_SUM(a, b, doubt) exact_sum(a, b, doubt)
# define V_IS_SURE(doubt) (bits_of(doubt) << 1 == 0)

#endif

typedef struct {
    V_T s, e, f; /* f: of three terms */
} expansion;

/* *s += x, and what that leaves. */
static MO_ALWAYS_INLINE V_T
two_sum(V_T *s, V_T x)
{
    const V_T t = V_SUM(*s, x);
    const V_T from_x = V_DIFFERENCE(t, *s);
    const V_T from_s = V_DIFFERENCE(t, from_x);
    const V_T rest = V_SUM(V_DIFFERENCE(*s, from_s), V_DIFFERENCE(x, from_x));
    *s = t;
    return rest;
}

static MO_ALWAYS_INLINE void
grow(expansion *a, V_T x, V_T *doubt, const int terms)
{
    x = two_sum(&a->s, x);
    if (terms == 2) {
        a->e = V_EXACT_SUM(a->e, x, doubt);
    }
    else {
        x = two_sum(&a->e, x);
        a->f = V_EXACT_SUM(a->f, x, doubt);
    }
}

/* Adds `count` rows to V_N columns, whose sums are loaded and stored once. */
static MO_ALWAYS_INLINE void
add_exactly(const char *x, const int count, ptrdiff_t stride, double *sums,
            size_t width, V_T *doubt, const int terms, const size_t size)
{
    expansion a = {V_LOAD(sums), V_LOAD(sums + width), V_SET1(0.0)};
    if (terms == 3) {
        a.f = V_LOAD(sums + 2 * width);
    }
    for (int i = 0; i < count; i++) {
        grow(&a, load(x + i * stride, size), doubt, terms);
    }
    V_STORE(sums, a.s);
    V_STORE(sums + width, a.e);
    if (terms == 3) {
        V_STORE(sums + 2 * width, a.f);
    }
}

static MO_ALWAYS_INLINE bool
add_rows_exactly(const char *x, size_t n, size_t width, ptrdiff_t stride,
                 double *sums, const int terms, const size_t size)
{
    V_T doubt = V_SET1(0.0);
    mo_fp_begin();
    for (; n >= 4; n -= 4, x += 4 * stride) {
        for (size_t j = 0; j < width; j += V_N) {
            add_exactly(x + j * size, 4, stride, sums + j, width, &doubt,
                        terms, size);
        }
    }
    for (; n > 0; n--, x += stride) {
        for (size_t j = 0; j < width; j += V_N) {
            add_exactly(x + j * size, 1, stride, sums + j, width, &doubt,
                        terms, size);
        }
    }
    return V_IS_SURE(doubt);
}

/* 2 * V_N doubles with the sum of n. */
static MO_ALWAYS_INLINE void
condense_row(const char *x, size_t n, double *parts, V_T *doubt,
             const size_t size)
{
    const V_T zero = V_SET1(0.0);
    const size_t step = V_N * size;
    expansion a = {zero, zero, zero}, b = a;
    for (; n >= 2 * V_N; n -= 2 * V_N, x += 2 * step) {
        MO_PREFETCH(x + MO_AHEAD);
        grow(&a, load(x, size), doubt, 2);
        grow(&b, load(x + step, size), doubt, 2);
    }
    if (n >= V_N) {
        grow(&a, load(x, size), doubt, 2);
        n -= V_N;
        x += step;
    }
    if (n > 0) {
        grow(&b, load_some(x, n, size), doubt, 2);
    }
    grow(&a, b.s, doubt, 2);
    V_STORE(parts, a.s);
    V_STORE(parts + V_N, V_EXACT_SUM(a.e, b.e, doubt));
}

static MO_ALWAYS_INLINE bool
condense_rows_exactly(const char *x, size_t n, size_t length, ptrdiff_t stride,
                      double *parts, const size_t size)
{
    V_T doubt = V_SET1(0.0);
    mo_fp_begin();
    for (; n > 0; n--, x += stride, parts += 2 * V_N) {
        condense_row(x, length, parts, &doubt, size);
    }
    return V_IS_SURE(doubt);
}
