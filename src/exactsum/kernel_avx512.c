/* kernel_avx512.c - summation with AVX-512, certified by exception flags.
 *
 * Instructions with embedded rounding leave the exception flags alone, all
 * others raise them.  The one addition that may round is of the first kind,
 * and all else of the second:
 *
 *     t = S + x    may round, raises nothing
 *     q = t - S    what S took of x
 *     r = x - q    what it did not: goes to the next level, which in the end
 *     L = L + r    is a plain sum
 *
 * If no flag is up at the end, q, r and L are what they would be without
 * rounding, and S + L has grown by x each time, whatever S, L and x were.  S
 * starts so high that this is likely; that it was so is read off the flags.
 * What raises none although it is no sum, a NaN or an infinity that came out
 * of t, shows in the result.
 *
 * Taking x apart at a fixed sigma is S. M. Rump, T. Ogita, S. Oishi,
 * "Accurate floating-point summation, part I" (SIAM J. Sci. Comput. 31, 2008);
 * letting the flags prove it is this file's. */
#include "compat.h"
#include "exactsum/kernels.h"

#if MO_X86_64

# include <immintrin.h>
# include <math.h>

# include "platform/fpenv.h"

MO_STRICT_FLOATS

/* Rounding embedded in an instruction, which then raises no flag. */
# define UNFLAGGED (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

/* Doubles in a vector. */
# define WIDTH 8

/* S holds the sum of up to 768 items (a block over 4 chains of 8 lanes) below
 * 2**top.  Each leaves at most half an ulp, 2**(exponent - 53), to the next
 * level, 768 of which are below 2**(exponent - 43). */
# define ROOM 10
# define NEXT_LEVEL 42

MO_TARGET_BEGIN("avx512f,avx512dq")

# define V_T __m512d
# define V_N WIDTH
# define V_SET1(a) _mm512_set1_pd(a)
# define V_LOAD(p) _mm512_loadu_pd(p)
# define V_LOAD_SINGLES(p) _mm512_cvtps_pd(_mm256_loadu_ps(p))
# define V_STORE(p, v) _mm512_storeu_pd(p, v)
# define V_ADD(a, b) _mm512_add_pd(a, b)
# include "exactsum/lanes.h"

/* One of the sums that are kept side by side, because an addition takes four
 * cycles, but two can start in each. */
typedef struct {
    __m512d s1, s2, s3, s4; /* those of levels - 1 are used */
    __m512d rest;
} chain;

/* Half of the operations are written as multiplications by one and additions:
 * some processors have separate units for the two (measured on a Zen 4). */
static MO_ALWAYS_INLINE __m512d
extract(__m512d *s, __m512d x)
{
    const __m512d t = _mm512_add_round_pd(*s, x, UNFLAGGED);
    const __m512d q = _mm512_sub_pd(t, *s);
    *s = t;
    return _mm512_fnmadd_pd(q, _mm512_set1_pd(1.0), x);
}

static MO_ALWAYS_INLINE void
add(chain *c, __m512d x, const int levels)
{
    x = levels > 1 ? extract(&c->s1, x) : x;
    x = levels > 2 ? extract(&c->s2, x) : x;
    x = levels > 3 ? extract(&c->s3, x) : x;
    x = levels > 4 ? extract(&c->s4, x) : x;
    c->rest = _mm512_fmadd_pd(x, _mm512_set1_pd(1.0), c->rest);
}

/* n lanes, or all if there are fewer. */
static MO_ALWAYS_INLINE __mmask8
first_lanes(ptrdiff_t n)
{
    return (__mmask8)(n < WIDTH ? (1u << n) - 1 : 0xff);
}

static MO_ALWAYS_INLINE __m512d
fetch(const double *x, size_t ahead)
{
    MO_PREFETCH((const char *)x + ahead);
    return _mm512_loadu_pd(x);
}

/* *a += *b.  What b took is one more item for a, at the same level, and what
 * that leaves goes straight to the rest. */
static MO_ALWAYS_INLINE void
merge(chain *a, const chain *b, const chain *start, const int levels)
{
    __m512d rest = b->rest;
    if (levels > 1) {
        __m512d taken = _mm512_sub_pd(b->s1, start->s1);
        rest = _mm512_add_pd(rest, extract(&a->s1, taken));
    }
    if (levels > 2) {
        __m512d taken = _mm512_sub_pd(b->s2, start->s2);
        rest = _mm512_add_pd(rest, extract(&a->s2, taken));
    }
    if (levels > 3) {
        __m512d taken = _mm512_sub_pd(b->s3, start->s3);
        rest = _mm512_add_pd(rest, extract(&a->s3, taken));
    }
    if (levels > 4) {
        __m512d taken = _mm512_sub_pd(b->s4, start->s4);
        rest = _mm512_add_pd(rest, extract(&a->s4, taken));
    }
    a->rest = _mm512_add_pd(a->rest, rest);
}

/* levels * WIDTH doubles whose sum is that of c, to parts. */
static MO_ALWAYS_INLINE void
store(double *parts, const chain *c, const chain *start, const int levels)
{
    _mm512_storeu_pd(parts, c->rest);
    if (levels > 1) {
        _mm512_storeu_pd(parts + WIDTH, _mm512_sub_pd(c->s1, start->s1));
    }
    if (levels > 2) {
        _mm512_storeu_pd(parts + 2 * WIDTH, _mm512_sub_pd(c->s2, start->s2));
    }
    if (levels > 3) {
        _mm512_storeu_pd(parts + 3 * WIDTH, _mm512_sub_pd(c->s3, start->s3));
    }
    if (levels > 4) {
        _mm512_storeu_pd(parts + 4 * WIDTH, _mm512_sub_pd(c->s4, start->s4));
    }
}

static MO_ALWAYS_INLINE __m512d
sigma(int top, int level)
{
    return _mm512_set1_pd(mo_sigma(top + ROOM - NEXT_LEVEL * (level - 1)));
}

/* n doubles into levels * WIDTH with the same sum, if no flag is up after.  Each
 * chain has a part of its own: four streams bring 8 MB that have just been
 * written in 350 us, one in 420, and np.max takes 370 (Sapphire Rapids Xeon).
 * Where the processor alone fetches they take turns: one stream brings 512 MB at
 * 28 GB/s, four at 24, and four in each row of 8 kB at 10 (Zen 4). */
static MO_ALWAYS_INLINE void
condense(const double *x, size_t n, int top, double *parts, const int levels,
         size_t ahead)
{
    const chain start = {sigma(top, 1), sigma(top, 2), sigma(top, 3),
                         sigma(top, 4), _mm512_setzero_pd()};
    chain a = start, b = start, c = start, d = start;
    const double *end = x + n;
    const size_t part = n / (4 * WIDTH) * WIDTH;
    if (ahead != 0) {
        for (const double *next = x + part; x < next; x += WIDTH) {
            add(&a, fetch(x, ahead), levels);
            add(&b, fetch(x + part, ahead), levels);
            add(&c, fetch(x + 2 * part, ahead), levels);
            add(&d, fetch(x + 3 * part, ahead), levels);
        }
        x += 3 * part;
    }
    for (; end - x >= 4 * WIDTH; x += 4 * WIDTH) {
        add(&a, _mm512_loadu_pd(x), levels);
        add(&b, _mm512_loadu_pd(x + WIDTH), levels);
        add(&c, _mm512_loadu_pd(x + 2 * WIDTH), levels);
        add(&d, _mm512_loadu_pd(x + 3 * WIDTH), levels);
    }
    for (; x < end; x += WIDTH) {
        add(&a, _mm512_maskz_loadu_pd(first_lanes(end - x), x), levels);
    }
    merge(&a, &b, &start, levels);
    merge(&c, &d, &start, levels);
    merge(&a, &c, &start, levels);
    store(parts, &a, &start, levels);
}

static MO_ALWAYS_INLINE bool
attempt(const double *x, size_t n, int top, size_t ahead, mo_accumulator *acc,
        const int levels)
{
    double parts[MO_LEVELS * WIDTH];
    mo_fp_begin();
    condense(x, n, top, parts, levels, ahead);
    return conclude(parts, (size_t)levels * WIDTH, acc);
}

static MO_ALWAYS_INLINE __m512d
fetch_singles(const float *x)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(x));
}

static bool
singles(const float *x, size_t n, size_t ahead, mo_accumulator *acc)
{
    double parts[WIDTH];
    mo_fp_begin();
    __m512d a = _mm512_setzero_pd(), b = a, c = a, d = a;
    const float *end = x + n;
    for (; end - x >= 4 * WIDTH; x += 4 * WIDTH) {
        MO_PREFETCH((const char *)x + ahead);
        MO_PREFETCH((const char *)(x + 2 * WIDTH) + ahead);
        a = _mm512_add_pd(a, fetch_singles(x));
        b = _mm512_add_pd(b, fetch_singles(x + WIDTH));
        c = _mm512_add_pd(c, fetch_singles(x + 2 * WIDTH));
        d = _mm512_add_pd(d, fetch_singles(x + 3 * WIDTH));
    }
    for (; x < end; x += WIDTH) {
        __m512 some = _mm512_maskz_loadu_ps(first_lanes(end - x), x);
        a = _mm512_add_pd(a, _mm512_cvtps_pd(_mm512_castps512_ps256(some)));
    }
    _mm512_storeu_pd(parts,
                     _mm512_add_pd(_mm512_add_pd(a, b), _mm512_add_pd(c, d)));
    return conclude(parts, WIDTH, acc);
}

# include "exactsum/attempts.h"

/* --- many sums side by side ------------------------------------------- */

/* The top, see kernels.h, for numbers like these n; those of the last vector
 * that is not full do not count. */
static int
top_like(const char *x, size_t n)
{
    const __m512i magnitude = _mm512_set1_epi64(INT64_MAX);
    __m512i greatest = _mm512_setzero_si512();
    for (; n >= WIDTH; n -= WIDTH, x += WIDTH * sizeof(double)) {
        const __m512i bits = _mm512_loadu_si512(x);
        greatest =
            _mm512_max_epu64(greatest, _mm512_and_epi64(bits, magnitude));
    }
    return (int)(_mm512_reduce_max_epu64(greatest) >> 52) - 1022;
}

/* Adds `count` rows to what WIDTH columns have at the first level, and to the
 * rest. */
static MO_ALWAYS_INLINE void
add_splitting(const char *x, const int count, ptrdiff_t stride, double *taken,
              double *rest)
{
    chain c = {.s1 = _mm512_loadu_pd(taken), .rest = _mm512_loadu_pd(rest)};
    for (int i = 0; i < count; i++) {
        add(&c, load(x + i * stride, sizeof(double)), 2);
    }
    _mm512_storeu_pd(taken, c.s1);
    _mm512_storeu_pd(rest, c.rest);
}

/* The same for `width` columns. */
static MO_ALWAYS_INLINE void
add_rows_splitting(const char *x, const int count, size_t width,
                   ptrdiff_t stride, double *rows)
{
    for (size_t j = 0; j < width; j += WIDTH, x += WIDTH * sizeof(double)) {
        for (int i = 0; i < count; i++) {
            MO_PREFETCH(x + i * stride + NEAR);
        }
        add_splitting(x, count, stride, rows + j, rows + width + j);
    }
}

/* n rows of `width` doubles, a multiple of 8, into two with the same sums, if
 * no flag is up after. */
static void
split_columns(const char *x, size_t n, size_t width, ptrdiff_t stride,
              double *rows)
{
    const __m512d start = sigma(top_like(x, width), 1);
    for (size_t j = 0; j < width; j += WIDTH) {
        _mm512_storeu_pd(rows + j, start);
        _mm512_storeu_pd(rows + width + j, _mm512_setzero_pd());
    }
    for (; n >= 8; n -= 8, x += 8 * stride) {
        add_rows_splitting(x, 8, width, stride, rows);
    }
    for (; n > 0; n--, x += stride) {
        add_rows_splitting(x, 1, width, stride, rows);
    }
    for (size_t j = 0; j < width; j += WIDTH) {
        _mm512_storeu_pd(rows + j,
                         _mm512_sub_pd(_mm512_loadu_pd(rows + j), start));
    }
}

/* n rows of `length` doubles, each into two vectors with the same sum, if no
 * flag is up after. */
static void
split_rows(const char *x, size_t n, size_t length, ptrdiff_t stride,
           size_t ahead, double *parts)
{
    const int top = top_like(x, length);
    for (; n > 0; n--, x += stride, parts += 2 * WIDTH) {
        condense((const double *)(const void *)x, length, top, parts, 2,
                 ahead);
    }
}

# define V_SPLITS

# include "exactsum/plain.h"
# define V_SUM(a, b) _mm512_add_round_pd(a, b, UNFLAGGED)
# define V_DIFFERENCE(a, b) _mm512_sub_round_pd(a, b, UNFLAGGED)
# define V_EXACT_SUM(a, b, doubt) ((void)(doubt), _mm512_add_pd(a, b))
# define V_IS_SURE(doubt) ((void)(doubt), !mo_fp_rounded())
# include "exactsum/two_sum.h"
# include "exactsum/side_by_side.h"

MO_TARGET_END

static bool
usable(const mo_cpu *cpu)
{
    return cpu->avx512 && cpu->fp_flags;
}

const mo_kernel mo_kernel_avx512 = {
    .name = "avx512",
    .usable = usable,
    .lanes = 8,
    .singles = singles,
    .attempt = {NULL, NULL, attempt2, attempt3, attempt4, attempt5},
    .columns = {NULL, columns1, columns2, columns3},
    .columns_singles = {NULL, NULL, columns2_singles, columns3_singles},
    .rows = rows,
    .rows_singles = rows_singles,
};

#endif
