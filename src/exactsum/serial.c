/* serial.c - see serial.h. */
#include "exactsum/serial.h"

#include <string.h>

#define FLAG_NAN 1
#define FLAG_PLUS_INF 2
#define FLAG_MINUS_INF 4

#define VERSION_AT 0
#define FLAGS_AT 1
#define COUNT_AT 2
#define CHUNKS_AT 10
#define TOP_AT (CHUNKS_AT + 4 * MO_ACCUMULATOR_TOP)
#define HASH_AT (TOP_AT + 8)

static void
store(uint8_t *out, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t
load(const uint8_t *bytes, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static int64_t
load_signed(const uint8_t *bytes)
{
    uint64_t bits = load(bytes, 8);
    int64_t value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* FNV-1a, 64 bits: each step is a bijection of the hash, so that a change of
 * any one byte always shows.  It finds damage, not forgery. */
static uint64_t
fnv1a(const uint8_t *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void
mo_serial_store(const mo_sum *sum, uint8_t out[MO_SERIAL_SIZE])
{
    mo_accumulator total = sum->total;
    mo_accumulator_normalize(&total);
    out[VERSION_AT] = MO_SERIAL_VERSION;
    out[FLAGS_AT] = (uint8_t)((total.has_nan ? FLAG_NAN : 0) |
                              (total.has_plus_inf ? FLAG_PLUS_INF : 0) |
                              (total.has_minus_inf ? FLAG_MINUS_INF : 0));
    store(out + COUNT_AT, (uint64_t)sum->count, 8);
    for (int i = 0; i < MO_ACCUMULATOR_TOP; i++) {
        store(out + CHUNKS_AT + 4 * i, (uint64_t)total.chunk[i], 4);
    }
    store(out + TOP_AT, (uint64_t)total.chunk[MO_ACCUMULATOR_TOP], 8);
    store(out + HASH_AT, fnv1a(out, HASH_AT), 8);
}

const char *
mo_serial_load(const uint8_t *bytes, size_t size, mo_sum *sum)
{
    if (size >= 1 && bytes[VERSION_AT] != MO_SERIAL_VERSION) {
        return "its version is not known to this memopt";
    }
    if (size != MO_SERIAL_SIZE) {
        return "its size is wrong";
    }
    if (load(bytes + HASH_AT, 8) != fnv1a(bytes, HASH_AT)) {
        return "its bytes are damaged";
    }
    uint8_t flags = bytes[FLAGS_AT];
    int64_t top = load_signed(bytes + TOP_AT);
    if (flags & ~(FLAG_NAN | FLAG_PLUS_INF | FLAG_MINUS_INF)) {
        return "its flags are not known";
    }
    if (top < -MO_ACCUMULATOR_TOP_LIMIT || top >= MO_ACCUMULATOR_TOP_LIMIT) {
        return "its sum is out of range";
    }
    mo_sum_init(sum);
    sum->total.has_nan = (flags & FLAG_NAN) != 0;
    sum->total.has_plus_inf = (flags & FLAG_PLUS_INF) != 0;
    sum->total.has_minus_inf = (flags & FLAG_MINUS_INF) != 0;
    sum->count = load_signed(bytes + COUNT_AT);
    for (int i = 0; i < MO_ACCUMULATOR_TOP; i++) {
        sum->total.chunk[i] = (int64_t)load(bytes + CHUNKS_AT + 4 * i, 4);
    }
    sum->total.chunk[MO_ACCUMULATOR_TOP] = top;
    return NULL;
}
