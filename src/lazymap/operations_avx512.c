/* operations_avx512.c - the loops of operations.h for AVX-512. */
#include "lazymap/operations.h"

#if MO_X86_64 && MO_HAS_TARGETS

# include <math.h>

static bool
usable(const mo_cpu *cpu)
{
    return cpu->avx512;
}

MO_TARGET_BEGIN("avx512f,avx512dq,avx512vl")

# define V_OPERATIONS mo_operations_avx512
# define V_NAME "avx512"
# include "lazymap/lanes.h"

MO_TARGET_END

#endif
