// SPDX-License-Identifier: Apache-2.0
// udp_rr: a datagram and its echo. The datagram carries all that its answer is judged by, so that any number of them
// may be under way.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "conn.h"
#include "message.h"
#include "record.h"

#define MAGIC 0x53484f57u     // "SHOW"
#define WINDOW 1024u	      // duplicates are detected among this many answers before the newest
#define MESSAGE_BYTES_MIN 40u // the header
#define MESSAGE_BYTES_MAX 65507u

struct datagram {
	uint32_t magic, slice;
	uint64_t sequence, intended_ns, sent_ns;
	uint32_t connection;
	uint32_t crc; // of all fields before it: a damaged time would be a wrong measurement
};
_Static_assert(sizeof(struct datagram) == MESSAGE_BYTES_MIN, "the smallest message is the header alone");

// One per connection, with the same index.
struct peer {
	uint64_t next, newest; // sequences start at 1
	uint64_t seen[WINDOW / 64];
};

static bool prepare(struct load_options *options, struct args *args)
{
	return message_prepare(options, args, MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX);
}

static bool init(struct worker *w)
{
	w->protocol_state = calloc(w->conns_count, sizeof(struct peer));
	return w->protocol_state != NULL;
}

static struct peer *peer_of(const struct worker *w, const struct conn *c)
{
	return (struct peer *)w->protocol_state + (c - w->conns);
}

static uint32_t header_crc(const struct datagram *header)
{
	return crc32c(0, header, offsetof(struct datagram, crc));
}

// The connection has no request any more.
static void finish(struct worker *w, struct conn *c)
{
	c->active = false;
	c->state = CONN_IDLE;
	c->deadline_ns = NEVER;
	conn_ready(w, c);
}

// The socket stays, but this datagram is gone.
static void send_failed(struct worker *w, struct conn *c, int error, uint64_t now)
{
	// A full send buffer is a limit of the generator, not of the peer.
	record_error(w, c, error == EAGAIN ? CAUSE_OTHER : cause_of_errno(error));
	if (w->plan->open_loop) {
		finish(w, c);
		return;
	}
	c->state = CONN_HEAD;
	c->deadline_ns = now + CONN_PAUSE_NS; // then timeout() makes it free
}

static void request(struct worker *w, struct conn *c, uint64_t now)
{
	struct target_state *target = target_of(w, c);
	struct datagram header = {MAGIC, c->slice, ++peer_of(w, c)->next, c->intended_ns, now, (uint32_t)(c - w->conns),
				  0};
	header.crc = header_crc(&header);
	memcpy(target->request, &header, sizeof header); // the rest is the pattern, always
	ssize_t sent = send(c->fd, target->request, target->request_size, MSG_NOSIGNAL);
	if (sent < 0 && errno == ECONNREFUSED) {
		// The error belongs to an earlier datagram: it is counted, and this one is sent.
		record_slice_error(w, c->slice, CAUSE_REFUSED);
		sent = send(c->fd, target->request, target->request_size, MSG_NOSIGNAL);
	}
	if (sent < 0) {
		send_failed(w, c, errno, now);
		return;
	}
	record_bytes_sent(w, c->slice, (uint64_t)sent);
	c->state = CONN_HEAD;
	if (w->plan->open_loop)
		finish(w, c); // free at once: answers are matched by their header
}

// Moves the window of seen answers on to `sequence`, which is newer than all before.
static void move_window(struct peer *peer, uint64_t sequence)
{
	uint64_t steps = sequence - peer->newest;
	if (steps >= WINDOW)
		memset(peer->seen, 0, sizeof peer->seen);
	for (uint64_t i = 1; i < steps && steps < WINDOW; i++) {
		uint64_t at = (peer->newest + i) % WINDOW;
		peer->seen[at / 64] &= ~(1ull << at % 64);
	}
	peer->newest = sequence;
}

// Whether this answer was seen before. Counts duplicates and answers out of order.
static bool is_duplicate(struct peer *peer, uint64_t sequence, struct counters *counters)
{
	uint64_t *word = &peer->seen[sequence % WINDOW / 64], bit = 1ull << sequence % 64;
	if (sequence > peer->newest) {
		move_window(peer, sequence);
	} else if (peer->newest - sequence < WINDOW && *word & bit) {
		counter_add(&counters->duplicates, 1);
		return true;
	} else {
		counter_add(&counters->reordered, 1);
		if (peer->newest - sequence >= WINDOW)
			return false; // too old for the window
	}
	*word |= bit;
	return false;
}

static bool is_intact(const struct worker *w, const struct conn *c, const struct target_state *target,
		      const uint8_t *data, size_t size, struct datagram *header)
{
	if (size != target->request_size)
		return false;
	memcpy(header, data, sizeof *header);
	return header->magic == MAGIC && header->crc == header_crc(header) && header->slice < w->plan->slices_count &&
	       header->connection == (uint32_t)(c - w->conns) && header->sequence <= peer_of(w, c)->next &&
	       !memcmp(data + sizeof *header, target->request + sizeof *header, size - sizeof *header);
}

static void received(struct worker *w, struct conn *c, const uint8_t *data, size_t size, uint64_t now)
{
	struct peer *peer = peer_of(w, c);
	struct datagram header;
	bool open_loop = w->plan->open_loop;
	if (!is_intact(w, c, target_of(w, c), data, size, &header)) {
		// The header cannot be trusted: it counts for the slice that runs.
		record_slice_error(w, w->slice, CAUSE_CORRUPT);
		if (!open_loop)
			finish(w, c);
		return;
	}
	struct counters *counters = &stats_of_slice(w, header.slice)->counters;
	record_bytes_received(w, header.slice, size);
	if (is_duplicate(peer, header.sequence, counters))
		return;
	if (!open_loop && (!c->active || header.sequence != peer->next)) {
		counter_add(&counters->late, 1); // it was counted as lost before
		return;
	}
	record_answer(w, header.slice, header.intended_ns, header.sent_ns, now);
	if (!open_loop)
		finish(w, c);
}

static void event(struct worker *w, struct conn *c, uint32_t events)
{
	(void)events; // the socket is registered for EPOLLIN alone, and recv() returns its error
	ssize_t got = recv(c->fd, w->buffer, RECEIVE_BYTES, 0);
	uint64_t now = w->last_ns = now_ns();
	if (got >= 0) {
		received(w, c, w->buffer, (size_t)got, now);
	} else if (errno == ECONNREFUSED) {
		record_slice_error(w, w->slice, CAUSE_REFUSED);
		if (w->plan->open_loop || !c->active)
			return;
		c->active = false;
		c->deadline_ns = now + CONN_PAUSE_NS;
	}
}

static void timeout(struct worker *w, struct conn *c, uint64_t now)
{
	if (c->state == CONN_RETRY) {
		conn_timeout(w, c, now);
		return;
	}
	if (c->active) {
		counter_add(&stats_of_slice(w, c->slice)->counters.lost, 1);
		record_error(w, c, CAUSE_TIMEOUT);
	}
	finish(w, c);
}

static const struct protocol udp_rr = {
	.name = "udp_rr",
	.body_bytes = 64,
	.socket_type = SOCK_DGRAM,
	.events = EPOLLIN, // level-triggered: one recv() per event suffices
	.may_lose = true,
	.prepare = prepare,
	.compose = message_compose,
	.init = init,
	.opened = conn_established,
	.request = request,
	.event = event,
	.timeout = timeout,
};
PROTOCOL(udp_rr);
