/* hash.c - the key of hash.h. */
#include "internpool/hash.h"

/* A pseudo-random number that only this process knows: CPython's hash, keyed
 * with its secret, of a text that names the number.  0, or -1 with an
 * exception set. */
static int
secret(int which, uint32_t *value)
{
    PyObject *name = PyUnicode_FromFormat("memopt hash key %d", which);
    if (name == NULL) {
        return -1;
    }
    *value = (uint32_t)PyObject_Hash(name);
    Py_DECREF(name);
    return 0;
}

static int
wide_secret(int which, uint64_t *value)
{
    uint32_t high, low;
    if (secret(2 * which, &high) < 0 || secret(2 * which + 1, &low) < 0) {
        return -1;
    }
    *value = (uint64_t)high << 32 | low;
    return 0;
}

int
mo_hash_key_init(mo_hash_key *key)
{
    const int words = sizeof key->word / sizeof key->word[0];
    for (int i = 0; i < words; i++) {
        if (secret(i, &key->word[i]) < 0) {
            return -1;
        }
    }
    if (wide_secret(words, &key->length) < 0 ||
        wide_secret(words + 1, &key->multiplier) < 0) {
        return -1;
    }
    key->multiplier |= 1;
    return 0;
}
