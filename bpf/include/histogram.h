/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Log-linear buckets, as domain.probes.sample.bucket_index computes them: FIRST_EXPONENT and LAST_EXPONENT
 * come from there as -D constants, and a test compares both over many values.
 */
#ifndef SHOWDOWN_HISTOGRAM_H
#define SHOWDOWN_HISTOGRAM_H

#include <linux/types.h>

/* Two bits after the leading one pick one of four buckets per power of two. */
#define SUB_BITS 2
#define BUCKETS (((LAST_EXPONENT - FIRST_EXPONENT) << SUB_BITS) + 2)

static __always_inline __u32 bucket_index(__u64 value_ns)
{
	__u32 rest, exponent = 0, sub;

	if (value_ns < (1ULL << FIRST_EXPONENT))
		return 0;
	if (value_ns >> LAST_EXPONENT)
		return BUCKETS - 1;

	/* LAST_EXPONENT is below 32, so 32 bits are enough. No loop and no count-leading-zeros:
	 * the former costs the verifier, the latter has no instruction in BPF.
	 */
	rest = value_ns;
	if (rest >> 16) {
		exponent += 16;
		rest >>= 16;
	}
	if (rest >> 8) {
		exponent += 8;
		rest >>= 8;
	}
	if (rest >> 4) {
		exponent += 4;
		rest >>= 4;
	}
	if (rest >> 2) {
		exponent += 2;
		rest >>= 2;
	}
	exponent += rest >> 1;

	sub = (__u32)(value_ns >> (exponent - SUB_BITS)) & ((1 << SUB_BITS) - 1);
	return 1 + ((exponent - FIRST_EXPONENT) << SUB_BITS) + sub;
}

#endif
