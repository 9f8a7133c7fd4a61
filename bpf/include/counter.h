/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A datapath's counters: on each CPU one u64 per enumerator of `enum count`. User space reads the sums over all CPUs.
 *
 * Before this file is included, `enum count` must be defined, with COUNTS as its last enumerator. A source that needs
 * more counters behind those defines COUNTERS, too.
 */
#ifndef SHOWDOWN_COUNTER_H
#define SHOWDOWN_COUNTER_H

#ifndef COUNTERS
#define COUNTERS COUNTS
#endif

BPF_PERCPU_ARRAY(counts, __u64, COUNTERS);

/* For programs that run in softirq context only (tc, XDP, sk_lookup). Bottom halves are off, so nothing else on this
 * CPU writes the entry meanwhile, and a plain addition is enough.
 */
static __always_inline void count(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += amount;
}

/* Counts one more, and returns which one of this CPU it is, from 1; 0 without counters. */
static __always_inline __u64 number_of(__u32 what)
{
	__u64 *value = counts.lookup(&what);

	return value ? ++*value : 0;
}

/* For programs that also run in process context, where a softirq can interrupt them and the task can change CPU. */
static __always_inline void count_atomic(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		lock_xadd(value, amount);
}

#endif
