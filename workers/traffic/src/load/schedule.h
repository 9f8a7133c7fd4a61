// SPDX-License-Identifier: Apache-2.0
// When requests are due. A schedule is a sequence of instants in a target's active time: its slices, put end to end.
// So all targets that take turns get the same sequence.
#ifndef SHOWDOWN_SCHEDULE_H
#define SHOWDOWN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define PROFILE_STEPS_MAX 64

enum arrival { ARRIVAL_CONSTANT, ARRIVAL_POISSON };

// The rate over active time: `steps` pieces of equal length. A ramp changes linearly from its first to its second rate.
struct profile {
	bool ramp;
	int steps;
	double rates_per_s[PROFILE_STEPS_MAX];
	uint64_t duration_ns;
};

struct schedule {
	const struct profile *profile;
	enum arrival arrival;
	uint64_t rng[4];
	uint64_t thread, threads, index;
	double position; // in expected requests since active time 0
	uint64_t next_ns;
};

// The schedule of one of `threads` threads, which share the rate. The same seed gives the same instants.
void schedule_init(struct schedule *schedule, const struct profile *profile, enum arrival arrival, uint64_t seed,
		   uint64_t thread, uint64_t threads);
// Sets next_ns to the next instant.
void schedule_advance(struct schedule *schedule);

#endif
