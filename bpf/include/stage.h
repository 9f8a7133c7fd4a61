/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Durations of a stage: their starts, their histogram per role, and single ones as samples. */
#ifndef SHOWDOWN_STAGE_H
#define SHOWDOWN_STAGE_H

#include "probe.h"
#include "histogram.h"

/* The kernel reuses addresses: a start that is older belongs to an earlier object, and is counted as lost. */
#ifndef MAX_AGE_NS
#define MAX_AGE_NS 100000000ULL
#endif

/* One CPU's measurements of one role since the probe was loaded. max_ns is the maximum of the lab with this number. */
struct stage {
	__u64 counts[BUCKETS];
	__u64 sum_ns;
	__u64 max_ns;
	__u64 lab;
	__u64 started;
	__u64 lost;
	__u64 measured;
	__u64 random;
	__u64 unsampled; /* samples that found no room in the ring buffer */
};
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);

struct start {
	__u64 time_ns;
	__u64 generation;
};

/* With u64: BCC 0.26 derives no Python type from __u64 here. */
struct sample {
	u64 time_ns;
	u64 value_ns;
	u64 role;
};
/* 64 KiB hold 2,000 samples; at one in SAMPLE_EVERY durations that is many seconds' worth. */
BPF_RINGBUF_OUTPUT(samples, 16);
/* User space reads the ring buffer once a second, and needs no wakeup. */
#define SAMPLE_FLAGS BPF_RB_NO_WAKEUP

static __always_inline struct stage *stage_of(int role)
{
	return stage.lookup(&role);
}

/* Whether to track this event: one in TRACK_EVERY, at random. Every n-th would not do, because a packet crosses the
 * lab's devices in a fixed order: it would always be tracked at the same device. Knuth's linear congruential generator
 * is random enough, and needs no helper call.
 */
static __always_inline int should_track(struct stage *stat)
{
	if (TRACK_EVERY == 1)
		return 1;
	stat->random = stat->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((stat->random >> 40) & (TRACK_EVERY - 1)) == 0;
}

/* Start a duration of the watched lab. Returns 0 when the window is over. */
static __always_inline int begin(struct stage *stat, const struct watch *cfg, struct start *start)
{
	if (!cfg->open)
		return 0;
	stat->started++;
	start->generation = cfg->generation;
	start->time_ns = bpf_ktime_get_ns();
	return 1;
}

/* Add the time from start to now to the histogram. Returns 1 when it is to be emitted as a sample, too. */
static __always_inline int record(struct stage *stat, const struct watch *cfg, const struct start *start, __u64 now)
{
	__u64 value_ns = now - start->time_ns;
	__u64 bucket;

	/* It began in another window, perhaps of another lab, and was counted as unended there. */
	if (start->generation != cfg->generation)
		return 0;
	if (value_ns > MAX_AGE_NS) {
		stat->lost++;
		return 0;
	}

	/* Never out of bounds, but the verifier needs the check, on the register that is the index. Without the barrier
	 * clang checks a 32-bit copy of it.
	 */
	bucket = bucket_index(value_ns);
	asm volatile("" : "+r"(bucket));
	if (bucket >= BUCKETS)
		return 0;
	stat->counts[bucket]++;
	stat->sum_ns += value_ns;
	if (stat->lab != cfg->lab) {
		stat->lab = cfg->lab;
		stat->max_ns = 0;
	}
	if (value_ns > stat->max_ns)
		stat->max_ns = value_ns;
	return (stat->measured++ & (SAMPLE_EVERY - 1)) == 0;
}

/* End a duration of a role now: record it, and emit one in SAMPLE_EVERY. */
static __always_inline void end(struct stage *stat, const struct watch *cfg, const struct start *start, __u64 now,
				__u64 role)
{
	struct sample sample = {};

	if (!record(stat, cfg, start, now))
		return;
	sample.time_ns = now;
	sample.value_ns = now - start->time_ns;
	sample.role = role;
	if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
		stat->unsampled++;
}

#endif
