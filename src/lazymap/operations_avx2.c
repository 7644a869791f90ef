/* operations_avx2.c - the loops of operations.h for AVX2. */
#include "lazymap/operations.h"

#if MO_X86_64 && MO_HAS_TARGETS

# include <math.h>

static bool
usable(const mo_cpu *cpu)
{
    return cpu->avx2;
}

MO_TARGET_BEGIN("avx2")

# define V_OPERATIONS mo_operations_avx2
# define V_NAME "avx2"
# include "lazymap/lanes.h"

MO_TARGET_END

#endif
