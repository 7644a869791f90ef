/* accumulator.h - the exact sum of any number of doubles, as one big integer.
 *
 * The small superaccumulator of R. M. Neal, "Fast exact summation using small
 * and large superaccumulators" (arXiv:1505.05571, 2015): a fixed-point number
 * wide enough for every finite double, in chunks of 32 bits that are kept in
 * 64, so that carries need propagating only now and then.  Adding is exact
 * and commutative, so the value depends on neither order nor grouping.
 *
 * Pure C: no Python object, no allocation, no failure.  The caller owns the
 * struct; one thread at a time may use it. */
#ifndef MO_EXACTSUM_ACCUMULATOR_H
#define MO_EXACTSUM_ACCUMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bit 0 of the number has the weight of the least subnormal, 2**-1074; the
 * greatest double ends at bit 2097, in chunk 65.  The top chunk, 66, is never
 * added to but by carries, and keeps the sign. */
#define MO_ACCUMULATOR_CHUNKS 67
#define MO_ACCUMULATOR_TOP (MO_ACCUMULATOR_CHUNKS - 1)
#define MO_ACCUMULATOR_UNIT (-1074)

/* A normalized sum made by merging has its top chunk in [-LIMIT, LIMIT): it is
 * within 2**75 times the greatest double.  2**63 additions of doubles after
 * that move the top chunk by 2**49 at most, so it cannot overflow. */
#define MO_ACCUMULATOR_TOP_LIMIT (INT64_C(1) << 61)

typedef struct {
    /* value = 2**-1074 * sum(chunk[i] * 2**(32 * i)).  Each chunk is signed
     * and may exceed 32 bits while additions are outstanding. */
    int64_t chunk[MO_ACCUMULATOR_CHUNKS];
    /* Additions that may follow before carries must be propagated. */
    int32_t headroom;
    /* What has been seen that is not a finite number. */
    uint8_t has_nan, has_plus_inf, has_minus_inf;
} mo_accumulator;

/* How a sum came out; only "raise" callers tell the last three apart. */
typedef enum {
    MO_SUM_FINITE,
    MO_SUM_OVERFLOW, /* finite terms, but the rounded sum is infinite */
    MO_SUM_INF,      /* infinities of one sign among the terms */
    MO_SUM_NAN,      /* a NaN, but not infinities of both signs */
    MO_SUM_INVALID,  /* infinities of both signs */
} mo_sum_kind;

void
mo_accumulator_init(mo_accumulator *acc);

void
mo_accumulator_add(mo_accumulator *acc, double x);

/* n doubles, `stride` bytes apart (may be negative, zero or unaligned). */
void
mo_accumulator_add_f64(mo_accumulator *acc, const void *first, size_t n,
                       ptrdiff_t stride);

/* The same for IEEE 754 singles and halves, each exact as a double. */
void
mo_accumulator_add_f32(mo_accumulator *acc, const void *first, size_t n,
                       ptrdiff_t stride);

void
mo_accumulator_add_f16(mo_accumulator *acc, const void *first, size_t n,
                       ptrdiff_t stride);

void
mo_accumulator_add_i64(mo_accumulator *acc, int64_t x);

/* n times the weight of the last bit of `of`, which is a normal number. */
void
mo_accumulator_add_ulps(mo_accumulator *acc, int64_t n, double of);

/* acc += other; acc -= other.  `other` is left as it is and may be `acc`.
 * 0, or -1 with acc as it was when the result would pass the limit of the top
 * chunk: no sum of fewer than 2**63 doubles does, but doublings can. */
int
mo_accumulator_merge(mo_accumulator *acc, const mo_accumulator *other);

int
mo_accumulator_subtract(mo_accumulator *acc, const mo_accumulator *other);

/* Brings chunks 0..65 into 0..2**32-1, leaving the sign in chunk 66: the one
 * representation of a value. */
void
mo_accumulator_normalize(mo_accumulator *acc);

/* Whether both hold the same number and have seen the same special values. */
bool
mo_accumulator_equal(const mo_accumulator *a, const mo_accumulator *b);

/* The sum rounded to nearest, ties to even.  *kind may be NULL.  An empty or
 * cancelled sum is +0.0. */
double
mo_accumulator_round(const mo_accumulator *acc, mo_sum_kind *kind);

/* The sum divided by n in 1..2**63, rounded once. */
double
mo_accumulator_mean(const mo_accumulator *acc, uint64_t n, mo_sum_kind *kind);

#endif
