/* accumulator.c - see accumulator.h for what it computes and who owns what.
 *
 * Integer arithmetic only: neither the rounding mode nor FTZ/DAZ set by other
 * code can change a result. */
#include "exactsum/accumulator.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define CHUNK_BITS 32
#define CHUNK_MASK UINT64_C(0xffffffff)
#define TOP MO_ACCUMULATOR_TOP

/* One addition moves a chunk by less than 2**52 + 2**32 and a normalized
 * chunk is below 2**32, so 2**11 - 2 of them stay below 2**63. */
#define HEADROOM_FULL 2046

#define MANTISSA_BITS 52
#define MANTISSA_MASK ((UINT64_C(1) << MANTISSA_BITS) - 1)
#define IMPLICIT_BIT (UINT64_C(1) << MANTISSA_BITS)
#define EXPONENT_MASK 0x7ff

/* Quotients have this many digits below the unit.  A quotient by n <= 2**63
 * that is no tie differs from every tie by 1 / (2 * n) >= 2**-64 units or
 * more, and from zero by more, so two digits tell, whatever is cut off. */
#define FRACTION_CHUNKS 2
#define WIDE_CHUNKS (MO_ACCUMULATOR_CHUNKS + FRACTION_CHUNKS)

void
mo_accumulator_init(mo_accumulator *acc)
{
    memset(acc, 0, sizeof *acc);
    acc->headroom = HEADROOM_FULL;
}

/* Chunks low..high - 1 into 0..2**32-1; chunk[high] takes what is left,
 * signed. */
static void
propagate(int64_t *chunk, int low, int high)
{
    int64_t carry = 0;
    for (int i = low; i < high; i++) {
        int64_t v = chunk[i] + carry;
        uint64_t digit = (uint64_t)v & CHUNK_MASK;
        /* Floor division: v - digit is a multiple of 2**32. */
        carry = (v - (int64_t)digit) / (INT64_C(1) << CHUNK_BITS);
        chunk[i] = (int64_t)digit;
    }
    chunk[high] += carry;
}

void
mo_accumulator_normalize(mo_accumulator *acc)
{
    propagate(acc->chunk, 0, TOP);
    acc->headroom = HEADROOM_FULL;
}

/* How many of n additions may be done before calling this again. */
static inline size_t
claim_headroom(mo_accumulator *acc, size_t n)
{
    if (acc->headroom == 0) {
        mo_accumulator_normalize(acc);
    }
    size_t claimed = (size_t)acc->headroom;
    claimed = n < claimed ? n : claimed;
    acc->headroom -= (int32_t)claimed;
    return claimed;
}

static void
note_special(mo_accumulator *acc, uint64_t bits)
{
    if (bits & MANTISSA_MASK) {
        acc->has_nan = 1;
    }
    else if (bits >> 63) {
        acc->has_minus_inf = 1;
    }
    else {
        acc->has_plus_inf = 1;
    }
}

/* Adds the double with these bits; headroom must have been claimed. */
static inline void
add_bits(mo_accumulator *acc, uint64_t bits)
{
    unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & EXPONENT_MASK;
    uint64_t mantissa = bits & MANTISSA_MASK;
    if (exponent == EXPONENT_MASK) {
        note_special(acc, bits);
        return;
    }
    if (exponent != 0) {
        mantissa |= IMPLICIT_BIT;
        exponent--; /* subnormals share the least normal exponent */
    }
    unsigned offset = exponent % CHUNK_BITS;
    int64_t low = (int64_t)((mantissa << offset) & CHUNK_MASK);
    int64_t high = (int64_t)(mantissa >> (CHUNK_BITS - offset));
    int64_t sign = -(int64_t)(bits >> 63); /* 0 or -1: (v ^ s) - s negates */
    int64_t *chunk = &acc->chunk[exponent / CHUNK_BITS];
    chunk[0] += (low ^ sign) - sign;
    chunk[1] += (high ^ sign) - sign;
}

void
mo_accumulator_add(mo_accumulator *acc, double x)
{
    mo_accumulator_add_f64(acc, &x, 1, 0);
}

/* The bits of the double that equals a narrower IEEE 754 number, by integers
 * alone, since a conversion instruction would flush subnormals under DAZ. */
static inline uint64_t
widen(uint32_t bits, unsigned exponent_bits, unsigned mantissa_bits)
{
    const unsigned exponent_mask = (1u << exponent_bits) - 1;
    const unsigned bias = EXPONENT_MASK / 2 - exponent_mask / 2;
    uint64_t sign = (uint64_t)(bits >> (exponent_bits + mantissa_bits)) << 63;
    unsigned exponent = (bits >> mantissa_bits) & exponent_mask;
    uint64_t mantissa = bits & ((1u << mantissa_bits) - 1);
    mantissa <<= MANTISSA_BITS - mantissa_bits;
    if (exponent == exponent_mask) {
        return sign | (uint64_t)EXPONENT_MASK << MANTISSA_BITS | mantissa;
    }
    if (exponent == 0) {
        if (mantissa == 0) {
            return sign;
        }
        exponent = 1;
        while (!(mantissa & IMPLICIT_BIT)) {
            mantissa <<= 1;
            exponent--; /* wraps below zero; adding the bias unwraps it */
        }
        mantissa &= MANTISSA_MASK;
    }
    return sign | (uint64_t)(exponent + bias) << MANTISSA_BITS | mantissa;
}

/* The bits, as a double's, of the IEEE 754 number of so many bytes at p. */
static inline uint64_t
load_bits(const char *p, const size_t size)
{
    uint64_t bits64;
    uint32_t bits32;
    uint16_t bits16;
    switch (size) {
        case sizeof bits64:
            memcpy(&bits64, p, sizeof bits64);
            return bits64;
        case sizeof bits32:
            memcpy(&bits32, p, sizeof bits32);
            return widen(bits32, 8, 23);
        default:
            memcpy(&bits16, p, sizeof bits16);
            return widen(bits16, 5, 10);
    }
}

/* Inlined for each size, which is constant: a loop of its own. */
static inline void
add_floats(mo_accumulator *acc, const char *p, size_t n, ptrdiff_t stride,
           const size_t size)
{
    while (n > 0) {
        size_t batch = claim_headroom(acc, n);
        n -= batch;
        for (; batch > 0; batch--, p += stride) {
            add_bits(acc, load_bits(p, size));
        }
    }
}

void
mo_accumulator_add_f64(mo_accumulator *acc, const void *first, size_t n,
                       ptrdiff_t stride)
{
    add_floats(acc, first, n, stride, sizeof(double));
}

void
mo_accumulator_add_f32(mo_accumulator *acc, const void *first, size_t n,
                       ptrdiff_t stride)
{
    add_floats(acc, first, n, stride, sizeof(float));
}

void
mo_accumulator_add_f16(mo_accumulator *acc, const void *first, size_t n,
                       ptrdiff_t stride)
{
    add_floats(acc, first, n, stride, sizeof(uint16_t));
}

/* Adds magnitude * 2**(bit + MO_ACCUMULATOR_UNIT), or the opposite if sign is
 * -1 and not 0.  bit is one that a double has its last bit at. */
static void
add_integer(mo_accumulator *acc, uint64_t magnitude, int64_t sign,
            unsigned bit)
{
    const unsigned offset = bit % CHUNK_BITS;
    int64_t low = (int64_t)((magnitude << offset) & CHUNK_MASK);
    int64_t middle =
        (int64_t)((magnitude >> (CHUNK_BITS - offset)) & CHUNK_MASK);
    /* In two steps, as no shift may be by 64. */
    int64_t high = (int64_t)(magnitude >> CHUNK_BITS >> (CHUNK_BITS - offset));
    (void)claim_headroom(acc, 1);
    int64_t *chunk = &acc->chunk[bit / CHUNK_BITS];
    chunk[0] += (low ^ sign) - sign;
    chunk[1] += (middle ^ sign) - sign;
    chunk[2] += (high ^ sign) - sign;
}

void
mo_accumulator_add_i64(mo_accumulator *acc, int64_t x)
{
    uint64_t magnitude = x < 0 ? UINT64_C(0) - (uint64_t)x : (uint64_t)x;
    add_integer(acc, magnitude, -(int64_t)(x < 0), -MO_ACCUMULATOR_UNIT);
}

void
mo_accumulator_add_ulps(mo_accumulator *acc, int64_t n, double of)
{
    uint64_t magnitude = n < 0 ? UINT64_C(0) - (uint64_t)n : (uint64_t)n;
    uint64_t bits;
    memcpy(&bits, &of, sizeof bits);
    unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & EXPONENT_MASK;
    assert(0 < exponent && exponent < EXPONENT_MASK);
    add_integer(acc, magnitude, -(int64_t)(n < 0), exponent - 1);
}

/* acc += sign * other, sign being 1 or -1; -1 if that is out of range. */
static int
add_chunks(mo_accumulator *acc, const mo_accumulator *other, int64_t sign)
{
    mo_accumulator result = *acc, addend = *other;
    mo_accumulator_normalize(&result);
    mo_accumulator_normalize(&addend);
    for (int i = 0; i < MO_ACCUMULATOR_CHUNKS; i++) {
        result.chunk[i] += sign * addend.chunk[i];
    }
    mo_accumulator_normalize(&result);
    if (result.chunk[TOP] < -MO_ACCUMULATOR_TOP_LIMIT ||
        result.chunk[TOP] >= MO_ACCUMULATOR_TOP_LIMIT) {
        return -1;
    }
    *acc = result;
    return 0;
}

int
mo_accumulator_merge(mo_accumulator *acc, const mo_accumulator *other)
{
    if (add_chunks(acc, other, 1) < 0) {
        return -1;
    }
    acc->has_nan |= other->has_nan;
    acc->has_plus_inf |= other->has_plus_inf;
    acc->has_minus_inf |= other->has_minus_inf;
    return 0;
}

int
mo_accumulator_subtract(mo_accumulator *acc, const mo_accumulator *other)
{
    if (add_chunks(acc, other, -1) < 0) {
        return -1;
    }
    uint8_t plus = other->has_minus_inf, minus = other->has_plus_inf;
    acc->has_nan |= other->has_nan;
    acc->has_plus_inf |= plus; /* other may be acc: read before written */
    acc->has_minus_inf |= minus;
    return 0;
}

bool
mo_accumulator_equal(const mo_accumulator *a, const mo_accumulator *b)
{
    mo_accumulator x = *a, y = *b;
    mo_accumulator_normalize(&x);
    mo_accumulator_normalize(&y);
    return memcmp(x.chunk, y.chunk, sizeof x.chunk) == 0 &&
           x.has_nan == y.has_nan && x.has_plus_inf == y.has_plus_inf &&
           x.has_minus_inf == y.has_minus_inf;
}

/* Limbs beside those in use that rounding may look at: 53 bits reach into two
 * more. */
#define MARGIN 2

/* A magnitude: sum(limb[i] * 2**(32 * (i - FRACTION_CHUNKS))) in units of
 * 2**-1074.  The top limb may be wider than 32 bits, but not than 62. */
typedef struct {
    /* Up to MARGIN below bottom and above top they are zero, and farther away
     * unset: clearing all took a third of the time of a short sum. */
    uint64_t limb[WIDE_CHUNKS + MARGIN];
    int bottom, top;
    bool negative;
} magnitude;

/* The first of count >= 4 chunks, `step` apart, that is not zero; the last if
 * all are. */
static const int64_t *
find_chunk(const int64_t *chunk, int count, const int step)
{
    while (count > 4 &&
           (chunk[0] | chunk[step] | chunk[2 * step] | chunk[3 * step]) == 0) {
        chunk += 4 * step;
        count -= 4;
    }
    while (count > 1 && *chunk == 0) {
        chunk += step;
        count--;
    }
    return chunk;
}

/* Most sums have few digits: only chunks from the lowest that is not zero to
 * one above the highest are looked at. */
static void
magnitude_of(const mo_accumulator *acc, magnitude *m)
{
    const int64_t *from = find_chunk(acc->chunk, MO_ACCUMULATOR_CHUNKS, 1);
    const int64_t *to =
        find_chunk(acc->chunk + TOP, MO_ACCUMULATOR_CHUNKS, -1);
    to = from < to ? to : from; /* all zero: they have passed each other */
    to = to < acc->chunk + TOP ? to + 1 : to;
    m->bottom = (int)(from - acc->chunk) + FRACTION_CHUNKS;
    m->top = (int)(to - acc->chunk) + FRACTION_CHUNKS;
    for (int i = 1; i <= MARGIN; i++) {
        m->limb[m->bottom - i] = 0;
        m->limb[m->top + i] = 0;
    }
    int64_t *limb = (int64_t *)m->limb;
    for (int i = m->bottom; i <= m->top; i++) {
        limb[i] = *from++;
    }
    propagate(limb, m->bottom, m->top);
    m->negative = limb[m->top] < 0;
    if (m->negative) {
        for (int i = m->bottom; i <= m->top; i++) {
            limb[i] = -limb[i];
        }
        propagate(limb, m->bottom, m->top);
    }
}

/* Position of the highest set bit of a nonzero v. */
static int
highest_bit(uint64_t v)
{
    int bit = 0;
    for (int step = 32; step > 0; step /= 2) {
        if (v >> step) {
            v >>= step;
            bit += step;
        }
    }
    return bit;
}

/* `count` bits, at most 53, from position `from` up; position 0 is the lowest
 * bit of limb[0], and what lies above the top limb reads as zeros. */
static uint64_t
extract_bits(const magnitude *m, int from, int count)
{
    uint64_t out = 0;
    for (int got = 0; got < count;) {
        int index = (from + got) / CHUNK_BITS;
        int offset = (from + got) % CHUNK_BITS;
        if (index >= WIDE_CHUNKS - 1) { /* the wide top limb: all the rest */
            offset = from + got - (WIDE_CHUNKS - 1) * CHUNK_BITS;
            out |= (m->limb[WIDE_CHUNKS - 1] >> offset) << got;
            break;
        }
        out |= (m->limb[index] >> offset) << got;
        got += CHUNK_BITS - offset;
    }
    return out & ((UINT64_C(1) << count) - 1);
}

static int
any_bit_below(const magnitude *m, int position)
{
    int index = position / CHUNK_BITS;
    uint64_t partial = (UINT64_C(1) << position % CHUNK_BITS) - 1;
    if (m->limb[index] & partial) {
        return 1;
    }
    while (--index >= m->bottom) {
        if (m->limb[index]) {
            return 1;
        }
    }
    return 0;
}

/* Round half to even.  The bits of a double are its mantissa plus its
 * exponent, so a carry out of the mantissa lands where it should. */
static double
round_magnitude(const magnitude *m, mo_sum_kind *kind)
{
    const int unit = FRACTION_CHUNKS * CHUNK_BITS;
    int top = m->top;
    while (top >= m->bottom && m->limb[top] == 0) {
        top--;
    }
    *kind = MO_SUM_FINITE;
    if (top < m->bottom) {
        return 0.0;
    }
    int lowest = top * CHUNK_BITS + highest_bit(m->limb[top]) - MANTISSA_BITS;
    if (lowest < unit) {
        lowest = unit; /* subnormal: no finer than 2**-1074 */
    }
    uint64_t bits = (uint64_t)(lowest - unit) << MANTISSA_BITS;
    bits += extract_bits(m, lowest, MANTISSA_BITS + 1);
    int half = (int)extract_bits(m, lowest - 1, 1);
    if (half && (bits & 1 || any_bit_below(m, lowest - 1))) {
        bits++;
    }
    const uint64_t infinity = (uint64_t)EXPONENT_MASK << MANTISSA_BITS;
    if (lowest - unit >= EXPONENT_MASK - 1 || bits >= infinity) {
        bits = infinity;
        *kind = MO_SUM_OVERFLOW;
    }
    bits |= (uint64_t)m->negative << 63;
    double result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

/* True and *result set when what was seen was not all finite. */
static int
special_result(const mo_accumulator *acc, double *result, mo_sum_kind *kind)
{
    bool invalid = acc->has_plus_inf && acc->has_minus_inf;
    if (acc->has_nan || invalid) {
        *kind = invalid ? MO_SUM_INVALID : MO_SUM_NAN;
        *result = (double)NAN;
        return 1;
    }
    if (acc->has_plus_inf || acc->has_minus_inf) {
        *kind = MO_SUM_INF;
        *result = acc->has_plus_inf ? (double)INFINITY : -(double)INFINITY;
        return 1;
    }
    return 0;
}

double
mo_accumulator_round(const mo_accumulator *acc, mo_sum_kind *kind)
{
    mo_sum_kind ignored;
    double result;
    magnitude m;
    kind = kind ? kind : &ignored;
    if (special_result(acc, &result, kind)) {
        return result;
    }
    magnitude_of(acc, &m);
    return round_magnitude(&m, kind);
}

/* All limbs in use, as a quotient may need. */
static void
widen_magnitude(magnitude *m)
{
    for (int i = 0; i < WIDE_CHUNKS; i++) {
        m->limb[i] = m->bottom <= i && i <= m->top ? m->limb[i] : 0;
    }
    m->bottom = 0;
}

/* m //= n, one 32-bit digit after another. */
static void
divide_short(magnitude *m, uint32_t n)
{
    uint64_t top = m->limb[WIDE_CHUNKS - 1];
    uint64_t remainder = top % n;
    m->limb[WIDE_CHUNKS - 1] = top / n;
    for (int i = WIDE_CHUNKS - 2; i >= 0; i--) {
        uint64_t dividend = remainder << CHUNK_BITS | m->limb[i];
        m->limb[i] = dividend / n;
        remainder = dividend % n;
    }
}

/* The same for n <= 2**63, one bit after another: 2,200 steps. */
static void
divide_long(magnitude *m, uint64_t n)
{
    uint64_t top = m->limb[WIDE_CHUNKS - 1];
    uint64_t remainder = top % n;
    m->limb[WIDE_CHUNKS - 1] = top / n;
    for (int i = WIDE_CHUNKS - 2; i >= 0; i--) {
        uint64_t quotient = 0;
        for (int bit = CHUNK_BITS - 1; bit >= 0; bit--) {
            remainder = remainder << 1 | (m->limb[i] >> bit & 1);
            quotient <<= 1;
            if (remainder >= n) {
                remainder -= n;
                quotient |= 1;
            }
        }
        m->limb[i] = quotient;
    }
}

double
mo_accumulator_mean(const mo_accumulator *acc, uint64_t n, mo_sum_kind *kind)
{
    mo_sum_kind ignored;
    double result;
    magnitude m;
    assert(0 < n && n <= UINT64_C(1) << 63);
    kind = kind ? kind : &ignored;
    if (special_result(acc, &result, kind)) {
        return result;
    }
    magnitude_of(acc, &m);
    widen_magnitude(&m);
    if (n <= CHUNK_MASK) {
        divide_short(&m, (uint32_t)n);
    }
    else {
        divide_long(&m, n);
    }
    return round_magnitude(&m, kind);
}
