// SPDX-License-Identifier: Apache-2.0
// What was measured. Each thread writes its own; the reporter reads them while they grow.
#ifndef SHOWDOWN_STATS_H
#define SHOWDOWN_STATS_H

#include "hist.h"

enum cause {
	CAUSE_REFUSED,	   // the connection was refused
	CAUSE_UNREACHABLE, // no route, or the network said so
	CAUSE_RESET,	   // reset after it stood
	CAUSE_TIMEOUT,	   // no complete answer in time
	CAUSE_SHORT,	   // the peer closed before the answer was complete
	CAUSE_STATUS,	   // an HTTP status other than 200
	CAUSE_CORRUPT,	   // a malformed head, or a body that is not what it should be
	CAUSE_DESCRIPTORS, // this process or host has no descriptor left
	CAUSE_PORTS,	   // no source port left
	CAUSE_OTHER,
	CAUSES
};
extern const char *const cause_names[CAUSES];

enum timing {
	LATENCY,      // from the intended send to the last byte of the answer; closed loop: no such thing, it is empty
	SERVICE_TIME, // from the actual send to the last byte
	CONNECT,      // from connect() to the connection's standing
	FIRST_BYTE,   // from the actual send to the first byte of the answer
	SCHEDULE_LAG, // from the intended send to the generator's noticing: its own fault alone
	SEND_GAP,     // open loop: from one request's leaving to the next one's, of one thread in one slice
	FIRST_TOKEN,  // stream: from the intended (closed loop: actual) send to the first whole token
	TOKEN_GAP,    // stream: between tokens of one answer
	TIMINGS
};
extern const char *const timing_names[TIMINGS];

struct counters {
	uint64_t sent, requests, bytes_received, bytes_sent;
	uint64_t connections; // that stood
	uint64_t queued;      // requests that found no connection free when they were due
	uint64_t unsent;      // requests that were due and never left
	uint64_t late;	      // answers that came after their slice had drained
	uint64_t closed_idle; // connections the peer closed while nothing was asked
	uint64_t tokens, stalls;
	uint64_t lost, reordered, duplicates; // udp_rr
	uint64_t errors[CAUSES];
};

struct stats {
	struct counters counters;
	struct hist timings[TIMINGS];
};

// Requests that were sent within one step of a slice's timeline, and have been answered: sums.
struct step {
	uint64_t requests, service_time_ns, latency_ns;
};

// One thread's part of one slice.
struct slice_stats {
	uint64_t sent, requests, errors, unsent, late, bytes_received, bytes_sent;
	uint64_t begun_ns;  // the thread saw its start then; 0: never
	uint64_t stood_ns;  // the thread stood still: see beat.h
	struct hist timing; // of latency in an open loop, of service time in a closed one
	struct step *steps; // of the slice's timeline; NULL where none is asked for
};

bool stats_init(struct stats *stats);
void stats_add(struct stats *to, const struct stats *from);
void counters_add(struct counters *to, const struct counters *from);
enum cause cause_of_errno(int error);

#endif
