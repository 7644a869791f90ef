/* mt19937.c - see mt19937.h. */
#include "floatmatrix/mt19937.h"

#define N MO_MT19937_WORDS
#define M 397

static void
init_by_number(mo_mt19937 *mt, uint32_t seed)
{
    mt->word[0] = seed;
    for (uint32_t i = 1; i < N; i++) {
        uint32_t previous = mt->word[i - 1];
        mt->word[i] = UINT32_C(1812433253) * (previous ^ previous >> 30) + i;
    }
    mt->next = N;
}

/* Mixes word i with the one before; the index that follows, which is never 0:
 * word 0 only ever repeats the last one. */
static uint32_t
mix(mo_mt19937 *mt, uint32_t i, uint32_t factor, uint32_t addend)
{
    uint32_t *word = mt->word, previous = word[i - 1];
    word[i] = (word[i] ^ (previous ^ previous >> 30) * factor) + addend;
    if (++i == N) {
        word[0] = word[N - 1];
        i = 1;
    }
    return i;
}

void
mo_mt19937_init_by_array(mo_mt19937 *mt, const uint32_t *key, size_t n)
{
    init_by_number(mt, UINT32_C(19650218));
    uint32_t i = 1;
    size_t j = 0;
    for (size_t k = N > n ? N : n; k > 0; k--) {
        i = mix(mt, i, UINT32_C(1664525), key[j] + (uint32_t)j);
        j = j + 1 < n ? j + 1 : 0;
    }
    for (size_t k = N - 1; k > 0; k--) {
        i = mix(mt, i, UINT32_C(1566083941), (uint32_t)0 - i);
    }
    mt->word[0] = UINT32_C(0x80000000);
}

static inline uint32_t
twist(uint32_t high, uint32_t low, uint32_t far)
{
    uint32_t joined = (high & 0x80000000u) | (low & 0x7fffffffu);
    return far ^ (joined >> 1) ^ (joined & 1 ? 0x9908b0dfu : 0);
}

/* The next 624 words. */
static void
generate(mo_mt19937 *mt)
{
    uint32_t *word = mt->word;
    int i = 0;
    for (; i < N - M; i++) {
        word[i] = twist(word[i], word[i + 1], word[i + M]);
    }
    for (; i < N - 1; i++) {
        word[i] = twist(word[i], word[i + 1], word[i + M - N]);
    }
    word[N - 1] = twist(word[N - 1], word[0], word[M - 1]);
    mt->next = 0;
}

static inline uint32_t
next_word(mo_mt19937 *mt)
{
    if (mt->next >= N) {
        generate(mt);
    }
    uint32_t y = mt->word[mt->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

double
mo_mt19937_random(mo_mt19937 *mt)
{
    uint32_t a = next_word(mt) >> 5, b = next_word(mt) >> 6;
    return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}
