/* numbers.c - prints what the files without Python objects compute.
 *
 * Every machine must print the same: the tests prove one machine's numbers, and
 * this carries the proof to one that only an emulator is here for.  All numbers
 * are printed as their bits.  Owns nothing; one thread. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "exactsum/accumulator.h"
#include "floatmatrix/mt19937.h"

enum {
    ROUNDS = 2000,
    ITEMS = 257
};

static void
print_double(const char *what, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    printf("%s %016" PRIx64 "\n", what, bits);
}

/* A double of any exponent from `least` on, `spread` of them; both signs. */
static double
any_double(mo_mt19937 *mt, int least, int spread)
{
    double mantissa = mo_mt19937_random(mt) - 0.5;
    return ldexp(mantissa, least + (int)(mo_mt19937_random(mt) * spread));
}

static void
print_sum(const char *what, mo_accumulator *acc)
{
    mo_sum_kind kind;
    print_double(what, mo_accumulator_round(acc, &kind));
    printf("kind %d\n", (int)kind);
    print_double("mean", mo_accumulator_mean(acc, ITEMS, &kind));
    mo_accumulator_normalize(acc);
    uint64_t digest = 0;
    for (int i = 0; i < MO_ACCUMULATOR_CHUNKS; i++) {
        digest = digest * UINT64_C(0x100000001b3) ^ (uint64_t)acc->chunk[i];
    }
    printf("state %016" PRIx64 "\n", digest);
}

/* Sums of doubles, singles, halves and integers; merged and taken apart. */
static void
one_round(mo_mt19937 *mt, int least, int spread)
{
    double doubles[ITEMS];
    float singles[ITEMS];
    uint16_t halves[ITEMS];
    mo_accumulator a, b;
    mo_accumulator_init(&a);
    mo_accumulator_init(&b);
    for (int i = 0; i < ITEMS; i++) {
        doubles[i] = any_double(mt, least, spread);
        singles[i] = (float)any_double(mt, -150, 270);
        halves[i] = (uint16_t)(mo_mt19937_random(mt) * 0x7c00);
        mo_accumulator_add_i64(&b, (int64_t)(doubles[i] > 0 ? i : -i) << 40);
        mo_accumulator_add_i64(&b, INT64_MAX - i);
    }
    mo_accumulator_add_f64(&a, doubles, ITEMS, sizeof doubles[0]);
    print_sum("doubles", &a);
    mo_accumulator_add_f32(&a, singles, ITEMS, sizeof singles[0]);
    print_sum("and singles", &a);
    mo_accumulator_add_f16(&b, halves, ITEMS, sizeof halves[0]);
    print_sum("halves and integers", &b);
    printf("merged %d\n", mo_accumulator_merge(&a, &b));
    mo_accumulator_add_f64(&a, doubles + ITEMS - 1, ITEMS / 2,
                           -2 * (ptrdiff_t)sizeof doubles[0]);
    print_sum("backwards", &a);
    printf("subtracted %d\n", mo_accumulator_subtract(&a, &b));
    print_sum("difference", &a);
}

static void
special_values(void)
{
    const double values[] = {INFINITY, 1.0, -INFINITY, NAN};
    mo_accumulator acc;
    mo_accumulator_init(&acc);
    for (int i = 0; i < 4; i++) {
        mo_sum_kind kind;
        mo_accumulator_add(&acc, values[i]);
        double sum = mo_accumulator_round(&acc, &kind);
        printf("special %d %d %d\n", (int)kind, isnan(sum) != 0, sum > 0);
    }
}

int
main(void)
{
    const uint32_t key[] = {0x123, 0x234, 0x345, 0x456};
    mo_mt19937 mt;
    mo_mt19937_init_by_array(&mt, key, 4);
    for (int i = 0; i < ROUNDS; i++) {
        one_round(&mt, i % 2 ? -1 : -1070, i % 2 ? 3 : 2090);
    }
    special_values();
    print_double("random", mo_mt19937_random(&mt));
    return 0;
}
