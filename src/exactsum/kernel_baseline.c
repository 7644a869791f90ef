/* kernel_baseline.c - the kernel for what the architecture guarantees.
 *
 * extraction.h on the two lanes of SSE2, which all x86-64 processors have, or
 * of NEON, which all AArch64 ones do. */
#include "compat.h"
#include "exactsum/kernels.h"

#if MO_HAS_KERNELS

# include <math.h>

# include "platform/fpenv.h"

MO_STRICT_FLOATS

# if MO_X86_64

#  include <emmintrin.h>

#  define V_T __m128d
#  define V_SET1(a) _mm_set1_pd(a)
#  define V_LOAD(p) _mm_loadu_pd(p)
#  define V_LOAD_SINGLES(p) \
      _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(p))))
#  define V_STORE(p, v) _mm_storeu_pd(p, v)
#  define V_ADD(a, b) _mm_add_pd(a, b)
#  define V_SUB(a, b) _mm_sub_pd(a, b)
#  define V_OR(a, b) _mm_or_pd(a, b)
#  define V_XOR(a, b) _mm_xor_pd(a, b)
#  define V_BITS(v) _mm_castpd_si128(v)
#  define V_ADD_BITS(a, b) \
      _mm_castsi128_pd(_mm_add_epi64(V_BITS(a), V_BITS(b)))
#  define V_SUB_BITS(a, b) \
      _mm_castsi128_pd(_mm_sub_epi64(V_BITS(a), V_BITS(b)))

# elif MO_AARCH64

#  include <arm_neon.h>

#  define V_BITS(v) vreinterpretq_u64_f64(v)
#  define V_T float64x2_t
#  define V_SET1(a) vdupq_n_f64(a)
/* As bytes: a double may not be aligned as one. */
#  define V_LOAD(p) vreinterpretq_f64_u8(vld1q_u8((const uint8_t *)(p)))
#  define V_LOAD_SINGLES(p) \
      vcvt_f64_f32(vreinterpret_f32_u8(vld1_u8((const uint8_t *)(p))))
#  define V_STORE(p, v) vst1q_f64(p, v)
#  define V_ADD(a, b) vaddq_f64(a, b)
#  define V_SUB(a, b) vsubq_f64(a, b)
#  define V_OR(a, b) vreinterpretq_f64_u64(vorrq_u64(V_BITS(a), V_BITS(b)))
#  define V_XOR(a, b) vreinterpretq_f64_u64(veorq_u64(V_BITS(a), V_BITS(b)))
#  define V_ADD_BITS(a, b) \
      vreinterpretq_f64_u64(vaddq_u64(V_BITS(a), V_BITS(b)))
#  define V_SUB_BITS(a, b) \
      vreinterpretq_f64_u64(vsubq_u64(V_BITS(a), V_BITS(b)))

# endif

# define V_N 2
# include "exactsum/lanes.h"
# include "exactsum/plain.h"
# include "exactsum/singles.h"
# include "exactsum/extraction.h"
# include "exactsum/two_sum.h"
# include "exactsum/side_by_side.h"

static bool
usable(const mo_cpu *cpu)
{
    return cpu->fp_flags;
}

const mo_kernel mo_kernel_baseline = {
    .name = "baseline",
    .usable = usable,
    .lanes = V_N,
    .singles = singles,
    .attempt = {NULL, NULL, attempt2, attempt3, attempt4, attempt5},
    .columns = {NULL, columns1, columns2, columns3},
    .columns_singles = {NULL, NULL, columns2_singles, columns3_singles},
    .rows = rows,
    .rows_singles = rows_singles,
};

#endif
