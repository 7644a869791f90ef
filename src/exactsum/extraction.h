/* extraction.h - summation by extraction, certified by checks.
 *
 * The body of a kernel, included by one file for each instruction set, which
 * defines
 *     V_T           vector of V_N doubles, V_N a power of two
 *     V_SET1(a)     each lane a
 *     V_LOAD(p)     from double *p, any alignment;  V_STORE(p, v)  to it
 *     V_LOAD_SINGLES(p)  from float *p, widened
 *     V_ADD, V_SUB  lane by lane, rounded to nearest
 *     V_OR, V_XOR   of the bits
 * and gets singles and attempt2 to attempt5 (see kernels.h).
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

/* Two sums side by side keep the adders busy, since each addition into one is
 * followed by five or more that do not wait for it; four are no faster in
 * memory and 5 % faster in L2 (28 and 30 GB/s, AVX2 on an Ice Lake Xeon). */
#define CHAINS 2
#define STEP (CHAINS * V_N)

/* From the double being read to the one being fetched, see kernel_avx512.c. */
#define AHEAD 256

typedef struct {
    V_T s1, s2, s3, s4, s5; /* those of `levels` are used */
} chain;

/* Bits that a faultless block leaves clear. */
typedef struct {
    V_T moved; /* of s1, beside sigma: sign and exponent count */
    V_T lost;  /* of what no level took: all but the sign count */
} doubts;

static MO_ALWAYS_INLINE V_T
extract(V_T *s, V_T x)
{
    const V_T t = V_ADD(*s, x);
    const V_T q = V_SUB(t, *s);
    *s = t;
    return V_SUB(x, q);
}

static MO_ALWAYS_INLINE void
add(chain *c, V_T x, V_T sigma, doubts *d, const int levels)
{
    x = extract(&c->s1, x);
    d->moved = V_OR(d->moved, V_XOR(c->s1, sigma));
    x = levels > 1 ? extract(&c->s2, x) : x;
    x = levels > 2 ? extract(&c->s3, x) : x;
    x = levels > 3 ? extract(&c->s4, x) : x;
    x = levels > 4 ? extract(&c->s5, x) : x;
    d->lost = V_OR(d->lost, x);
}

/* The bits of v's lanes, ORed. */
static MO_ALWAYS_INLINE uint64_t
bits_of(V_T v)
{
    double lanes[V_N];
    uint64_t bits[V_N], all = 0;
    V_STORE(lanes, v);
    memcpy(bits, lanes, sizeof bits);
    for (int i = 0; i < V_N; i++) {
        all |= bits[i];
    }
    return all;
}

/* What the lanes of s have taken since they were sigma, in ulps; less than
 * 2**51 each.  Unsigned, as a block that fails may overflow. */
static MO_ALWAYS_INLINE uint64_t
taken(V_T s, double sigma)
{
    double lanes[V_N];
    uint64_t bits[V_N], start, sum = 0;
    V_STORE(lanes, s);
    memcpy(bits, lanes, sizeof bits);
    memcpy(&start, &sigma, sizeof start);
    for (int i = 0; i < V_N; i++) {
        sum += bits[i] - start;
    }
    return sum;
}

static MO_ALWAYS_INLINE void
collect(uint64_t total[MO_LEVELS], const chain *c,
        const double sigma[MO_LEVELS], const int levels)
{
    total[0] += taken(c->s1, sigma[0]);
    total[1] += levels > 1 ? taken(c->s2, sigma[1]) : 0;
    total[2] += levels > 2 ? taken(c->s3, sigma[2]) : 0;
    total[3] += levels > 3 ? taken(c->s4, sigma[3]) : 0;
    total[4] += levels > 4 ? taken(c->s5, sigma[4]) : 0;
}

/* total += x[0] + ... + x[n - 1] for n <= LANE_ITEMS * STEP. */
static MO_ALWAYS_INLINE void
sum_run(const double *x, size_t n, const double sigma[MO_LEVELS],
        uint64_t total[MO_LEVELS], doubts *d, const int levels)
{
    const chain start = {V_SET1(sigma[0]), V_SET1(sigma[1]), V_SET1(sigma[2]),
                         V_SET1(sigma[3]), V_SET1(sigma[4])};
    chain a = start, b = start;
    const double *end = x + n;
    for (; end - x >= STEP; x += STEP) {
        MO_PREFETCH(x + AHEAD);
        add(&a, V_LOAD(x), start.s1, d, levels);
        add(&b, V_LOAD(x + V_N), start.s1, d, levels);
    }
    if (x < end) {
        double padded[STEP] = {0};
        memcpy(padded, x, (size_t)(end - x) * sizeof *x);
        add(&a, V_LOAD(padded), start.s1, d, levels);
        add(&b, V_LOAD(padded + V_N), start.s1, d, levels);
    }
    collect(total, &a, sigma, levels);
    collect(total, &b, sigma, levels);
}

static MO_ALWAYS_INLINE bool
attempt(const double *x, size_t n, int top, mo_accumulator *acc,
        const int levels)
{
    double sigma[MO_LEVELS];
    uint64_t total[MO_LEVELS] = {0};
    doubts d = {V_SET1(0.0), V_SET1(0.0)};
    for (int i = 0; i < MO_LEVELS; i++) {
        sigma[i] = mo_sigma(top + ROOM - NEXT_LEVEL * i);
    }
    while (n > 0) {
        size_t run = n < LANE_ITEMS * STEP ? n : LANE_ITEMS * STEP;
        sum_run(x, run, sigma, total, &d, levels);
        x += run;
        n -= run;
    }
    if (bits_of(d.moved) >> 52 != 0 || bits_of(d.lost) << 1 != 0) {
        return false;
    }
    for (int i = 0; i < levels; i++) {
        mo_accumulator_add_ulps(acc, (int64_t)total[i], sigma[i]);
    }
    return true;
}

static bool
singles(const float *x, size_t n, mo_accumulator *acc)
{
    double lanes[V_N];
    mo_fp_begin();
    V_T a = V_SET1(0.0), b = a, c = a, d = a;
    const float *end = x + n;
    for (; end - x >= 4 * V_N; x += 4 * V_N) {
        MO_PREFETCH(x + 2 * AHEAD);
        a = V_ADD(a, V_LOAD_SINGLES(x));
        b = V_ADD(b, V_LOAD_SINGLES(x + V_N));
        c = V_ADD(c, V_LOAD_SINGLES(x + 2 * V_N));
        d = V_ADD(d, V_LOAD_SINGLES(x + 3 * V_N));
    }
    while (x < end) {
        float padded[V_N] = {0};
        size_t rest = (size_t)(end - x) < V_N ? (size_t)(end - x) : V_N;
        memcpy(padded, x, rest * sizeof *x);
        a = V_ADD(a, V_LOAD_SINGLES(padded));
        x += rest;
    }
    V_STORE(lanes, V_ADD(V_ADD(a, b), V_ADD(c, d)));
    if (mo_fp_rounded()) {
        return false;
    }
    for (int i = 0; i < V_N; i++) {
        if (!isfinite(lanes[i])) {
            return false;
        }
    }
    mo_accumulator_add_f64(acc, lanes, V_N, sizeof lanes[0]);
    return true;
}

static bool
attempt2(const double *x, size_t n, int top, mo_accumulator *acc)
{
    return attempt(x, n, top, acc, 2);
}

static bool
attempt3(const double *x, size_t n, int top, mo_accumulator *acc)
{
    return attempt(x, n, top, acc, 3);
}

static bool
attempt4(const double *x, size_t n, int top, mo_accumulator *acc)
{
    return attempt(x, n, top, acc, 4);
}

static bool
attempt5(const double *x, size_t n, int top, mo_accumulator *acc)
{
    return attempt(x, n, top, acc, 5);
}
