/* intrin.h - what MSVC's <intrin.h> declares and clang's leaves to MSVC.
 *
 * Only ever parsed, never linked. */
#include_next <intrin.h>

#include <immintrin.h>

void
__cpuidex(int registers[4], int leaf, int subleaf);

void
_ReadWriteBarrier(void);

__int64
_InterlockedIncrement64(__int64 volatile *counter);
