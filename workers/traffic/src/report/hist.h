// SPDX-License-Identifier: Apache-2.0
// HDR histograms (Gil Tene, hdrhistogram.org) of durations in nanoseconds, from 1 ns to two minutes.
// One thread writes. Others may read counters at any time: each is a relaxed atomic, so that no read is torn.
#ifndef SHOWDOWN_HIST_H
#define SHOWDOWN_HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HIST_LOWEST_NS 1ull
#define HIST_HIGHEST_NS 120000000000ull

enum hist_digits { HIST_2_DIGITS = 2, HIST_3_DIGITS = 3 };

struct hist {
	uint32_t half_bits; // log2 of half the sub-buckets: HDR's sub_bucket_half_count_magnitude
	uint32_t length;
	int digits;
	uint64_t count, sum, max;
	uint64_t *counts;
};

uint32_t hist_length(enum hist_digits digits);
// Uses the caller's memory: hist_length() zeroes.
void hist_place(struct hist *hist, enum hist_digits digits, uint64_t *counts);
bool hist_init(struct hist *hist, enum hist_digits digits);
void hist_free(struct hist *hist);
void hist_clear(struct hist *hist);
void hist_add(struct hist *to, const struct hist *from);
// Sets `to` to what `now` gained since `before`, and `before` to `now`. Another thread may write `now`.
void hist_take(struct hist *to, struct hist *before, const struct hist *now);
// The value at a percentile (0-100) as HDR readers compute it; 0 when empty.
uint64_t hist_percentile(const struct hist *hist, double percentile);
// Writes HdrHistogram V2, "compressed" with stored blocks, in base64. False: no memory.
bool hist_encode(const struct hist *hist, FILE *out);

static inline uint32_t hist_index(uint32_t half_bits, uint64_t value)
{
	uint32_t bits = half_bits + 1;
	uint32_t bucket = 64 - (uint32_t)__builtin_clzll(value | ((1ull << bits) - 1)) - bits;
	return (bucket << half_bits) + (uint32_t)(value >> bucket);
}

static inline void counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void hist_record(struct hist *hist, uint64_t value)
{
	if (value < HIST_LOWEST_NS)
		value = HIST_LOWEST_NS;
	if (value > HIST_HIGHEST_NS)
		value = HIST_HIGHEST_NS; // clamped
	counter_add(&hist->counts[hist_index(hist->half_bits, value)], 1);
	counter_add(&hist->count, 1);
	counter_add(&hist->sum, value);
	if (value > hist->max)
		__atomic_store_n(&hist->max, value, __ATOMIC_RELAXED);
}

#endif
