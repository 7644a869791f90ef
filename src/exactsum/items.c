/* items.c - see items.h. */
#include "compat.h" /* first: Python.h asks for all of POSIX */

#include "exactsum/items.h"

/* A contiguous run is summed in place if it is this long; shorter ones are
 * packed together.  Rows of 128 doubles of a wider matrix take 0.9 ns an item
 * packed and 1.4 in place, of 256 both 0.9, of 400 1.25 and 0.7 (Ice Lake
 * Xeon, AVX-512). */
#define DIRECT_BYTES 2048

/* Integers summed at once: 2**31 of 32 bits fit into 63. */
#define INTEGER_BATCH ((size_t)1 << 31)

/* --- packing ---------------------------------------------------------- */

static MO_ALWAYS_INLINE void
pack_items(char *out, const char *p, size_t n, ptrdiff_t stride,
           const size_t size, const bool swapped)
{
    for (size_t i = 0; i < n; i++, p += stride, out += size) {
        uint64_t v8;
        uint32_t v4;
        uint16_t v2;
        switch (size) {
            case 1:
                *out = *p;
                break;
            case 2:
                memcpy(&v2, p, sizeof v2);
                v2 = swapped ? MO_SWAP_BYTES_16(v2) : v2;
                memcpy(out, &v2, sizeof v2);
                break;
            case 4:
                memcpy(&v4, p, sizeof v4);
                v4 = swapped ? MO_SWAP_BYTES_32(v4) : v4;
                memcpy(out, &v4, sizeof v4);
                break;
            case 8:
                memcpy(&v8, p, sizeof v8);
                v8 = swapped ? MO_SWAP_BYTES_64(v8) : v8;
                memcpy(out, &v8, sizeof v8);
                break;
        }
    }
}

/* A loop for each size: the constant arguments are all that tells them apart. */
static void
pack(mo_item item, char *out, const char *p, size_t n, ptrdiff_t stride)
{
    const bool swapped = item.swapped;
    switch (item.size) {
        case 1:
            pack_items(out, p, n, stride, 1, false);
            break;
        case 2:
            pack_items(out, p, n, stride, 2, swapped);
            break;
        case 4:
            pack_items(out, p, n, stride, 4, swapped);
            break;
        default:
            pack_items(out, p, n, stride, 8, swapped);
            break;
    }
}

/* --- summing what lies packed ----------------------------------------- */

static void
add_floats(mo_intake *intake, const char *p, size_t n)
{
    switch (intake->item.size) {
        case 2:
            mo_accumulator_add_f16(intake->total, p, n, 2);
            break;
        case 4:
            mo_ladder_add_singles(intake->ladder,
                                  (const float *)(const void *)p, n,
                                  intake->total);
            break;
        default:
            mo_ladder_add(intake->ladder, (const double *)(const void *)p, n,
                          intake->total);
            break;
    }
}

/* The sum of n <= INTEGER_BATCH integers; loops that compilers vectorize. */
#define DEFINE_SUM(name, type, term)                \
    static int64_t name(const char *p, size_t n)    \
    {                                               \
        int64_t sum = 0;                            \
        for (size_t i = 0; i < n; i++) {            \
            type x;                                 \
            memcpy(&x, p + i * sizeof x, sizeof x); \
            sum += term;                            \
        }                                           \
        return sum;                                 \
    }

DEFINE_SUM(sum_i8, int8_t, x)
DEFINE_SUM(sum_i16, int16_t, x)
DEFINE_SUM(sum_i32, int32_t, x)
DEFINE_SUM(sum_i64_high, int64_t, x >> 32)
DEFINE_SUM(sum_u8, uint8_t, x)
DEFINE_SUM(sum_u16, uint16_t, x)
DEFINE_SUM(sum_u32, uint32_t, x)
DEFINE_SUM(sum_u64_high, uint64_t, (int64_t)(x >> 32))
DEFINE_SUM(sum_64_low, uint64_t, (int64_t)(x & 0xffffffff))
DEFINE_SUM(sum_b8, uint8_t, x != 0)

typedef int64_t (*integer_sum)(const char *p, size_t n);

/* By kind and the logarithm of the size; of 64 bits, the high halves. */
static const integer_sum integer_sums[][4] = {
    [MO_ITEM_SIGNED] = {sum_i8, sum_i16, sum_i32, sum_i64_high},
    [MO_ITEM_UNSIGNED] = {sum_u8, sum_u16, sum_u32, sum_u64_high},
    [MO_ITEM_BOOL] = {sum_b8},
};

static void
add_integers(mo_intake *intake, const char *p, size_t n)
{
    const mo_item item = intake->item;
    const int log_size = (item.size > 1) + (item.size > 2) + (item.size > 4);
    const integer_sum sum = integer_sums[item.kind][log_size];
    while (n > 0) {
        size_t count = n < INTEGER_BATCH ? n : INTEGER_BATCH;
        if (item.size == 8) {
            const double of = 0x1p84; /* whose last bit weighs 2**32 */
            mo_accumulator_add_ulps(intake->total, sum(p, count), of);
            mo_accumulator_add_i64(intake->total, sum_64_low(p, count));
        }
        else {
            mo_accumulator_add_i64(intake->total, sum(p, count));
        }
        p += count * item.size;
        n -= count;
    }
}

static void
add_packed(mo_intake *intake, const char *p, size_t n)
{
    if (intake->item.kind == MO_ITEM_FLOAT) {
        add_floats(intake, p, n);
    }
    else {
        add_integers(intake, p, n);
    }
}

static void
add_piece(mo_intake *intake)
{
    add_packed(intake, intake->piece.bytes,
               intake->packed / intake->item.size);
    intake->packed = 0;
}

/* --- the intake ------------------------------------------------------- */

void
mo_intake_init(mo_intake *intake, mo_ladder *ladder, mo_item item,
               mo_accumulator *total)
{
    intake->item = item;
    intake->total = total;
    intake->packed = 0; /* the piece is left as it is */
    intake->ladder = ladder;
}

void
mo_intake_add(mo_intake *intake, const char *first, size_t n, ptrdiff_t stride)
{
    const size_t size = intake->item.size;
    if (stride == (ptrdiff_t)size && !intake->item.swapped &&
        n * size >= DIRECT_BYTES) {
        add_packed(intake, first, n);
        return;
    }
    while (n > 0) {
        size_t room = (MO_PIECE_BYTES - intake->packed) / size;
        size_t count = n < room ? n : room;
        pack(intake->item, intake->piece.bytes + intake->packed, first, count,
             stride);
        intake->packed += count * size;
        if (count == room) {
            add_piece(intake);
        }
        first += (ptrdiff_t)count * stride;
        n -= count;
    }
}

void
mo_intake_finish(mo_intake *intake)
{
    add_piece(intake);
}
