// SPDX-License-Identifier: Apache-2.0
// Time is CLOCK_MONOTONIC in integer nanoseconds, everywhere.
#ifndef SHOWDOWN_CLOCK_H
#define SHOWDOWN_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define NEVER UINT64_MAX

static inline uint64_t clock_read(clockid_t clock)
{
	struct timespec now = {0}; // stays 0 if the clock is that of a thread that has ended
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

static inline struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

#endif
