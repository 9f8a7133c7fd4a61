// SPDX-License-Identifier: Apache-2.0
// The state of one thread of the generator: an event loop on one CPU, with its own connections, schedules and
// statistics. Threads share only the slices' times. Once all connections are established, nothing is allocated.
#ifndef SHOWDOWN_STATE_H
#define SHOWDOWN_STATE_H

#include <pthread.h>
#include <semaphore.h>

#include "clock.h"
#include "parser.h"
#include "plan.h"
#include "protocol.h"
#include "stall.h"
#include "stats.h"
#include "tls.h"

enum conn_state {
	CONN_FREE,  // no descriptor
	CONN_RETRY, // no descriptor; connects again at its deadline
	CONN_CONNECTING,
	CONN_HANDSHAKE, // connected; TLS is being negotiated
	CONN_IDLE,
	CONN_HEAD, // the request is being sent or was sent; the answer's head is awaited
	CONN_BODY,
	CONN_CLOSING, // answered; the peer's close is awaited
};

struct conn {
	int fd;
	uint8_t state, target;
	uint8_t source;	    // the index of its source address
	bool active;	    // carries a request
	bool opening;	    // connects for the first time, before the first slice: one of worker.opening
	bool queued;	    // is in its target's list of free connections
	uint8_t generation; // counts closed descriptors: a handler sees that its connection was closed meanwhile
	bool chunked, until_close, keep_alive, corrupt, bad_status;
	bool sending;	// the socket took only a part of the request
	bool hung_up;	// the peer sends no more
	bool used;	// has carried an answer since it was established
	bool begun;	// the first byte of the answer has arrived
	bool unchecked; // the answer's body is compared with nothing
	uint32_t slice;
	uint32_t stashed; // bytes of an incomplete head in the stash
	uint64_t intended_ns, sent_ns, connect_ns, deadline_ns, token_ns;
	uint64_t body_left, body_done, out_done;
	const char *request; // the target's, or one that protocol->compose_one() has made
	size_t request_size;
	uint64_t upload_bytes, expected_bytes; // of the plan's bodies, from their beginning
	struct chunks chunks;
	struct conn *next_free;
	char *stash;	 // HEAD_MAX bytes; used by heads that arrive in pieces
	struct tls *tls; // NULL: plain
};

// A target, as one thread sees it.
struct target_state {
	const struct target *target;
	struct stats measured, warm_up;
	struct conn *free_head, *free_tail;
	// Two positions in one schedule: `due` follows the clock, `send` the sends. The requests in between are the
	// backlog. It needs no memory, however long it grows.
	struct schedule due, send, warm_up_due;
	uint64_t backlog;
	uint64_t port_cursor;
	uint64_t *named; // counts of protocol->names
	char *request;	 // its head, or its plain bytes
	size_t request_size;
	struct tls_context *tls; // NULL: plain
};

struct worker {
	struct plan *plan;
	const struct protocol *protocol; // the plan's
	void *protocol_state;		 // set by protocol->init
	int index, cpu, epoll_fd;
	pthread_t thread;
	pthread_barrier_t *barrier;
	sem_t *finished;
	struct netns_place place;
	struct target_state *targets;
	struct conn *conns;
	struct tls *tls; // one per socket; connections without TLS do not refer to theirs
	uint32_t conns_count, sweep_at, slice, opening;
	uint32_t sockets_count; // of the conns; those behind them are streams on one of these
	uint8_t *buffer;	// RECEIVE_BYTES
	uint8_t *plain;		// TLS_PLAIN_BYTES: of a decrypted record
	struct conn *unsent;	// multiplexed protocols: connections with something to send, linked by next_free
	struct slice_stats *slices;
	bool real_time;	       // has a real-time priority
	bool sending;	       // between a slice's start and its end
	bool started;	       // set-up is over: a failure is an error of the traffic
	uint64_t last_ns;      // the latest reading of the clock
	uint64_t last_sent_ns; // of an open loop's slice; 0 before its first request
	uint64_t slice_start_ns, slice_end_ns, next_due_ns, next_sweep_ns;
	char failure[384], hint[128];		      // hint: more about the failure of a connection
	uint64_t cpu_ns, wall_ns, user_ns, system_ns; // of the measured part, set at its end
	uint64_t began_cpu_ns, began_ns;
	uint64_t switches_voluntary, switches_involuntary;
	clockid_t cpu_clock;
	struct stall_watch stall;
	uint64_t run_queue_ns; // waited for a CPU in the measured part, set at its end
};

#define RECEIVE_BYTES (256u * 1024)

static inline struct target_state *target_of(struct worker *w, const struct conn *c)
{
	return &w->targets[c->target];
}

// The target whose slice runs or drains.
static inline struct target_state *current_target(struct worker *w)
{
	return &w->targets[w->plan->slices[w->slice].target];
}

// A request of a warm-up slice does not count as the target's traffic.
static inline struct stats *stats_of_slice(struct worker *w, uint32_t index)
{
	const struct slice *slice = &w->plan->slices[index];
	struct target_state *target = &w->targets[slice->target];
	return slice->warm_up ? &target->warm_up : &target->measured;
}

// A connection without a request belongs to no slice, and counts as the target's.
static inline struct stats *stats_of_conn(struct worker *w, const struct conn *c)
{
	return c->active ? stats_of_slice(w, c->slice) : &target_of(w, c)->measured;
}

static inline bool worker_stopped(const struct worker *w)
{
	return atomic_load_explicit(&w->plan->stop, memory_order_relaxed);
}

#endif
