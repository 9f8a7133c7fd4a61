// SPDX-License-Identifier: Apache-2.0
// HTTP/2 connections and their streams (RFC 9113), by nghttp2. A worker's conns are its connections, and behind them
// its streams; a stream carries one request at a time.
#ifndef SHOWDOWN_H2_H
#define SHOWDOWN_H2_H

#include "state.h"

#define H2_STREAMS_MAX 100u // what servers allow without being asked (RFC 9113, 6.5.2)

struct nghttp2_session;
struct nghttp2_session_callbacks;

// One per connection, with the same index.
struct h2 {
	struct worker *w;
	struct conn *c;
	struct nghttp2_session *session; // NULL: not established
	uint64_t now, heard_ns;		 // heard: when bytes came the last time
	size_t out_size, out_done;
	bool listed; // in w->unsent
	uint8_t out[TLS_PLAIN_BYTES];
};

// The workload's state of a thread.
struct h2_state {
	uint32_t streams; // per connection
	struct h2 *connections;
	int32_t *ids; // of the HTTP/2 stream that each conn carries, by its index; 0: none
	struct nghttp2_session_callbacks *callbacks;
};

static inline struct h2_state *h2_state_of(const struct worker *w)
{
	return w->protocol_state;
}

static inline int32_t *h2_id_of(const struct worker *w, const struct conn *stream)
{
	return &h2_state_of(w)->ids[stream - w->conns];
}

static inline struct h2 *h2_of(const struct worker *w, const struct conn *c)
{
	return &h2_state_of(w)->connections[c - w->conns];
}

static inline struct h2 *h2_carrier_of(const struct worker *w, const struct conn *stream)
{
	return &h2_state_of(w)->connections[(uint32_t)(stream - w->conns - w->sockets_count) / h2_state_of(w)->streams];
}

static inline struct conn *h2_stream_of(const struct h2 *h2, uint32_t number)
{
	return h2->w->conns + h2->w->sockets_count + (h2->c - h2->w->conns) * h2_state_of(h2->w)->streams + number;
}

// Allocates the state of a thread. False: no memory.
bool h2_init(struct worker *w, uint32_t streams);
// The connection is established: frees its streams, and prepares what a client says first. False: no memory.
bool h2_open(struct h2 *h2, uint64_t now);
// The connection is lost: its streams' requests fail. Returns whether there were any.
bool h2_close(struct h2 *h2, enum cause cause);
// The stream may carry another request.
void h2_free_stream(struct worker *w, struct conn *stream);
// There is something to be sent: flush sends it.
void h2_will_send(struct h2 *h2);
// Sends what is to be sent, as far as the socket takes it. False with errno set: it did not take all.
bool h2_send_frames(struct h2 *h2);

#endif
