/* complex.h - the types that MSVC's <complex.h> has instead of C's.
 *
 * Found before mingw-w64's; for NumPy's headers, which name them for MSVC. */
#ifndef MO_PORTABILITY_COMPLEX_H
#define MO_PORTABILITY_COMPLEX_H

typedef struct {
    double _Val[2];
} _Dcomplex;

typedef struct {
    float _Val[2];
} _Fcomplex;

typedef struct {
    long double _Val[2];
} _Lcomplex;

#endif
