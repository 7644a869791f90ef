/* few.c - see few.h. */
#include "compat.h" /* first: Python.h asks for all of POSIX */

#include "exactsum/few.h"

#include "platform/fpenv.h"

MO_STRICT_FLOATS

#if MO_HAS_KERNELS

/* What a kernel makes of more floats, and fewer that are left to no kernel. */
# define FEWEST (2 * MO_MAX_LANES)

static uint64_t
bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* s + e is the sum so far: (s, e) + x as in two_sum.h, where the additions to e
 * are compared with what they would be without rounding: of the first infinity or
 * NaN, rest is a NaN, which u - rest is then and e is not. */
static bool
add_up(const double *x, size_t n, double *sum)
{
    double s = 0.0, e = 0.0;
    uint64_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        const double t = s + x[i];
        const double from_x = t - s;
        const double rest = (s - (t - from_x)) + (x[i] - from_x);
        const double u = e + rest;
        lost |= bits_of(u - e) ^ bits_of(rest);
        lost |= bits_of(u - rest) ^ bits_of(e);
        s = t;
        e = u;
    }
    *sum = s + e;
    return lost << 1 == 0;
}

/* The items as few doubles with the same sum: how many, or 0. */
static size_t
condense(const mo_kernel *kernel, const void *x, size_t n, size_t size,
         size_t ahead, double *parts)
{
    if (n > FEWEST) {
        const mo_rows rows =
            size == sizeof(double) ? kernel->rows : kernel->rows_singles;
        const ptrdiff_t length = (ptrdiff_t)(n * size);
        const bool sure = rows(x, 1, n, length, ahead, parts);
        return sure ? 2 * (size_t)kernel->lanes : 0;
    }
    if (size == sizeof(double)) {
        memcpy(parts, x, n * size);
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        float single;
        memcpy(&single, (const char *)x + i * size, sizeof single);
        parts[i] = (double)single;
    }
    return n;
}

bool
mo_sum_few(const mo_kernel *kernel, const void *x, size_t n, size_t size,
           size_t ahead, double *sum)
{
    double parts[FEWEST];
    bool sure = false;
    if (n > 0 && n <= MO_FEW && kernel->lanes > 0) {
        const mo_fpenv environment = mo_fpenv_enter();
        const size_t count = condense(kernel, x, n, size, ahead, parts);
        sure = count > 0 && add_up(parts, count, sum);
        mo_fpenv_leave(&environment);
    }
    return sure;
}

#else

bool
mo_sum_few(const mo_kernel *kernel, const void *x, size_t n, size_t size,
           size_t ahead, double *sum)
{
    return false;
}

#endif
