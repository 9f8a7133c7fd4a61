// SPDX-License-Identifier: Apache-2.0
// What is measured. Each thread writes its own statistics; the reporting thread reads them meanwhile.
#ifndef SHOWDOWN_STATS_H
#define SHOWDOWN_STATS_H

#include "hist.h"

enum cause {
	CAUSE_REFUSED,	   // the connection was refused
	CAUSE_UNREACHABLE, // no route, or an ICMP error
	CAUSE_RESET,	   // reset after it was established
	CAUSE_TIMEOUT,	   // no complete answer in time
	CAUSE_SHORT,	   // the peer closed before the answer was complete
	CAUSE_STATUS,	   // an HTTP status other than 200
	CAUSE_CORRUPT,	   // a malformed head, or a body with the wrong bytes or length
	CAUSE_LONG_HEAD,   // a head of more than HEAD_MAX bytes: this program's limit
	CAUSE_DESCRIPTORS, // this process or host has no descriptor or memory left
	CAUSE_PORTS,	   // no free source port
	CAUSE_TLS,	   // the handshake failed, the certificate was not trusted, or a record was damaged
	CAUSE_OTHER,
	CAUSES
};
extern const char *const cause_names[CAUSES];

enum timing {
	LATENCY,	   // from the intended send to the last byte of the answer; empty in a closed loop
	SERVICE_TIME,	   // from the actual send to the last byte
	CONNECT,	   // from connect() until the connection is established
	HANDSHAKE,	   // from then until TLS is negotiated
	FIRST_BYTE,	   // from the actual send to the first byte of the answer
	SCHEDULE_LAG,	   // from the intended send until the generator noticed that it was due
	SEND_GAP,	   // open loop: between two sends of one thread in one slice
	FIRST_TOKEN,	   // stream: from the intended (closed loop: actual) send to the first whole token
	TOKEN_GAP,	   // stream: between two tokens of one answer
	FIRST_TOKEN_ADDED, // llm_chat: what the first token took beyond the origin's planned time
	OTHERS_ADDED,	   // llm_chat: the same of models that no stalling origin serves
	STREAM_TIME,	   // llm_chat: from the actual send to the last token of a stream
	TIMINGS
};
extern const char *const timing_names[TIMINGS];

// Counters of a target. Each X() is a field and its name in the report.
#define TARGET_COUNTERS(X)                                                                                             \
	X(sent)		  /* requests that were begun */                                                               \
	X(requests)	  /* requests that were answered correctly */                                                  \
	X(connections)	  /* established connections */                                                                \
	X(bytes_received) /* */                                                                                        \
	X(bytes_sent)	  /* */                                                                                        \
	X(unsent)	  /* requests that were due and never sent */                                                  \
	X(queued)	  /* requests that found no free connection when they were due */                              \
	X(late)		  /* answers that came after their slice had drained */                                        \
	X(censored)	  /* lower bounds among the latencies (closed loop: service times) */                          \
	X(closed_idle)	  /* connections that the peer closed while they carried no request */                         \
	X(tokens)	  /* stream: whole tokens */                                                                   \
	X(stalls)	  /* stream: gaps between tokens above the limit */                                            \
	X(lost)		  /* udp_rr: flights without a whole answer */                                                 \
	X(reordered)	  /* udp_rr: answers that came after a later one's */                                          \
	X(duplicates)	  /* udp_rr: answers that came twice */

// Counters of one thread in one slice.
#define SLICE_COUNTERS(X)                                                                                              \
	X(sent)                                                                                                        \
	X(requests)                                                                                                    \
	X(errors)                                                                                                      \
	X(unsent)                                                                                                      \
	X(queued)                                                                                                      \
	X(delivered)	 /* answered correctly before the slice's end */                                               \
	X(drain_answers) /* answered correctly after its end, while it drained */                                      \
	X(late)                                                                                                        \
	X(censored)                                                                                                    \
	X(pending_middle) /* begun or due, and neither answered nor failed, at the slice's middle */                   \
	X(pending_end)	  /* the same at its end */                                                                    \
	X(bytes_received)                                                                                              \
	X(bytes_sent)                                                                                                  \
	X(datagrams_sent)      /* udp_rr */                                                                            \
	X(datagrams_back)      /* udp_rr: each counted once, however late */                                           \
	X(datagrams_reordered) /* udp_rr: that came back after a later one */                                          \
	X(stalled_ns)	       /* see stall.h */

// Sums over the requests that were sent within one step of a slice's timeline and answered correctly. The second
// argument: whether an open loop alone has it.
#define STEP_SUMS(X)                                                                                                   \
	X(requests, false)                                                                                             \
	X(service_time_ns, false)                                                                                      \
	X(latency_ns, true)

#define COUNTER_FIELD(name) uint64_t name;

struct counters {
	TARGET_COUNTERS(COUNTER_FIELD)
	uint64_t errors[CAUSES];
};

struct stats {
	struct counters counters;
	struct hist timings[TIMINGS];
};

struct step {
#define STEP_FIELD(name, open_loop) uint64_t name;
	STEP_SUMS(STEP_FIELD)
#undef STEP_FIELD
};

struct slice_counters {
	SLICE_COUNTERS(COUNTER_FIELD)
};

// Failures of one step: requests that were due in it and had no right answer, and errors that happened in it.
struct failed_step {
	uint64_t lost, errors;
};

// One thread's part of one slice.
struct slice_stats {
	struct slice_counters counters;
	uint64_t begun_ns;	    // when the thread saw the slice's start; 0: never
	bool drained;		    // its times are complete: what is answered from now on is late
	struct hist timing;	    // latency in an open loop, service time in a closed one
	struct step *steps;	    // the slice's timeline; NULL: none
	uint8_t *slow;		    // slow.h; NULL: a closed loop, or a warm-up
	uint64_t *received;	    // bytes by source address and step; NULL: not asked for, or a warm-up
	struct failed_step *failed; // errors by step; NULL: not asked for, or a warm-up
};

bool stats_init(struct stats *stats);
void stats_free(struct stats *stats);
void stats_add(struct stats *to, const struct stats *from);
void counters_add(struct counters *to, const struct counters *from);
void slice_counters_add(struct slice_counters *to, const struct slice_counters *from);
enum cause cause_of_errno(int error);

// Requests without an answer so far. A damaged datagram may be counted as two errors, hence the comparison.
static inline uint64_t slice_outstanding(const struct slice_counters *slice)
{
	uint64_t ended = slice->requests + slice->errors;
	return slice->sent > ended ? slice->sent - ended : 0;
}

#endif
