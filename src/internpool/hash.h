/* hash.h - the keyed hash that places strings in the table.
 *
 * Up to MO_HASHED_BYTES: NH, the hash inside UMAC (Black, Halevi, Krawczyk,
 * Krovetz, Rogaway, CRYPTO '99), one multiplication for 8 bytes, finished by
 * multiply-shift (Dietzfelbinger, Hagerup, Katajainen, Penttonen, 1997).  For
 * any two strings chosen without knowledge of the key, the top 32 bits agree
 * with a chance below 2**-30, so floods of collisions cannot be prepared.
 * Longer strings: CPython's own keyed hash, which is cached in the str.
 *
 * Why not that one always: intern() of a fresh duplicate of 20 bytes takes 45
 * ns with it and 35 with NH (CPython 3.11, 2.8 GHz Xeon), of which 19 are the
 * loop and the call.
 *
 * Strings are exact and ready, see str.h.  Nothing here runs Python code but
 * mo_hash_key_init(). */
#ifndef MO_INTERNPOOL_HASH_H
#define MO_INTERNPOOL_HASH_H

#include "internpool/str.h"

#define MO_HASHED_BYTES 256

/* Secret, and the same for all pools of a process. */
typedef struct {
    uint32_t word[MO_HASHED_BYTES / 4];
    uint64_t length;     /* what each byte of length adds */
    uint64_t multiplier; /* odd */
} mo_hash_key;

/* Derives the key from CPython's secret, so that PYTHONHASHSEED governs it.
 * 0, or -1 with an exception set. */
int
mo_hash_key_init(mo_hash_key *key);

static inline uint64_t
mo_hash_nh(const uint32_t word[2], const char *eight_bytes)
{
    uint32_t low, high;
    memcpy(&low, eight_bytes, sizeof low);
    memcpy(&high, eight_bytes + sizeof low, sizeof high);
    low += word[0];
    high += word[1];
    return (uint64_t)low * high;
}

/* Universal are the upper bits of the product only.  Folding first keeps
 * arithmetic progressions from becoming clusters of neighbours. */
static inline uint64_t
mo_hash_finish(const mo_hash_key *key, uint64_t sum)
{
    return (sum ^ sum >> 32) * key->multiplier;
}

/* The hash of n <= MO_HASHED_BYTES bytes. */
static inline uint64_t
mo_hash_bytes(const mo_hash_key *key, const char *bytes, size_t n)
{
    const uint32_t *word = key->word;
    uint64_t sum = n * key->length;
    if (n < 8) {
        char padded[8] = {0};
        memcpy(padded, bytes, n);
        return mo_hash_finish(key, sum + mo_hash_nh(word, padded));
    }
    /* The last 8 bytes may overlap those before: no tail to handle. */
    const char *last = bytes + n - 8;
    for (; bytes < last; bytes += 8, word += 2) {
        sum += mo_hash_nh(word, bytes);
    }
    return mo_hash_finish(key, sum + mo_hash_nh(word, last));
}

static inline uint64_t
mo_hash_str(const mo_hash_key *key, PyObject *string)
{
    size_t n = mo_str_nbytes(string);
    if (MO_LIKELY(n <= MO_HASHED_BYTES)) {
        return mo_hash_bytes(key, PyUnicode_DATA(string), n);
    }
    return mo_hash_finish(key, (Py_uhash_t)PyUnicode_Type.tp_hash(string));
}

/* The same hash as of an equal str. */
static inline uint64_t
mo_hash_text(const mo_hash_key *key, const mo_text *text)
{
    size_t n = text->length * text->kind;
    if (MO_LIKELY(n <= MO_HASHED_BYTES)) {
        return mo_hash_bytes(key, text->data, n);
    }
    return mo_hash_finish(
        key, (Py_uhash_t)Py_HashBuffer(text->data, (Py_ssize_t)n));
}

#endif
