/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Slots of arrays by an address. */
#ifndef SHOWDOWN_HASH_H
#define SHOWDOWN_HASH_H

/* Fibonacci hashing (Knuth): 2^64 divided by the golden ratio. The upper bits of the product depend on all bits of the
 * value. So addresses that differ in a few middle bits only still get different slots.
 */
#define HASH(value) ((value)*0x9E3779B97F4A7C15ULL)
#define HASH_SLOT(value, bits) (HASH(value) >> (64 - (bits)))

#endif
