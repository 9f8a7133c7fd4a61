// SPDX-License-Identifier: Apache-2.0
// A TCP relay: it pairs each client's connection with a connection to the origin. Bytes go through a pipe by splice(2).
// If the relay is given socket maps, an eBPF verdict program moves the bytes, and the relay only opens and closes.
// As a UDP relay it pairs each flow of datagrams with a socket to the origin.
//
// This header holds the data; a module's header holds its functions. Modules call downwards only:
// main → worker → {session → {pipes, kernel, origin, session_pool}, flow → {datagram, flow_table}}.
#ifndef SHOWDOWN_RELAY_H
#define SHOWDOWN_RELAY_H

#include <pthread.h>

#include "direction.h"
#include "flow_table.h"
#include "relay_options.h"
#include "pipes.h"
#include "session_pool.h"
#include "stats_page.h"

// The two sides of a session. directions[CLIENT] leads from the client to the origin.
enum { CLIENT, ORIGIN, SIDES };

struct side {
	struct session *session;
	int fd;
	uint32_t interest; // the events that epoll reports
	bool watched;	   // epoll knows the socket
};

struct session {
	struct side sides[SIDES];
	struct direction directions[SIDES];
	struct worker *owner; // the only thread that touches the session once epoll watches it
	bool open, connecting;
	bool draining; // waits for the kernel to write the rest of an ended direction
	uint64_t due_ns, pause_ns, progress_ns;
	struct session *next;	       // in the pool, or in its owner's `closed`
	struct session *next_draining; // in its owner's `draining`
};

// One socket of a flow.
struct flow_side {
	struct flow *flow;
	int fd;
};

// The datagrams between one client and one destination.
struct flow {
	union address client, destination;
	struct flow_side sides[SIDES];
	_Atomic uint64_t last_ns; // when a datagram last passed
	struct flow *next;	  // in its bucket, or among the spare ones
	struct flow *next_own;	  // in its owner's `flows`; only the owner closes it
};

struct worker {
	struct relay *relay;
	struct counters *counters;
	pthread_t thread;
	int epoll_fd;
	bool accepting;
	uint64_t accept_again_ns;
	struct pipe_pool pipes;
	struct session *closed; // in this batch of events; reused after it
	struct session *draining;
	// Of a UDP relay:
	struct flow *flows;
	uint64_t now_ns, expire_ns; // the time of this batch of events; when idle flows are looked for again
	uint8_t *buffer;	    // DATAGRAM_BYTES
};

struct relay {
	struct relay_options options;
	struct stats_page *stats_page;
	struct worker *workers;
	int listen_fd, stop_fd;
	struct session_pool sessions;
	struct flow_table flows;
	_Atomic bool limit_reported;
};

#endif
