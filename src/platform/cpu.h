/* cpu.h - which vector instructions this machine runs. */
#ifndef MO_PLATFORM_CPU_H
#define MO_PLATFORM_CPU_H

#include <stdbool.h>

/* True if both the processor has the instructions and the operating system
 * saves the registers they use. */
typedef struct {
    bool avx2;   /* with FMA, which every processor with AVX2 has */
    bool avx512; /* F and DQ */
    /* Whether the status register tells of rounding: it does on processors,
     * but not on all that imitate them (Valgrind). */
    bool fp_flags;
    /* Whether memory that is read in order arrives as fast without being asked
     * for in advance, and slower with. */
    bool fetches_well;
} mo_cpu;

mo_cpu
mo_cpu_detect(void);

#endif
