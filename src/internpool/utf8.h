/* utf8.h - UTF-8 in the form that a str of it would have, without the str.
 *
 * Strict, as bytes.decode: no overlong forms, no surrogates, nothing above
 * U+10FFFF (Unicode 15, section 3.9).  Pure functions of their arguments. */
#ifndef MO_INTERNPOOL_UTF8_H
#define MO_INTERNPOOL_UTF8_H

#include "internpool/str.h"

/* The longest text that is not ASCII and that mo_utf8_as_text() takes: bytes
 * of UTF-8.  More would take more stack and seldom be looked up. */
#define MO_UTF8_MOST 256

/* Room for the code points of that many bytes, in any kind. */
typedef union {
    uint8_t one[MO_UTF8_MOST];
    uint16_t two[MO_UTF8_MOST];
    uint32_t four[MO_UTF8_MOST];
} mo_utf8_scratch;

/* Whether all of n bytes are below 0x80. */
bool
mo_utf8_is_ascii(const char *bytes, size_t n);

/* The text of n bytes, which lies in them or in the scratch.  False if they
 * are not UTF-8, or are more than MO_UTF8_MOST and not ASCII. */
bool
mo_utf8_as_text(const char *bytes, size_t n, mo_utf8_scratch *scratch,
                mo_text *text);

/* Reads the code point at *position < n and moves that behind it; false, and
 * anything in *point, if there is none. */
bool
mo_utf8_next(const char *bytes, size_t n, size_t *position, uint32_t *point);

#endif
