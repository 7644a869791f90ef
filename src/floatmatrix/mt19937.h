/* mt19937.h - the Mersenne Twister, as CPython's random module uses it.
 *
 * M. Matsumoto and T. Nishimura, "Mersenne Twister: a 623-dimensionally
 * equidistributed uniform pseudo-random number generator", ACM TOMACS 8(1),
 * 1998; seeding and the 53-bit output are those of their mt19937ar.c, 2002.
 * Pure C; the caller owns the struct. */
#ifndef MO_FLOATMATRIX_MT19937_H
#define MO_FLOATMATRIX_MT19937_H

#include <stddef.h>
#include <stdint.h>

#define MO_MT19937_WORDS 624

typedef struct {
    uint32_t word[MO_MT19937_WORDS];
    int next; /* the first word not yet given out; 624: none is left */
} mo_mt19937;

/* n > 0 words of key. */
void
mo_mt19937_init_by_array(mo_mt19937 *mt, const uint32_t *key, size_t n);

/* Uniform over the multiples of 2**-53 in [0, 1). */
double
mo_mt19937_random(mo_mt19937 *mt);

#endif
