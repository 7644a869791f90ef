/* utf8.h - text in the form that a str of it would have, without the str.
 *
 * UTF-8 is read strictly, as bytes.decode does: no overlong forms, no surrogates, nothing above
 * U+10FFFF (Unicode 15, section 3.9).  Pure functions of their arguments. */
#ifndef MO_INTERNPOOL_UTF8_H
#define MO_INTERNPOOL_UTF8_H

#include "internpool/str.h"

/* Code points of the longest text that is brought into another form without
 * making a str, and so bytes of the longest UTF-8 that is not ASCII.  More
 * would take more stack and seldom be looked up. */
#define MO_SCRATCH_LENGTH 256

/* Room for so many code points, in any kind. */
typedef union {
    uint8_t one[MO_SCRATCH_LENGTH];
    uint16_t two[MO_SCRATCH_LENGTH];
    uint32_t four[MO_SCRATCH_LENGTH];
} mo_scratch;

/* The text of code points of 2 or 4 bytes, at most MO_SCRATCH_LENGTH of them,
 * which stay where they are, or go to the scratch if fewer bytes suffice. */
mo_text
mo_text_narrow(const mo_text *wide, mo_scratch *scratch);

/* A text to take parts of: code points of a str, or UTF-8 in a buffer. */
typedef struct {
    const char *data; /* borrowed */
    size_t n;         /* units */
    size_t unit;      /* bytes of one: 1, 2 or 4 */
    bool utf8;        /* then not ASCII, else units are code points */
} mo_source;

/* Whether all of n bytes are below 0x80. */
bool
mo_utf8_is_ascii(const char *bytes, size_t n);

/* The text of n bytes, which lies in them or in the scratch.  False if they
 * are not UTF-8, or are more than MO_SCRATCH_LENGTH and not ASCII. */
bool
mo_utf8_as_text(const char *bytes, size_t n, mo_scratch *scratch,
                mo_text *text);

/* Reads the code point at *position < n and moves that behind it; false, and
 * anything in *point, if there is none. */
bool
mo_utf8_next(const char *bytes, size_t n, size_t *position, uint32_t *point);

/* Moves *position < n behind the character there and gives it.  A byte that
 * begins none counts as one, UINT32_MAX. */
static inline uint32_t
mo_source_next(const mo_source *source, size_t *position)
{
    size_t i = (*position)++;
    if (source->unit == 1) {
        uint32_t point = (unsigned char)source->data[i];
        if (point >= 0x80 && source->utf8) {
            size_t next = i;
            if (!mo_utf8_next(source->data, source->n, &next, &point)) {
                return UINT32_MAX;
            }
            *position = next;
        }
        return point;
    }
    return source->unit == 2 ? ((const uint16_t *)source->data)[i]
                             : ((const uint32_t *)source->data)[i];
}

#endif
