/* cpu.c - see cpu.h.
 *
 * CPUID says what the processor has; XGETBV, which registers the operating
 * system saves when it switches threads.  Bits: Intel 64 and IA-32
 * Architectures Software Developer's Manual, CPUID in vol. 2, XCR0 in vol. 1,
 * 13.3. */
#include "platform/cpu.h"

#include "compat.h"
#include "platform/fpenv.h"

#if MO_HAS_KERNELS

static bool
is_flagged(double a, double b)
{
    volatile double x = a, y = b, sum;
    mo_fp_begin();
    sum = x + y;
    (void)sum;
    return mo_fp_rounded();
}

static bool
has_fp_flags(void)
{
    mo_fpenv environment = mo_fpenv_enter();
    bool works = is_flagged(1.0, 0x1p-60) && !is_flagged(1.0, 0x1p-50);
    mo_fpenv_leave(&environment);
    return works;
}

#else

static bool
has_fp_flags(void)
{
    return false;
}

#endif

#if MO_X86_64

# define LEAF1_ECX_FMA (1u << 12)
# define LEAF1_ECX_OSXSAVE (1u << 27)
# define LEAF7_EBX_AVX2 (1u << 5)
# define LEAF7_EBX_AVX512F (1u << 16)
# define LEAF7_EBX_AVX512DQ (1u << 17)

# define XCR0_YMM 0x06u /* the lower and upper halves of ymm0..15 */
# define XCR0_ZMM 0xe0u /* mask registers, zmm0..15 and zmm16..31 */

/* "Auth" of AuthenticAMD.  8 MB in the third-level cache of a Zen 4 are summed
 * at 71 GB/s with fetching ahead and 84 without, 128 MB in memory at 24 and 30
 * (np.max: 86 and 32); on a Zen 3 it makes no difference. */
# define LEAF0_EBX_AMD UINT32_C(0x68747541)

static bool
has_all(uint64_t bits, uint64_t wanted)
{
    return (bits & wanted) == wanted;
}

mo_cpu
mo_cpu_detect(void)
{
    enum {
        EAX,
        EBX,
        ECX,
        EDX
    };
    uint32_t leaf0[4], leaf1[4], leaf7[4];
    mo_cpu cpu = {.fp_flags = has_fp_flags()};
    mo_cpuid(0, leaf0);
    mo_cpuid(1, leaf1);
    mo_cpuid(7, leaf7);
    cpu.fetches_well = leaf0[EBX] == LEAF0_EBX_AMD;
    if (has_all(leaf1[ECX], LEAF1_ECX_OSXSAVE)) {
        const uint64_t xcr0 = mo_xgetbv();
        cpu.avx2 = has_all(xcr0, XCR0_YMM) &&
                   has_all(leaf1[ECX], LEAF1_ECX_FMA) &&
                   has_all(leaf7[EBX], LEAF7_EBX_AVX2);
        cpu.avx512 =
            has_all(xcr0, XCR0_YMM | XCR0_ZMM) &&
            has_all(leaf7[EBX], LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ);
    }
    return cpu;
}

#else

mo_cpu
mo_cpu_detect(void)
{
    return (mo_cpu){.fp_flags = has_fp_flags()};
}

#endif
