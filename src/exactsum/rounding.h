/* rounding.h - summation by rounding, certified by exception flags.
 *
 * The body of a part of a kernel, included after lanes.h by one file for each
 * instruction set that can round a vector to whole numbers without raising
 * the flag for it; which defines
 *     V_MUL          lane by lane
 *     V_ROUND(v)     to the nearest integers, raising no flag but for NaNs
 *     V_LESS(a, b)   a - b, in the unit that multiplies if there are two
 *     V_MAGNITUDE(v), V_MAX(a, b)  of each lane; b if a is a NaN
 * and gets attempt2 to attempt5 (see kernels.h) and what many sums side by
 * side begin with.
 *
 * With s a power of two, for each x
 *     y = x * s      so that 1 is the place to split at
 *     q = round(y)   a sum of its own, of integers, takes it
 *     r = y - q      goes to the next level, or to a last plain sum
 * Rounding is the one step that changes a number, and raises nothing.  If no
 * flag is up at the end all the others were exact, whatever s is, and the sums
 * add up to that of all y.  A NaN raises none, but shows in the sums.  Five
 * operations an item and no check, where extraction.h takes nine: 54 instead
 * of 29 GB/s of 8 MB, a plain sum taking 55 (Zen 3 at 3.5 GHz, gcc 12, 2026).
 *
 * Like extraction, after S. M. Rump, T. Ogita, S. Oishi, "Accurate
 * floating-point summation, part I" (SIAM J. Sci. Comput. 31, 2008).
 * No include guard. */

/* Bits of an item below 2**top that the first level takes: 6144 of them, as a
 * lane gets of a block, stay below 2**53 together.  What is left, at most 1/2
 * each, sums to less than 2**12, so that 41 bits after the point remain, for
 * the next level or the last sum. */
#define FIRST_LEVEL 40
#define NEXT_LEVEL 41

/* Sums side by side: each addition into one waits for the one before.  Each
 * has a part of the numbers of its own: four streams bring 512 MB at 16 GB/s
 * where one brings 12, or 14 to a plain sum, and 8 MB at 60 instead of 56
 * (Zen 3).  But in rows they take turns where the processor alone fetches: four
 * streams that end after 2 kB bring 11 GB/s, one that goes on in the next row
 * 29 (1000 rows of 1000 in memory, Zen 4). */
#define CHAINS 4

typedef struct {
    V_T whole[MO_LEVELS - 1]; /* those of levels - 1 are used */
    V_T rest;
} chain;

/* 2**exponent, a normal number. */
static MO_ALWAYS_INLINE V_T
power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return V_SET1(power);
}

/* Of the scale: so that both 2**it and its inverse are normal. */
static MO_ALWAYS_INLINE int
exponent_for(int top)
{
    return top < FIRST_LEVEL - 1022 ? 1022 : FIRST_LEVEL - top;
}

static MO_ALWAYS_INLINE V_T
split(V_T *whole, V_T y)
{
    const V_T q = V_ROUND(y);
    *whole = V_ADD(*whole, q);
    return V_LESS(y, q);
}

static MO_ALWAYS_INLINE void
add(chain *c, V_T x, V_T scale, const int levels)
{
    V_T rest = split(&c->whole[0], V_MUL(x, scale));
    for (int i = 1; i < levels - 1; i++) {
        rest = split(&c->whole[i], V_MUL(rest, power_of_two(NEXT_LEVEL)));
    }
    c->rest = V_ADD(c->rest, rest);
}

static MO_ALWAYS_INLINE void
merge(chain *a, const chain *b, const int levels)
{
    for (int i = 0; i < levels - 1; i++) {
        a->whole[i] = V_ADD(a->whole[i], b->whole[i]);
    }
    a->rest = V_ADD(a->rest, b->rest);
}

/* What the chain holds, unscaled: levels * V_N doubles.  In two steps, as the
 * weight of the lowest level may be no number. */
static MO_ALWAYS_INLINE void
store(double *parts, const chain *c, V_T unscale, const int levels)
{
    V_T finer = V_SET1(1.0);
    for (int i = 0; i < levels - 1; i++) {
        finer = i > 0 ? V_MUL(finer, power_of_two(-NEXT_LEVEL)) : finer;
        V_STORE(parts + i * V_N, V_MUL(V_MUL(c->whole[i], finer), unscale));
    }
    V_STORE(parts + (levels - 1) * V_N, V_MUL(V_MUL(c->rest, finer), unscale));
}

/* A vector for each chain, `gap` bytes from one to the next. */
static MO_ALWAYS_INLINE void
add_round(chain *c, const char *x, size_t gap, V_T scale, const int levels,
          size_t ahead)
{
    for (size_t j = 0; j < CHAINS; j++, x += gap) {
        if (ahead != 0) {
            MO_PREFETCH(x + ahead);
        }
        add(&c[j], load(x, sizeof(double)), scale, levels);
    }
}

/* n doubles into levels * V_N with the same sum, if no flag is up after.
 * Either in parts, where what is `ahead` bytes from each is fetched, unless that
 * is 0; or in turn. */
static MO_ALWAYS_INLINE void
condense(const char *x, size_t n, int exponent, double *parts,
         const int levels, size_t ahead, bool in_parts)
{
    const size_t size = sizeof(double), step = V_N * size;
    const V_T scale = power_of_two(exponent);
    chain c[CHAINS];
    for (int j = 0; j < CHAINS; j++) {
        for (int i = 0; i < levels - 1; i++) {
            c[j].whole[i] = V_SET1(0.0);
        }
        c[j].rest = V_SET1(0.0);
    }
    if (in_parts) {
        const size_t part = n / (CHAINS * V_N) * V_N;
        for (size_t i = 0; i < part; i += V_N) {
            add_round(c, x + i * size, part * size, scale, levels, ahead);
        }
        x += CHAINS * part * size;
        n -= CHAINS * part;
    }
    for (; n >= CHAINS * V_N; n -= CHAINS * V_N, x += CHAINS * step) {
        add_round(c, x, step, scale, levels, 0);
    }
    for (; n >= V_N; n -= V_N, x += step) {
        add(&c[0], load(x, size), scale, levels);
    }
    if (n > 0) {
        add(&c[1], load_some(x, n, size), scale, levels);
    }
    merge(&c[0], &c[1], levels);
    merge(&c[2], &c[3], levels);
    merge(&c[0], &c[2], levels);
    store(parts, &c[0], power_of_two(-exponent), levels);
}

static MO_ALWAYS_INLINE bool
attempt(const double *x, size_t n, int top, size_t ahead, mo_accumulator *acc,
        const int levels)
{
    double parts[MO_LEVELS * V_N];
    mo_fp_begin();
    condense((const char *)x, n, exponent_for(top), parts, levels, ahead,
             true);
    return conclude(parts, (size_t)levels * V_N, acc);
}

#include "exactsum/attempts.h"

/* --- many sums side by side ------------------------------------------- */

/* The exponent for the sums of numbers like these n doubles; those of the last
 * vector that is not full, and NaNs, do not count. */
static MO_ALWAYS_INLINE int
exponent_like(const char *x, size_t n)
{
    V_T all = V_SET1(0.0);
    for (; n >= V_N; n -= V_N, x += V_N * sizeof(double)) {
        all = V_MAX(V_MAGNITUDE(load(x, sizeof(double))), all);
    }
    double lanes[V_N];
    uint64_t bits[V_N], greatest = 0;
    V_STORE(lanes, all);
    memcpy(bits, lanes, sizeof bits);
    for (int i = 0; i < V_N; i++) {
        greatest = bits[i] > greatest ? bits[i] : greatest;
    }
    return exponent_for((int)(greatest >> 52) - 1022);
}

/* Adds `count` rows to the whole and to the rest of V_N columns. */
static MO_ALWAYS_INLINE void
add_rounding(const char *x, const int count, ptrdiff_t stride, double *whole,
             double *rest, V_T scale)
{
    chain c = {.whole = {V_LOAD(whole)}, .rest = V_LOAD(rest)};
    for (int i = 0; i < count; i++) {
        add(&c, load(x + i * stride, sizeof(double)), scale, 2);
    }
    V_STORE(whole, c.whole[0]);
    V_STORE(rest, c.rest);
}

/* The same for `width` columns, a line of the cache at a time. */
static MO_ALWAYS_INLINE void
add_rows_rounding(const char *x, const int count, size_t width,
                  ptrdiff_t stride, double *rows, V_T scale)
{
    for (size_t j = 0; j < width; j += LINE, x += LINE * sizeof(double)) {
        for (int i = 0; i < count; i++) {
            MO_PREFETCH(x + i * stride + NEAR);
        }
        for (size_t k = 0; k < LINE; k += V_N) {
            add_rounding(x + k * sizeof(double), count, stride, rows + j + k,
                         rows + width + j + k, scale);
        }
    }
}

/* n rows of `width` doubles, a multiple of 8, into two with the same sums, if
 * no flag is up after. */
static MO_ALWAYS_INLINE void
split_columns(const char *x, size_t n, size_t width, ptrdiff_t stride,
              double *rows)
{
    const int exponent = exponent_like(x, width);
    const V_T scale = power_of_two(exponent);
    const V_T unscale = power_of_two(-exponent);
    memset(rows, 0, 2 * width * sizeof *rows);
    for (; n >= 8; n -= 8, x += 8 * stride) {
        add_rows_rounding(x, 8, width, stride, rows, scale);
    }
    for (; n > 0; n--, x += stride) {
        add_rows_rounding(x, 1, width, stride, rows, scale);
    }
    for (size_t j = 0; j < 2 * width; j += V_N) {
        V_STORE(rows + j, V_MUL(V_LOAD(rows + j), unscale));
    }
}

/* n rows of `length` doubles, each into two vectors with the same sum, if no
 * flag is up after. */
static MO_ALWAYS_INLINE void
split_rows(const char *x, size_t n, size_t length, ptrdiff_t stride,
           size_t ahead, double *parts)
{
    const int exponent = exponent_like(x, length);
    for (; n > 0; n--, x += stride, parts += 2 * V_N) {
        condense(x, length, exponent, parts, 2, stride, ahead != 0);
    }
}
