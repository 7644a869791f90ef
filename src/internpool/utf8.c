/* utf8.c - see utf8.h. */
#include "internpool/utf8.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

bool
mo_utf8_is_ascii(const char *bytes, size_t n)
{
    uint64_t word, all = 0;
    if (n < 8) {
        for (size_t i = 0; i < n; i++) {
            all |= (unsigned char)bytes[i];
        }
        return all < 0x80;
    }
    /* The last 8 bytes may overlap those before: no tail to handle. */
    const char *last = bytes + n - 8;
    memcpy(&all, last, sizeof all);
    while (bytes < last) {
        /* Ends early enough in long text, and is seldom asked in short. */
        const char *stop = last - bytes > 256 ? bytes + 256 : last;
        for (; bytes < stop; bytes += 8) {
            memcpy(&word, bytes, sizeof word);
            all |= word;
        }
        if (all & HIGH_BITS) {
            return false;
        }
    }
    return (all & HIGH_BITS) == 0;
}

static bool
is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The number of bytes that a lead byte from 0x80 on announces, and the bits of
 * the code point that it carries; 0 if it is none. */
static unsigned
read_lead(unsigned char lead, uint32_t *bits)
{
    if (lead < 0xc2) {
        return 0; /* a continuation, or the lead of an overlong form */
    }
    if (lead < 0xe0) {
        *bits = lead & 0x1fu;
        return 2;
    }
    if (lead < 0xf0) {
        *bits = lead & 0x0fu;
        return 3;
    }
    *bits = lead & 0x07u;
    return lead < 0xf5 ? 4 : 0;
}

bool
mo_utf8_next(const char *bytes, size_t n, size_t *position, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)bytes + *position;
    *point = p[0];
    if (p[0] < 0x80) {
        *position += 1;
        return true;
    }
    unsigned length = read_lead(p[0], point);
    if (length == 0 || length > n - *position) {
        return false;
    }
    for (unsigned i = 1; i < length; i++) {
        if (!is_continuation(p[i])) {
            return false;
        }
        *point = *point << 6 | (p[i] & 0x3fu);
    }
    *position += length;
    return *point >= least[length] && *point <= 0x10ffff &&
           (*point < 0xd800 || *point > 0xdfff);
}

/* By memcpy, since the text may lie in a union that is written otherwise. */
static inline uint32_t
point_at(const mo_text *wide, size_t i)
{
    const char *data = wide->data;
    if (wide->kind == 2) {
        uint16_t narrow;
        memcpy(&narrow, data + 2 * i, sizeof narrow);
        return narrow;
    }
    uint32_t point;
    memcpy(&point, data + 4 * i, sizeof point);
    return point;
}

mo_text
mo_text_narrow(const mo_text *wide, mo_scratch *scratch)
{
    uint32_t all_bits = 0; /* of a width as the largest code point */
    for (size_t i = 0; i < wide->length; i++) {
        all_bits |= point_at(wide, i);
    }
    /* Upward, since the scratch may be narrowed in place. */
    if (all_bits < 0x100) {
        for (size_t i = 0; i < wide->length; i++) {
            scratch->one[i] = (uint8_t)point_at(wide, i);
        }
        return (mo_text){scratch, wide->length, 1};
    }
    if (all_bits < 0x10000 && wide->kind == 4) {
        for (size_t i = 0; i < wide->length; i++) {
            scratch->two[i] = (uint16_t)point_at(wide, i);
        }
        return (mo_text){scratch, wide->length, 2};
    }
    return *wide;
}

bool
mo_utf8_as_text(const char *bytes, size_t n, mo_scratch *scratch,
                mo_text *text)
{
    if (mo_utf8_is_ascii(bytes, n)) {
        *text = (mo_text){bytes, n, 1};
        return true;
    }
    if (n > MO_SCRATCH_LENGTH) {
        return false;
    }
    mo_text wide = {scratch, 0, 4};
    for (size_t position = 0; position < n; wide.length++) {
        if (!mo_utf8_next(bytes, n, &position, &scratch->four[wide.length])) {
            return false;
        }
    }
    *text = mo_text_narrow(&wide, scratch);
    return true;
}
