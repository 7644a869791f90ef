/* fpenv.h - a floating-point environment in which IEEE 754 holds.
 *
 * Other code of the process may have set another rounding mode for the
 * thread, or the flushing of subnormals to zero.  Between mo_fpenv_enter()
 * and mo_fpenv_leave() results are rounded to nearest, subnormals are numbers
 * and nothing traps; leaving puts back what entering found, the flags of past
 * exceptions included.  Enter once around all arithmetic of a call, on each
 * thread of it; the struct is the caller's. */
#ifndef MO_PLATFORM_FPENV_H
#define MO_PLATFORM_FPENV_H

#include "compat.h"

#if !MO_X86_64
# include <fenv.h>
#endif

#if MO_X86_64

# include <xmmintrin.h>

/* MXCSR: all exceptions masked, none seen, round to nearest. */
# define MO_MXCSR_DEFAULT 0x1f80u

/* Inexact, underflow, overflow, invalid; not "denormal", which is exact. */
# define MO_MXCSR_ROUNDED 0x39u

typedef unsigned mo_fpenv;

static inline mo_fpenv
mo_fpenv_enter(void)
{
    mo_fpenv saved = _mm_getcsr();
    _mm_setcsr(MO_MXCSR_DEFAULT);
    MO_COMPILER_BARRIER();
    return saved;
}

static inline void
mo_fpenv_leave(const mo_fpenv *saved)
{
    MO_COMPILER_BARRIER();
    _mm_setcsr(*saved);
}

/* Forgets what mo_fp_rounded() would tell; only after mo_fpenv_enter(). */
static inline void
mo_fp_begin(void)
{
    _mm_setcsr(MO_MXCSR_DEFAULT);
    MO_COMPILER_BARRIER();
}

/* Whether any operation since mo_fp_begin() gave other than its true result:
 * on numbers loaded from memory after that and stored to it before this. */
static inline bool
mo_fp_rounded(void)
{
    MO_COMPILER_BARRIER();
    return (_mm_getcsr() & MO_MXCSR_ROUNDED) != 0;
}

#elif MO_AARCH64

/* FPCR 0 is the default of the architecture; FPSR keeps the flags: invalid,
 * overflow, underflow, inexact. */
# define MO_FPSR_ROUNDED 0x1du

typedef struct {
    uint64_t fpcr, fpsr;
} mo_fpenv;

static inline mo_fpenv
mo_fpenv_enter(void)
{
    mo_fpenv saved = {MO_READ_FPCR(), MO_READ_FPSR()};
    MO_WRITE_FPCR(0);
    MO_COMPILER_BARRIER();
    return saved;
}

static inline void
mo_fpenv_leave(const mo_fpenv *saved)
{
    MO_COMPILER_BARRIER();
    MO_WRITE_FPCR(saved->fpcr);
    MO_WRITE_FPSR(saved->fpsr);
}

static inline void
mo_fp_begin(void)
{
    MO_WRITE_FPSR(0);
    MO_COMPILER_BARRIER();
}

static inline bool
mo_fp_rounded(void)
{
    MO_COMPILER_BARRIER();
    return (MO_READ_FPSR() & MO_FPSR_ROUNDED) != 0;
}

#else

/* No kernel uses floating-point arithmetic here: there is nothing to set. */
typedef int mo_fpenv;

static inline mo_fpenv
mo_fpenv_enter(void)
{
    return 0;
}

static inline void
mo_fpenv_leave(const mo_fpenv *saved)
{
    (void)saved;
}

#endif

/* --- Flags alone ------------------------------------------------------------ */

/* Arithmetic between mo_fpflags_clear() and mo_fpflags_restore() rounds as it
 * would without them.  The second puts back the flags that the first found,
 * and tells whether an operation in between divided by zero, overflowed,
 * underflowed or was invalid.  (fenv.h does the same, but on x86-64 with the
 * x87 too, which takes 0.2 us and computes nothing here.) */
#if MO_X86_64

# define MO_MXCSR_FLAGS 0x3fu
# define MO_MXCSR_RAISED 0x1du /* all of them but inexact and denormal */

typedef unsigned mo_fpflags;

static inline mo_fpflags
mo_fpflags_clear(void)
{
    mo_fpflags saved = _mm_getcsr();
    _mm_setcsr(saved & ~MO_MXCSR_FLAGS);
    MO_COMPILER_BARRIER();
    return saved;
}

static inline bool
mo_fpflags_restore(const mo_fpflags *saved)
{
    MO_COMPILER_BARRIER();
    bool raised = (_mm_getcsr() & MO_MXCSR_RAISED) != 0;
    _mm_setcsr(*saved);
    return raised;
}

#else

typedef fenv_t mo_fpflags;

static inline mo_fpflags
mo_fpflags_clear(void)
{
    mo_fpflags saved;
    (void)feholdexcept(&saved);
    return saved;
}

static inline bool
mo_fpflags_restore(const mo_fpflags *saved)
{
    const int raising = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW;
    bool raised = fetestexcept(raising) != 0;
    (void)fesetenv(saved);
    return raised;
}

#endif

#endif
