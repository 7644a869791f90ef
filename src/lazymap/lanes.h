/* lanes.h - the loops of operations.h, for one instruction set.
 *
 * A template: V_OPERATIONS is what to call the table, V_NAME its name, and
 * usable() says whether a processor can run it.  The compiler does the rest,
 * since each kernel is the plain loop that it vectorises: it computes all
 * items, gathers in `bad` whether any was out of range, and looks at that
 * once.  Without contraction (see setup.py) the same C gives the same bits
 * on any processor.  No arithmetic here depends on undefined behaviour.
 * No include guard. */

/* static bool NAME(...): `out` and the operands a and b as lanes of types. */
#define KERNEL(NAME, OUT, IN, ...)                                \
    static bool NAME(void *out_, const void *const *in, size_t n) \
    {                                                             \
        OUT *restrict out = out_;                                 \
        const IN *a = in[0];                                      \
        __VA_ARGS__                                               \
    }

#define KERNEL2(NAME, OUT, IN, ...) \
    KERNEL(NAME, OUT, IN, const IN *b = in[1]; __VA_ARGS__)

/* The operations that are right for every item. */
#define ALWAYS(NAME, OUT, IN, EXPRESSION) \
    KERNEL(NAME, OUT, IN, {               \
        for (size_t i = 0; i < n; i++) {  \
            out[i] = (EXPRESSION);        \
        }                                 \
        return true;                      \
    })

#define ALWAYS2(NAME, OUT, IN, EXPRESSION) \
    KERNEL2(NAME, OUT, IN, {               \
        for (size_t i = 0; i < n; i++) {   \
            out[i] = (EXPRESSION);         \
        }                                  \
        return true;                       \
    })

/* --- int: + - * ----------------------------------------------------------- */

/* A sum has overflowed if its sign is neither operand's. */
KERNEL2(int_add, int64_t, int64_t, {
    uint64_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = (uint64_t)a[i], y = (uint64_t)b[i], sum = x + y;
        out[i] = (int64_t)sum;
        bad |= (x ^ sum) & (y ^ sum);
    }
    return bad >> 63 == 0;
})

KERNEL2(int_subtract, int64_t, int64_t, {
    uint64_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = (uint64_t)a[i], y = (uint64_t)b[i], difference = x - y;
        out[i] = (int64_t)difference;
        bad |= (x ^ y) & (x ^ difference);
    }
    return bad >> 63 == 0;
})

/* The least number such that all are in -2**it <= a[i] < 2**it. */
static inline unsigned
most_bits(const int64_t *a, size_t n)
{
    uint64_t seen = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        seen |= (uint64_t)(a[i] < 0 ? ~a[i] : a[i]);
    }
    for (unsigned half = 32; half > 0; half /= 2) {
        bits += seen >> bits >> half != 0 ? half : 0;
    }
    return bits + (seen >> bits != 0);
}

/* Factors whose bits are few enough, the usual case, need no check each. */
KERNEL2(int_multiply, int64_t, int64_t, {
    bool bad = false;
    if (most_bits(a, n) + most_bits(b, n) < 63) {
        for (size_t i = 0; i < n; i++) {
            out[i] = a[i] * b[i];
        }
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        bad |= mo_multiply_overflows(a[i], b[i], &out[i]);
    }
    return !bad;
})

/* --- int: // % ** ---------------------------------------------------------- */

static inline bool
is_bad_divisor(int64_t a, int64_t b)
{
    return b == 0 || (b == -1 && a == INT64_MIN);
}

/* C truncates, Python rounds down. */
static inline int64_t
floor_divide(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return quotient - ((a % b != 0) & ((a ^ b) < 0));
}

static inline int64_t
floor_modulo(int64_t a, int64_t b)
{
    int64_t rest = a % b;
    return rest + (((rest != 0) & ((a ^ b) < 0)) ? b : 0);
}

KERNEL2(int_floor_divide, int64_t, int64_t, {
    for (size_t i = 0; i < n; i++) {
        if (is_bad_divisor(a[i], b[i])) {
            return false;
        }
        out[i] = floor_divide(a[i], b[i]);
    }
    return true;
})

KERNEL2(int_modulo, int64_t, int64_t, {
    for (size_t i = 0; i < n; i++) {
        if (is_bad_divisor(a[i], b[i])) {
            return false;
        }
        out[i] = floor_modulo(a[i], b[i]);
    }
    return true;
})

/* base ** exponent by squaring; false if it overflows.  A square is computed
 * only if it is needed: the last one may overflow where the power does not. */
static bool
int_power_of(int64_t base, int64_t exponent, int64_t *power)
{
    *power = 1;
    for (;;) {
        if ((exponent & 1) && mo_multiply_overflows(*power, base, power)) {
            return false;
        }
        exponent >>= 1;
        if (exponent == 0) {
            return true;
        }
        if (mo_multiply_overflows(base, base, &base)) {
            return false;
        }
    }
}

/* A negative exponent makes a float, and is left to Python. */
KERNEL2(int_power, int64_t, int64_t, {
    for (size_t i = 0; i < n; i++) {
        if (b[i] < 0 || !int_power_of(a[i], b[i], &out[i])) {
            return false;
        }
    }
    return true;
})

/* --- int: bits -------------------------------------------------------------- */

KERNEL2(int_shift_left, int64_t, int64_t, {
    for (size_t i = 0; i < n; i++) {
        uint64_t count = (uint64_t)b[i]; /* huge if it is negative */
        if (count > 62) {
            return false;
        }
        int64_t limit = INT64_MAX >> count;
        if (a[i] > limit || a[i] < -limit) {
            return false;
        }
        out[i] = a[i] * (INT64_C(1) << count);
    }
    return true;
})

/* Rounds down, whether or not the compiler's >> does. */
static inline int64_t
floor_shift(int64_t a, int64_t count)
{
    int64_t shifted = (int64_t)((uint64_t)(a < 0 ? ~a : a) >> count);
    return a < 0 ? ~shifted : shifted;
}

KERNEL2(int_shift_right, int64_t, int64_t, {
    for (size_t i = 0; i < n; i++) {
        if (b[i] < 0) {
            return false;
        }
        out[i] = floor_shift(a[i], b[i] < 63 ? b[i] : 63);
    }
    return true;
})

ALWAYS2(int_and, int64_t, int64_t, a[i] & b[i])
ALWAYS2(int_or, int64_t, int64_t, a[i] | b[i])
ALWAYS2(int_xor, int64_t, int64_t, a[i] ^ b[i])
ALWAYS(int_invert, int64_t, int64_t, ~a[i])

/* --- int: of one operand ----------------------------------------------------- */

/* Only the least int64_t has no negative. */
KERNEL(int_negate, int64_t, int64_t, {
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        bad |= a[i] == INT64_MIN;
        out[i] = (int64_t)(0 - (uint64_t)a[i]);
    }
    return !bad;
})

KERNEL(int_absolute, int64_t, int64_t, {
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        bad |= a[i] == INT64_MIN;
        out[i] = a[i] < 0 ? (int64_t)(0 - (uint64_t)a[i]) : a[i];
    }
    return !bad;
})

ALWAYS(int_same, int64_t, int64_t, a[i])
ALWAYS(int_truth, int64_t, int64_t, a[i] != 0)
ALWAYS(int_not, int64_t, int64_t, a[i] == 0)

/* --- float -------------------------------------------------------------------- */

ALWAYS2(float_add, double, double, a[i] + b[i])
ALWAYS2(float_subtract, double, double, a[i] - b[i])
ALWAYS2(float_multiply, double, double, a[i] * b[i])

KERNEL2(float_divide, double, double, {
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        bad |= b[i] == 0.0;
        out[i] = a[i] / b[i];
    }
    return !bad;
})

/* CPython's own: Objects/floatobject.c, float_rem. */
static inline double
float_remainder(double a, double b)
{
    double rest = fmod(a, b);
    if (rest == 0.0) {
        return copysign(0.0, b);
    }
    return (b < 0) != (rest < 0) ? rest + b : rest;
}

/* The same file, _float_div_mod. */
static inline double
float_floor_quotient(double a, double b)
{
    double rest = fmod(a, b);
    double quotient = (a - rest) / b;
    if (rest != 0.0 && (b < 0) != (rest < 0)) {
        quotient -= 1.0;
    }
    if (quotient == 0.0) {
        return copysign(0.0, a / b);
    }
    double rounded = floor(quotient);
    return quotient - rounded > 0.5 ? rounded + 1.0 : rounded;
}

KERNEL2(float_floor_divide, double, double, {
    for (size_t i = 0; i < n; i++) {
        if (b[i] == 0.0) {
            return false;
        }
        out[i] = float_floor_quotient(a[i], b[i]);
    }
    return true;
})

KERNEL2(float_modulo, double, double, {
    for (size_t i = 0; i < n; i++) {
        if (b[i] == 0.0) {
            return false;
        }
        out[i] = float_remainder(a[i], b[i]);
    }
    return true;
})

ALWAYS(float_negate, double, double, -a[i])
ALWAYS(float_absolute, double, double, fabs(a[i]))
ALWAYS(float_same, double, double, a[i])
ALWAYS(float_truth, int64_t, double, a[i] != 0.0)
ALWAYS(float_not, int64_t, double, a[i] == 0.0)

/* IEEE 754 rounds a square root correctly: every libm gives the same. */
KERNEL(float_square_root, double, double, {
    bool bad = false;
    for (size_t i = 0; i < n; i++) {
        bad |= a[i] < 0.0;
        out[i] = sqrt(a[i]);
    }
    return !bad;
})

/* --- float to int ---------------------------------------------------------------- */

/* Half to even in any rounding mode, as float.__round__ does it. */
static inline double
round_half_even(double x)
{
    double rounded = round(x);
    return fabs(x - rounded) == 0.5 ? 2.0 * round(x / 2.0) : rounded;
}

/* 2**63 is the least double that does not fit; NaN fits nowhere. */
#define ROUNDING(NAME, EXPRESSION)           \
    KERNEL(NAME, int64_t, double, {          \
        for (size_t i = 0; i < n; i++) {     \
            double rounded = (EXPRESSION);   \
            if (!(fabs(rounded) < 0x1p63)) { \
                return false;                \
            }                                \
            out[i] = (int64_t)rounded;       \
        }                                    \
        return true;                         \
    })

ROUNDING(float_truncate, a[i])
ROUNDING(float_floor, floor(a[i]))
ROUNDING(float_ceil, ceil(a[i]))
ROUNDING(float_round, round_half_even(a[i]))

/* --- Comparisons -------------------------------------------------------------------- */

#define COMPARISON(NAME, OPERATOR)                            \
    ALWAYS2(int_##NAME, int64_t, int64_t, a[i] OPERATOR b[i]) \
    ALWAYS2(float_##NAME, int64_t, double, a[i] OPERATOR b[i])

COMPARISON(equal, ==)
COMPARISON(not_equal, !=)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)

/* --- where(condition, a, b) ------------------------------------------------------------ */

#define CHOICE(NAME, TYPE)                                        \
    static bool NAME(void *out_, const void *const *in, size_t n) \
    {                                                             \
        TYPE *restrict out = out_;                                \
        const int64_t *condition = in[0];                         \
        const TYPE *a = in[1], *b = in[2];                        \
        for (size_t i = 0; i < n; i++) {                          \
            out[i] = condition[i] ? a[i] : b[i];                  \
        }                                                         \
        return true;                                              \
    }

CHOICE(choose_int, int64_t)
CHOICE(choose_float, double)

/* --- Conversions -------------------------------------------------------------------------- */

static bool
convert_nearest(void *out_, const void *const *in, size_t n)
{
    double *restrict out = out_;
    const int64_t *a = in[0];
    for (size_t i = 0; i < n; i++) {
        out[i] = (double)a[i];
    }
    return true;
}

static bool
convert_exact(void *out, const void *const *in, size_t n)
{
    return mo_all_within(in[0], n, 53) && convert_nearest(out, in, n);
}

/* --- Before and after the operations ------------------------------------------------------- */

/* Eight at a time, for registers of any width. */
static void
count_up(mo_value *out, uint64_t first, uint64_t stride, size_t n)
{
    size_t i = 0;
    for (; i < n && i < 8; i++) {
        out[i].i = (int64_t)(first + i * stride);
    }
    for (; i < n; i++) {
        out[i].i = (int64_t)((uint64_t)out[i - 8].i + 8 * stride);
    }
}

static bool
sum_ints(const mo_value *items, size_t n, int64_t *sum)
{
    uint64_t seen = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t item = (uint64_t)items[i].i;
        seen |= item + (UINT64_C(1) << 52);
        total += item;
    }
    *sum = (int64_t)total;
    return seen >> 53 == 0;
}

/* --- The table ------------------------------------------------------------------------------ */

/* clang-format off */
static const mo_operation rows[] = {
    {"+",     2, MO_RULE_ARITHMETIC, int_add, float_add, true},
    {"-",     2, MO_RULE_ARITHMETIC, int_subtract, float_subtract, true},
    {"*",     2, MO_RULE_ARITHMETIC, int_multiply, float_multiply, true},
    {"/",     2, MO_RULE_QUOTIENT, NULL, float_divide, true},
    {"//",    2, MO_RULE_ARITHMETIC, int_floor_divide, float_floor_divide, false, true},
    {"%",     2, MO_RULE_ARITHMETIC, int_modulo, float_modulo, false, true},
    {"**",    2, MO_RULE_INTEGER, int_power, NULL, false},
    {"<<",    2, MO_RULE_INTEGER, int_shift_left, NULL, false},
    {">>",    2, MO_RULE_INTEGER, int_shift_right, NULL, false},
    {"&",     2, MO_RULE_BITWISE, int_and, NULL, true},
    {"|",     2, MO_RULE_BITWISE, int_or, NULL, true},
    {"^",     2, MO_RULE_BITWISE, int_xor, NULL, true},
    {"==",    2, MO_RULE_COMPARISON, int_equal, float_equal, true},
    {"!=",    2, MO_RULE_COMPARISON, int_not_equal, float_not_equal, true},
    {"<",     2, MO_RULE_COMPARISON, int_less, float_less, true},
    {"<=",    2, MO_RULE_COMPARISON, int_less_equal, float_less_equal, true},
    {">",     2, MO_RULE_COMPARISON, int_greater, float_greater, true},
    {">=",    2, MO_RULE_COMPARISON, int_greater_equal, float_greater_equal, true},
    {"neg",   1, MO_RULE_ARITHMETIC, int_negate, float_negate, true},
    {"pos",   1, MO_RULE_ARITHMETIC, int_same, float_same, true},
    {"abs",   1, MO_RULE_ARITHMETIC, int_absolute, float_absolute, true},
    {"invert", 1, MO_RULE_INVERT, int_invert, NULL, true},
    {"not",   1, MO_RULE_TRUTH, int_not, float_not, true},
    {"bool",  1, MO_RULE_TRUTH, int_truth, float_truth, true},
    {"int",   1, MO_RULE_ROUNDED, int_same, float_truncate, false},
    {"float", 1, MO_RULE_REAL, NULL, float_same, true},
    {"sqrt",  1, MO_RULE_REAL, NULL, float_square_root, true},
    {"fabs",  1, MO_RULE_REAL, NULL, float_absolute, true},
    {"floor", 1, MO_RULE_ROUNDED, int_same, float_floor, false},
    {"ceil",  1, MO_RULE_ROUNDED, int_same, float_ceil, false},
    {"trunc", 1, MO_RULE_ROUNDED, int_same, float_truncate, false},
    {"round", 1, MO_RULE_ROUNDED, int_same, float_round, false},
    {"where", 3, MO_RULE_CHOICE, choose_int, choose_float, false},
};
/* clang-format on */

const mo_operations V_OPERATIONS = {
    .name = V_NAME,
    .usable = usable,
    .row = rows,
    .rows = Py_ARRAY_LENGTH(rows),
    .convert_nearest = convert_nearest,
    .convert_exact = convert_exact,
    .count_up = count_up,
    .sum_ints = sum_ints,
};
