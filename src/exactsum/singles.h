/* singles.h - singles by one level: plain.h makes a few doubles of them.
 *
 * Included by a kernel after plain.h; it gets singles (see kernels.h). */
static bool
singles(const float *x, size_t n, mo_accumulator *acc)
{
    double parts[V_N];
    mo_fp_begin();
    V_STORE(parts, plain_row((const char *)x, n, sizeof *x));
    return conclude(parts, V_N, acc);
}
