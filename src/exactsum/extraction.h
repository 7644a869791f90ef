/* extraction.h - summation by extraction, certified by checks.
 *
 * The body of a part of a kernel, included after lanes.h by one file for each
 * instruction set, which defines
 *     V_OR, V_XOR   of the bits
 *     V_ADD_BITS, V_SUB_BITS  the lanes taken as integers of 64 bits
 * and gets attempt2 to attempt5 (see kernels.h).
 *
 * S starts at sigma = 1.5 * 2**k, far above the data.  For each x
 *     t = S + x, q = t - S, r = x - q, S = t
 * As long as S stays in [2**k, 2**(k + 1)), all S are multiples of one ulp u =
 * 2**(k - 52), q is the multiple of u next to x and r = x - q the error of an
 * addition: neither is rounded.  r goes to the next level, 43 bits further
 * down.  Two checks make it certain: all bits in which an S of the first level
 * differs from sigma are gathered, and must not be of the exponent or sign
 * (then the other levels cannot leave their range either); and so are the bits
 * of what the last level leaves, which must be zero.  The bits of S minus
 * those of sigma are what S took, as an integer, in units of u.
 *
 * Algorithm: S. M. Rump, T. Ogita, S. Oishi, "Accurate floating-point
 * summation, part I" (SIAM J. Sci. Comput. 31, 2008), and the binned sums of
 * J. Demmel and H. D. Nguyen; the two checks, which make it exact, are ours.
 * No include guard. */

/* Items that one lane takes before its sum is moved to an integer.  Below
 * 2**top they add up to less than 2**(k - 2) if k = top + 10, and what they
 * leave, at most u / 2 each, to less than 2**(k - 44) on the next level, where
 * k is less by 43: within a third of sigma each. */
#define LANE_ITEMS 256
#define ROOM 10
#define NEXT_LEVEL 43

/* Sums side by side: each addition into one waits for the one before. */
#define CHAINS 4
#define STEP (CHAINS * V_N)

/* The sums of one chain: a level after another. */
typedef struct {
    V_T s[MO_LEVELS];
} chain;

typedef struct {
    V_T sigma[MO_LEVELS];
    V_T total[MO_LEVELS]; /* integers, in ulps of sigma */
    /* Bits that a faultless block leaves clear. */
    V_T moved; /* of s[0], beside sigma: sign and exponent count */
    V_T lost;  /* of what no level took: all but the sign count */
} block_sum;

static MO_ALWAYS_INLINE V_T
extract(V_T *s, V_T x)
{
    const V_T t = V_ADD(*s, x);
    const V_T q = V_SUB(t, *s);
    *s = t;
    return V_SUB(x, q);
}

static MO_ALWAYS_INLINE void
add(chain *c, V_T x, block_sum *sum, const int levels)
{
    for (int i = 0; i < levels; i++) {
        x = extract(&c->s[i], x);
    }
    sum->moved = V_OR(sum->moved, V_XOR(c->s[0], sum->sigma[0]));
    sum->lost = V_OR(sum->lost, x);
}

/* What the chain has taken since it was sigma.  That is below 2**51 in each
 * lane, of which a block adds up to 48 (fewer if V_N is above 2). */
static MO_ALWAYS_INLINE void
collect(block_sum *sum, const chain *c, const int levels)
{
    for (int i = 0; i < levels; i++) {
        const V_T taken = V_SUB_BITS(c->s[i], sum->sigma[i]);
        sum->total[i] = V_ADD_BITS(sum->total[i], taken);
    }
}

/* Up to LANE_ITEMS * STEP doubles. */
static MO_ALWAYS_INLINE void
sum_run(const double *x, size_t n, size_t ahead, block_sum *sum,
        const int levels)
{
    chain c[CHAINS];
    for (int j = 0; j < CHAINS; j++) {
        for (int i = 0; i < levels; i++) {
            c[j].s[i] = sum->sigma[i];
        }
    }
    const double *end = x + n;
    for (; end - x >= STEP; x += STEP) {
        for (int j = 0; j < CHAINS; j++) {
            if (j * V_N % LINE == 0) {
                MO_PREFETCH((const char *)(x + j * V_N) + ahead);
            }
            add(&c[j], V_LOAD(x + j * V_N), sum, levels);
        }
    }
    if (x < end) {
        double padded[STEP] = {0};
        memcpy(padded, x, (size_t)(end - x) * sizeof *x);
        for (int j = 0; j < CHAINS; j++) {
            add(&c[j], V_LOAD(padded + j * V_N), sum, levels);
        }
    }
    for (int j = 0; j < CHAINS; j++) {
        collect(sum, &c[j], levels);
    }
}

/* The lanes' integers; below 2**58, each below 2**57. */
static MO_ALWAYS_INLINE int64_t
sum_of_bits(V_T v)
{
    double lanes[V_N];
    int64_t bits[V_N], all = 0;
    V_STORE(lanes, v);
    memcpy(bits, lanes, sizeof bits);
    for (int i = 0; i < V_N; i++) {
        all += bits[i];
    }
    return all;
}

static MO_ALWAYS_INLINE bool
attempt(const double *x, size_t n, int top, size_t ahead, mo_accumulator *acc,
        const int levels)
{
    double sigma[MO_LEVELS];
    block_sum sum = {.moved = V_SET1(0.0), .lost = V_SET1(0.0)};
    for (int i = 0; i < levels; i++) {
        sigma[i] = mo_sigma(top + ROOM - NEXT_LEVEL * i);
        sum.sigma[i] = V_SET1(sigma[i]);
        sum.total[i] = V_SET1(0.0);
    }
    while (n > 0) {
        size_t run = n < LANE_ITEMS * STEP ? n : LANE_ITEMS * STEP;
        sum_run(x, run, ahead, &sum, levels);
        x += run;
        n -= run;
    }
    if (bits_of(sum.moved) >> 52 != 0 || bits_of(sum.lost) << 1 != 0) {
        return false;
    }
    for (int i = 0; i < levels; i++) {
        mo_accumulator_add_ulps(acc, sum_of_bits(sum.total[i]), sigma[i]);
    }
    return true;
}

#include "exactsum/attempts.h"
