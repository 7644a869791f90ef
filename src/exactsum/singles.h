/* singles.h - singles by one level: plain.h makes a few doubles of them.
 *
 * Included by a kernel after plain.h; it gets singles (see kernels.h).
 * No include guard. */
static bool
singles(const float *x, size_t n, size_t ahead, mo_accumulator *acc)
{
    double parts[V_N];
    mo_fp_begin();
    V_STORE(parts, plain_row((const char *)x, n, sizeof *x, ahead, true));
    return conclude(parts, V_N, acc);
}
