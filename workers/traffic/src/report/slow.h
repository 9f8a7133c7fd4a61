// SPDX-License-Identifier: Apache-2.0
// The slowest request of each step of an open loop's slice, by its intended send. From these steps the readers of the
// last line count episodes of slow requests: a histogram does not know which slow requests have one cause.
#ifndef SHOWDOWN_SLOW_H
#define SHOWDOWN_SLOW_H

#include "hist.h"

#define SLOW_STEP_NS 1000000ull
#define SLOW_HALF_BITS 2u // four classes per octave
#define SLOW_UNIT_BITS 13 // the classes begin at 8.192 us
#define SLOW_CLASSES 61u // so that a class, or that no request was due, is one character; the last one: 537 ms and more

// One step: 0 if no request was due in it, else 1 + the class of its slowest.
static inline void slow_mark(uint8_t *step, uint64_t latency_ns)
{
	uint32_t class = hist_index(SLOW_HALF_BITS, latency_ns >> SLOW_UNIT_BITS);
	uint8_t mark = (uint8_t)(class < SLOW_CLASSES ? class + 1 : SLOW_CLASSES);
	if (mark > *step)
		*step = mark;
}

static inline uint64_t slow_steps(uint64_t length_ns)
{
	return (length_ns + SLOW_STEP_NS - 1) / SLOW_STEP_NS;
}

// The character of a step. Their order is that of the classes, so that clients merge by the larger character.
char slow_character(uint8_t step);

#endif
