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
/* a + 1 * b, the same number: some processors add and multiply in separate
 * units, so that it pays to write some additions as the latter (measured on
 * a Zen 4: 40 instead of 36 GB/s; no difference on an Ice Lake Xeon). */
# define V_ADD(a, b) _mm256_fmadd_pd(b, _mm256_set1_pd(1.0), a)
# define V_SUB(a, b) _mm256_sub_pd(a, b)
# define V_OR(a, b) _mm256_or_pd(a, b)
# define V_XOR(a, b) _mm256_xor_pd(a, b)
# include "exactsum/extraction.h"
# include "exactsum/two_sum.h"

MO_TARGET_END

static bool
usable(const mo_cpu *cpu)
{
    return cpu->avx2;
}

const mo_kernel mo_kernel_avx2 = {
    .name = "avx2",
    .usable = usable,
    .lanes = 4,
    .singles = singles,
    .attempt = {NULL, NULL, attempt2, attempt3, attempt4, attempt5},
    .columns = {NULL, NULL, columns2, columns3},
    .rows = rows,
};

#endif
