/* attempts.h - an attempt for each number of levels, see kernels.h.
 *
 * Included by a kernel that has attempt(x, n, top, ahead, acc, levels), which
 * is inlined with the levels a constant.  No include guard. */
static bool
attempt2(const double *x, size_t n, int top, size_t ahead, mo_accumulator *acc)
{
    return attempt(x, n, top, ahead, acc, 2);
}

static bool
attempt3(const double *x, size_t n, int top, size_t ahead, mo_accumulator *acc)
{
    return attempt(x, n, top, ahead, acc, 3);
}

static bool
attempt4(const double *x, size_t n, int top, size_t ahead, mo_accumulator *acc)
{
    return attempt(x, n, top, ahead, acc, 4);
}

static bool
attempt5(const double *x, size_t n, int top, size_t ahead, mo_accumulator *acc)
{
    return attempt(x, n, top, ahead, acc, 5);
}
