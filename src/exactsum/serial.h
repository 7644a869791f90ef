/* serial.h - an exact sum as bytes, the state that ExactSum pickles.
 *
 * All numbers are little-endian, so a pickle travels between machines:
 *
 *   offset  bytes
 *        0      1  version of the layout, 1
 *        1      1  flags: 1 NaN seen, 2 infinity seen, 4 minus infinity seen
 *        2      8  count, signed
 *       10    264  chunks 0..65 of the normalized accumulator, 32 bits each
 *      274      8  chunk 66, signed, within its limit
 *      282      8  FNV-1a hash of the bytes before it
 *
 * Each sum has one such form, and bytes that are not the form of a sum are
 * refused.  Pure C: the caller owns everything, no call can fail halfway. */
#ifndef MO_EXACTSUM_SERIAL_H
#define MO_EXACTSUM_SERIAL_H

#include "exactsum/exactsum.h"

#define MO_SERIAL_VERSION 1
#define MO_SERIAL_SIZE 290

void
mo_serial_store(const mo_sum *sum, uint8_t out[MO_SERIAL_SIZE]);

/* NULL with *sum set, or what is wrong with the bytes, for an error message,
 * with *sum undefined. */
const char *
mo_serial_load(const uint8_t *bytes, size_t size, mo_sum *sum);

#endif
