// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include <errno.h>

const char *const cause_names[CAUSES] = {"refused", "unreachable", "reset",	  "timeout", "short", "status",
					 "corrupt", "long_head",   "descriptors", "ports",   "tls",   "other"};
const char *const timing_names[TIMINGS] = {"latency",	 "service_time",      "connect",      "handshake",
					   "first_byte", "schedule_lag",      "send_gap",     "first_token",
					   "token_gap",	 "first_token_added", "others_added", "stream_time"};

bool stats_init(struct stats *stats)
{
	*stats = (struct stats){0};
	for (int i = 0; i < TIMINGS; i++)
		if (!hist_init(&stats->timings[i], HIST_3_DIGITS))
			return false;
	return true;
}

void stats_free(struct stats *stats)
{
	for (int i = 0; i < TIMINGS; i++)
		hist_free(&stats->timings[i]);
}

#define ADD_COUNTER(name) to->name += counter_read(&from->name);

void counters_add(struct counters *to, const struct counters *from)
{
	TARGET_COUNTERS(ADD_COUNTER)
	for (int i = 0; i < CAUSES; i++)
		to->errors[i] += counter_read(&from->errors[i]);
}

void slice_counters_add(struct slice_counters *to, const struct slice_counters *from)
{
	SLICE_COUNTERS(ADD_COUNTER)
}

void stats_add(struct stats *to, const struct stats *from)
{
	counters_add(&to->counters, &from->counters);
	for (int i = 0; i < TIMINGS; i++)
		hist_add(&to->timings[i], &from->timings[i]);
}

enum cause cause_of_errno(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return CAUSE_REFUSED;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
		return CAUSE_UNREACHABLE;
	case ECONNRESET:
	case EPIPE:
		return CAUSE_RESET;
	case ETIMEDOUT:
		return CAUSE_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return CAUSE_DESCRIPTORS;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
		return CAUSE_PORTS;
	case EPROTO:
		return CAUSE_TLS;
	default:
		return CAUSE_OTHER;
	}
}
