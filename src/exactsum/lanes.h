/* lanes.h - what the parts of a kernel share: loads, and the bits of a vector.
 *
 * Included, before the parts, by one file for each instruction set, which
 * defines
 *     V_T           vector of V_N doubles, V_N a power of two
 *     V_SET1(a)     each lane a
 *     V_LOAD(p)     from double *p, any alignment;  V_STORE(p, v)  to it
 *     V_LOAD_SINGLES(p)  from float *p, widened
 *     V_ADD, V_SUB  lane by lane, rounded to nearest
 * No include guard. */

/* Doubles of a cache line. */
#define LINE 8

/* Bytes from what is read to what is fetched, of each of several rows: columns
 * of 4000 x 4000 doubles in 10.7 ms, 17 without, a plain sum taking 10.8 (AVX2,
 * Zen 3). */
#define NEAR 512

/* Items are doubles or singles, which the constant `size` tells. */
static MO_ALWAYS_INLINE V_T
load(const char *p, const size_t size)
{
    return size == sizeof(double)
               ? V_LOAD((const double *)(const void *)p)
               : V_LOAD_SINGLES((const float *)(const void *)p);
}

/* n < V_N of them, and zeros. */
static MO_ALWAYS_INLINE V_T
load_some(const char *p, size_t n, const size_t size)
{
    char padded[V_N * sizeof(double)] = {0};
    memcpy(padded, p, n * size);
    return load(padded, size);
}

/* The bits of all lanes, ORed. */
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

/* Ends what mo_fp_begin() began: *acc += the n parts, if all was exact. */
static bool
conclude(const double *parts, size_t n, mo_accumulator *acc)
{
    MO_KEEP_IN_MEMORY(parts);
    if (mo_fp_rounded()) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(parts[i])) {
            return false;
        }
    }
    mo_accumulator_add_f64(acc, parts, n, sizeof parts[0]);
    return true;
}
