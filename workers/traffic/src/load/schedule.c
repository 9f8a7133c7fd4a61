// SPDX-License-Identifier: Apache-2.0
#include "schedule.h"

#include <math.h>

#include "clock.h"

__extension__ typedef unsigned __int128 u128;

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t rotated(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

// xoshiro256** (Blackman and Vigna, public domain).
static uint64_t random_bits(uint64_t s[4])
{
	uint64_t result = rotated(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotated(s[3], 45);
	return result;
}

// An exponential variate of mean 1. The argument of log() is in (0, 1].
static double exponential(uint64_t s[4])
{
	return -log(((double)(random_bits(s) >> 11) + 1) * 0x1p-53);
}

// The active time by which `position` requests are expected: the inverse of the rate's integral.
static uint64_t instant(const struct profile *p, double position)
{
	double length_s = (double)p->duration_ns / (double)NS_PER_S;
	if (p->ramp) {
		double r = p->rates_per_s[0], slope = (p->rates_per_s[1] - r) / length_s,
		       under = r * r + 2 * slope * position;
		if (under <= 0)
			return NEVER;			     // a falling ramp that ends before
		double t = 2 * position / (r + sqrt(under)); // this form is exact for a slope of 0, too
		return t < 1e9 ? (uint64_t)(t * (double)NS_PER_S) : NEVER;
	}
	double step_s = length_s / p->steps, began_s = 0;
	for (int i = 0;; i++) {
		double step_requests = p->rates_per_s[i] * step_s;
		if (position < step_requests || i == p->steps - 1)
			return (uint64_t)((began_s + position / p->rates_per_s[i]) * (double)NS_PER_S);
		position -= step_requests;
		began_s += step_s;
	}
}

static void place(struct schedule *s)
{
	const struct profile *p = s->profile;
	if (s->arrival == ARRIVAL_CONSTANT && p->steps == 1 && !p->ramp) {
		// index * 1e9 / rate in integers, the rate in millionths: no rounding error accumulates.
		u128 scaled = (u128)(s->index * s->threads + s->thread) * NS_PER_S * 1000000;
		s->next_ns = (uint64_t)(scaled / (u128)(p->rates_per_s[0] * 1e6 + 0.5));
		return;
	}
	s->next_ns = instant(p, s->position);
}

static void step(struct schedule *s)
{
	if (s->arrival == ARRIVAL_POISSON)
		s->position +=
			exponential(s->rng) * (double)s->threads; // a Poisson stream of 1/threads of the rate each
	else
		s->position = (double)(s->index * s->threads + s->thread);
}

void schedule_init(struct schedule *s, const struct profile *profile, enum arrival arrival, uint64_t seed,
		   uint64_t thread, uint64_t threads)
{
	*s = (struct schedule){.profile = profile, .arrival = arrival, .thread = thread, .threads = threads};
	seed += thread * 0x5851f42d4c957f2dull;
	for (int i = 0; i < 4; i++)
		s->rng[i] = splitmix(&seed);
	step(s);
	place(s);
}

void schedule_advance(struct schedule *s)
{
	s->index++;
	step(s);
	place(s);
}
