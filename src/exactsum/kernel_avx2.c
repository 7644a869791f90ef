/* kernel_avx2.c - the kernel for AVX2 with FMA: extraction.h on four lanes. */
#include "compat.h"
#include "exactsum/kernels.h"

#if MO_X86_64

# include <immintrin.h>
# include <math.h>

# include "platform/fpenv.h"

MO_STRICT_FLOATS
MO_TARGET_BEGIN("avx2,fma")

# define V_T __m256d
# define V_N 4
# define V_SET1(a) _mm256_set1_pd(a)
# define V_LOAD(p) _mm256_loadu_pd(p)
# define V_LOAD_SINGLES(p) _mm256_cvtps_pd(_mm_loadu_ps(p))
# define V_STORE(p, v) _mm256_storeu_pd(p, v)
/* Not a + 1 * b, for the sake of processors that add and multiply in separate
 * units: 18 instead of 26 GB/s on an Ice Lake Xeon, and 40 instead of 36 on a
 * Zen 4, which has AVX-512 anyway. */
# define V_ADD(a, b) _mm256_add_pd(a, b)
# define V_SUB(a, b) _mm256_sub_pd(a, b)
# define V_OR(a, b) _mm256_or_pd(a, b)
# define V_XOR(a, b) _mm256_xor_pd(a, b)
# define V_BITS(v) _mm256_castpd_si256(v)
# define V_ADD_BITS(a, b) \
     _mm256_castsi256_pd(_mm256_add_epi64(V_BITS(a), V_BITS(b)))
# define V_SUB_BITS(a, b) \
     _mm256_castsi256_pd(_mm256_sub_epi64(V_BITS(a), V_BITS(b)))
# include "exactsum/extraction.h"
# include "exactsum/two_sum.h"

MO_TARGET_END

static bool
usable(const mo_cpu *cpu)
{
    return cpu->avx2 && cpu->fp_flags;
}

const mo_kernel mo_kernel_avx2 = {
    .name = "avx2",
    .usable = usable,
    .lanes = 4,
    .singles = singles,
    .attempt = {NULL, NULL, attempt2, attempt3, attempt4, attempt5},
    .columns = {NULL, columns1, columns2, columns3},
    .rows = rows,
};

#endif
