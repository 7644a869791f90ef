/* two_sum.h - many sums side by side, each kept as a few doubles.
 *
 * The body of a part of a kernel, included by one file for each instruction
 * set after extraction.h, on whose definitions it builds, or with definitions
 * of V_T, V_N, V_SET1, V_LOAD, V_STORE and
 *     V_SUM(a, b), V_DIFFERENCE(a, b)  rounded to nearest
 *     V_EXACT_SUM(a, b, doubt)         a + b; if that had to be rounded, it is
 *                                      noted in V_T *doubt or in the flags
 *     V_IS_SURE(doubt)                 whether nothing was noted
 * and gets columns1 to columns3 and rows (see kernels.h).
 *
 * (s, e) + x is (t, e + r), where t + r = s + x exactly: D. E. Knuth's TwoSum
 * (The Art of Computer Programming, vol. 2, 4.2.2, theorem B), which holds for
 * any s and x unless t overflows.  So s + e stays exact as long as no addition
 * to e is rounded; with a third double, as long as none to that is.  Where t
 * overflows, or an item is not finite, s + e is not either.
 * No include guard. */

#ifndef MO_EXACTSUM_TWO_SUM_H
# define MO_EXACTSUM_TWO_SUM_H
static inline const double *
mo_at(const double *p, ptrdiff_t bytes)
{
    return (const double *)(const void *)((const char *)p + bytes);
}
#endif

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
add_rows(const double *x, const int count, ptrdiff_t stride, double *sums,
         size_t width, V_T *doubt, const int terms)
{
    expansion a = {V_LOAD(sums), V_LOAD(sums + width), V_SET1(0.0)};
    if (terms == 3) {
        a.f = V_LOAD(sums + 2 * width);
    }
    for (int i = 0; i < count; i++) {
        grow(&a, V_LOAD(mo_at(x, i * stride)), doubt, terms);
    }
    V_STORE(sums, a.s);
    V_STORE(sums + width, a.e);
    if (terms == 3) {
        V_STORE(sums + 2 * width, a.f);
    }
}

static MO_ALWAYS_INLINE bool
columns(const double *x, size_t n, size_t width, ptrdiff_t stride,
        double *sums, const int terms)
{
    V_T doubt = V_SET1(0.0);
    mo_fp_begin();
    for (; n >= 4; n -= 4, x = mo_at(x, 4 * stride)) {
        for (size_t j = 0; j < width; j += V_N) {
            add_rows(x + j, 4, stride, sums + j, width, &doubt, terms);
        }
    }
    for (; n > 0; n--, x = mo_at(x, stride)) {
        for (size_t j = 0; j < width; j += V_N) {
            add_rows(x + j, 1, stride, sums + j, width, &doubt, terms);
        }
    }
    return V_IS_SURE(doubt);
}

/* Few doubles are widened singles that do not add up exactly. */
static bool
columns1(const double *x, size_t n, size_t width, ptrdiff_t stride,
         double *sums)
{
    mo_fp_begin();
    for (; n > 0; n--, x = mo_at(x, stride)) {
        for (size_t j = 0; j < width; j += V_N) {
            V_STORE(sums + j, V_ADD(V_LOAD(sums + j), V_LOAD(x + j)));
        }
    }
    return !mo_fp_rounded();
}

static bool
columns2(const double *x, size_t n, size_t width, ptrdiff_t stride,
         double *sums)
{
    return columns(x, n, width, stride, sums, 2);
}

static bool
columns3(const double *x, size_t n, size_t width, ptrdiff_t stride,
         double *sums)
{
    return columns(x, n, width, stride, sums, 3);
}

/* 2 * V_N doubles with the sum of n. */
static MO_ALWAYS_INLINE void
condense_row(const double *x, size_t n, double *parts, V_T *doubt)
{
    const V_T zero = V_SET1(0.0);
    expansion a = {zero, zero, zero}, b = a;
    const double *end = x + n;
    for (; end - x >= 2 * V_N; x += 2 * V_N) {
        MO_PREFETCH(x + AHEAD);
        grow(&a, V_LOAD(x), doubt, 2);
        grow(&b, V_LOAD(x + V_N), doubt, 2);
    }
    while (x < end) {
        double padded[V_N] = {0};
        size_t rest = (size_t)(end - x) < V_N ? (size_t)(end - x) : V_N;
        memcpy(padded, x, rest * sizeof *x);
        grow(&b, V_LOAD(padded), doubt, 2);
        x += rest;
    }
    grow(&a, b.s, doubt, 2);
    V_STORE(parts, a.s);
    V_STORE(parts + V_N, V_EXACT_SUM(a.e, b.e, doubt));
}

static bool
rows(const double *x, size_t n, size_t length, ptrdiff_t stride, double *parts)
{
    V_T doubt = V_SET1(0.0);
    mo_fp_begin();
    for (size_t i = 0; i < n; i++, x = mo_at(x, stride)) {
        condense_row(x, length, parts + i * 2 * V_N, &doubt);
    }
    return V_IS_SURE(doubt);
}
