// SPDX-License-Identifier: Apache-2.0
// One thread of the generator: an event loop on one CPU, with its own connections, schedules and statistics.
// Nothing here is shared but the slices' clock; after the connections stand nothing is allocated.
#ifndef SHOWDOWN_WORKER_H
#define SHOWDOWN_WORKER_H

#include <pthread.h>
#include <semaphore.h>

#include "beat.h"
#include "clock.h"
#include "parser.h"
#include "plan.h"
#include "stats.h"

#define RECEIVE_BYTES (256u * 1024)
#define RETRY_NS (10 * NS_PER_MS) // after a failed connect: a refusing target must not become a busy loop
#define SWEEP_NS (10 * NS_PER_MS)
#define SWEEP_CONNS 2048u // looked at per sweep: a bound on what time-outs cost the schedule

enum conn_state {
	CONN_FREE,  // no descriptor
	CONN_RETRY, // no descriptor; connects again at `deadline`
	CONN_CONNECTING,
	CONN_IDLE,
	CONN_HEAD, // request on its way or sent; the answer's head is awaited
	CONN_BODY,
	CONN_CLOSING, // answered; the peer's close is awaited
};

struct conn {
	int fd;
	uint8_t state, target;
	bool active;	    // carries a request
	bool opening;	    // connects for the first time, before the first slice: one of worker.opening
	bool queued;	    // is in its lane's list of free connections
	uint8_t generation; // of the descriptor: tells a handler that its connection was replaced under it
	bool chunked, until_close, keep_alive, corrupt, bad_status, sending, hung_up;
	uint32_t slice;
	uint32_t stashed; // bytes of an incomplete head in the stash
	uint64_t intended_ns, sent_ns, connect_ns, deadline_ns, token_ns;
	uint64_t body_left, body_done, out_done;
	struct chunks chunks;
	struct conn *next_free;
	char *stash; // HEAD_MAX bytes, touched only by heads that come in pieces
	struct udp_peer *udp;
};

// A target as one thread sees it.
struct lane {
	const struct target *target;
	struct stats measured, warm_up;
	struct conn *conns, *free_head, *free_tail;
	uint32_t conns_count;
	// Two walks over one schedule: `due` is where the clock is, `send` where sending is. What lies between is the
	// backlog, which needs no memory however long it grows.
	struct schedule due, send, warm_up_due;
	uint64_t backlog;
	uint64_t port_cursor;
	char *request; // the request's head, or its plain bytes
	size_t request_size;
};

struct worker {
	struct plan *plan;
	int index, cpu, epoll_fd;
	pthread_t thread;
	pthread_barrier_t *barrier;
	sem_t *finished;
	struct netns_place place;
	struct lane *lanes;
	struct conn *conns;
	uint32_t conns_count, sweep_at, slice, opening;
	uint8_t *buffer;
	struct slice_stats *slices;
	bool real_time;	  // runs before all ordinary threads of its CPU
	bool sending;	  // between a slice's start and its end
	bool started;	  // the connections stand: from now on a failure is an error of the traffic, not of the set-up
	uint64_t last_ns; // the latest reading of the clock
	uint64_t last_sent_ns; // of an open loop's slice; 0 before its first request
	uint64_t slice_start_ns, slice_end_ns, next_due_ns, next_sweep_ns;
	char failure[256];
	uint64_t cpu_ns, wall_ns, user_ns, system_ns; // measured part, at its end
	uint64_t began_cpu_ns, began_ns;
	uint64_t switches_voluntary, switches_involuntary;
	clockid_t cpu_clock;
	struct beat beat;
	uint64_t run_queue_ns; // waited for a CPU in the measured part, at its end
};

// worker.c
bool worker_init(struct worker *worker, struct plan *plan, int index);
void *worker_run(void *worker);

// loop.c: the clock's side
void loop_open_all(struct worker *w);
void loop_pump(struct worker *w, uint64_t until_ns);
void loop_dispatch(struct worker *w, uint64_t now); // sends what is due
void loop_ask_free(struct worker *w);		    // closed loop: a request on every free connection
void loop_beat(struct worker *w, uint64_t now);	    // books the time in which the thread stood still
void loop_next_due(struct worker *w);		    // recomputes next_due_ns

// conn.c: the life of a connection
void conn_open(struct worker *w, struct conn *c, uint64_t now);
void conn_close(struct conn *c);
void conn_retry(struct conn *c, uint64_t at_ns);
void conn_event(struct worker *w, struct conn *c, uint32_t events);
void conn_request(struct worker *w, struct conn *c, uint64_t intended_ns, uint64_t now);
void conn_failed(struct worker *w, struct conn *c, enum cause cause, uint64_t now); // the request, with its connection
void conn_done(struct worker *w, struct conn *c, uint64_t now);			    // the answer is complete
void conn_available(struct worker *w, struct conn *c, uint64_t now);		    // may carry the next request
struct conn *conn_take(struct lane *lane);

// answer.c: what is received
void answer_bytes(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now);
void answer_end(struct worker *w, struct conn *c, uint64_t now); // the peer closed
// Counts a request of a slice that has been answered rightly, and what it took.
void answer_count(struct worker *w, uint32_t slice, uint64_t intended_ns, uint64_t sent_ns, uint64_t now);

// udp.c
struct udp_peer *udp_peers_alloc(uint32_t count);
struct udp_peer *udp_peer_at(struct udp_peer *peers, uint32_t index);
void udp_send(struct worker *w, struct conn *c, uint64_t intended_ns, uint64_t now);
void udp_event(struct worker *w, struct conn *c, uint32_t events);
void udp_timeout(struct worker *w, struct conn *c, uint64_t now);

static inline struct lane *lane_of(struct worker *w, const struct conn *c)
{
	return &w->lanes[c->target];
}

// A request of a measured slice counts for the target; one of a warm-up slice does not.
static inline struct stats *stats_of(struct worker *w, uint32_t slice)
{
	const struct slice *s = &w->plan->slices[slice];
	struct lane *lane = &w->lanes[s->target];
	return s->warm_up ? &lane->warm_up : &lane->measured;
}

// Requests of a slice without an answer yet. A damaged datagram may be booked twice, hence the guard.
static inline uint64_t outstanding(const struct slice_stats *s)
{
	uint64_t ended = s->requests + s->errors;
	return s->sent > ended ? s->sent - ended : 0;
}

#endif
