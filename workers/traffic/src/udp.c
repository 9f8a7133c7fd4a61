// SPDX-License-Identifier: Apache-2.0
// udp_rr: a datagram carries everything that its answer is judged by, so that any number may be on their way.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "worker.h"

#define MAGIC 0x53484f57u // "SHOW"
#define WINDOW 1024u	  // answers this far behind the newest are still told from duplicates

struct datagram {
	uint32_t magic, slice;
	uint64_t sequence, intended_ns, sent_ns;
	uint32_t connection;
	uint32_t crc; // of all fields before it: a damaged time would be a wrong measurement
};
_Static_assert(sizeof(struct datagram) == UDP_REQUEST_BYTES_MIN, "the smallest request is the header alone");

struct udp_peer {
	uint64_t next, newest; // sequences start at 1
	uint64_t seen[WINDOW / 64];
};

struct udp_peer *udp_peers_alloc(uint32_t count)
{
	return calloc(count, sizeof(struct udp_peer));
}

struct udp_peer *udp_peer_at(struct udp_peer *peers, uint32_t index)
{
	return &peers[index];
}

static uint32_t header_crc(const struct datagram *header)
{
	return crc32c(0, header, offsetof(struct datagram, crc));
}

void udp_send(struct worker *w, struct conn *c, uint64_t intended_ns, uint64_t now)
{
	struct lane *lane = lane_of(w, c);
	struct stats *stats = stats_of(w, c->slice);
	struct datagram header = {MAGIC, c->slice, ++c->udp->next, intended_ns, now, (uint32_t)(c - w->conns), 0};
	header.crc = header_crc(&header);
	memcpy(lane->request, &header, sizeof header); // the rest of it is the pattern, always
	ssize_t sent = send(c->fd, lane->request, lane->request_size, MSG_NOSIGNAL);
	if (sent < 0 && errno == ECONNREFUSED) {
		// An earlier datagram's fate, told now: it is counted, and this one is sent all the same.
		counter_add(&stats->counters.errors[CAUSE_REFUSED], 1);
		counter_add(&w->slices[c->slice].errors, 1);
		sent = send(c->fd, lane->request, lane->request_size, MSG_NOSIGNAL);
	}
	if (sent < 0) {
		// The socket stays; this datagram is gone. A full send buffer is the generator's limit, not the peer's.
		enum cause cause = errno == EAGAIN ? CAUSE_OTHER : cause_of_errno(errno);
		counter_add(&stats->counters.errors[cause], 1);
		counter_add(&w->slices[c->slice].errors, 1);
		c->active = false;
		c->deadline_ns = now + RETRY_NS;
		c->state = w->plan->open_loop ? CONN_IDLE : CONN_HEAD;
		if (w->plan->open_loop)
			conn_available(w, c, now);
		return;
	}
	counter_add(&stats->counters.bytes_sent, (uint64_t)sent);
	counter_add(&w->slices[c->slice].bytes_sent, (uint64_t)sent);
	if (w->plan->open_loop) {
		c->active = false; // free at once: answers are told apart by what they carry
		c->state = CONN_IDLE;
		conn_available(w, c, now);
	} else {
		c->state = CONN_HEAD;
	}
}

// Whether this answer was seen before; notes the order in which answers come.
static bool note_sequence(struct udp_peer *peer, uint64_t sequence, struct counters *counters)
{
	if (sequence > peer->newest) {
		uint64_t steps = sequence - peer->newest;
		if (steps >= WINDOW)
			memset(peer->seen, 0, sizeof peer->seen);
		for (uint64_t i = 1; i < steps && steps < WINDOW; i++) {
			uint64_t at = (peer->newest + i) % WINDOW;
			peer->seen[at / 64] &= ~(1ull << at % 64);
		}
		peer->newest = sequence;
	} else if (peer->newest - sequence >= WINDOW) {
		counter_add(&counters->reordered, 1);
		return false; // too old to know; an answer this late is rare, a duplicate this late rarer
	} else if (peer->seen[sequence % WINDOW / 64] >> sequence % 64 & 1) {
		counter_add(&counters->duplicates, 1);
		return true;
	} else {
		counter_add(&counters->reordered, 1);
	}
	peer->seen[sequence % WINDOW / 64] |= 1ull << sequence % 64;
	return false;
}

static void count_damage(struct worker *w)
{
	// Whose answer this was cannot be trusted: it is booked on the slice that runs.
	counter_add(&stats_of(w, w->slice)->counters.errors[CAUSE_CORRUPT], 1);
	counter_add(&w->slices[w->slice].errors, 1);
}

static void take_answer(struct worker *w, struct conn *c, const uint8_t *data, size_t size, uint64_t now)
{
	struct lane *lane = lane_of(w, c);
	struct datagram header;
	bool whole = size == lane->request_size;
	if (whole)
		memcpy(&header, data, sizeof header);
	if (!whole || header.magic != MAGIC || header.crc != header_crc(&header) ||
	    header.slice >= w->plan->slices_count || header.connection != (uint32_t)(c - w->conns) ||
	    header.sequence > c->udp->next ||
	    memcmp(data + sizeof header, lane->request + sizeof header, size - sizeof header) != 0) {
		count_damage(w);
		if (w->plan->open_loop)
			return;
		c->active = false;
		c->state = CONN_IDLE;
		conn_available(w, c, now);
		return;
	}
	struct counters *counters = &stats_of(w, header.slice)->counters;
	counter_add(&counters->bytes_received, size);
	counter_add(&w->slices[header.slice].bytes_received, size);
	if (note_sequence(c->udp, header.sequence, counters))
		return;
	if (!w->plan->open_loop && (!c->active || header.sequence != c->udp->next)) {
		counter_add(&counters->late, 1); // given up as lost before it came
		return;
	}
	answer_count(w, header.slice, header.intended_ns, header.sent_ns, now);
	if (w->plan->open_loop)
		return;
	c->active = false;
	c->state = CONN_IDLE;
	c->deadline_ns = NEVER;
	conn_available(w, c, now);
}

void udp_event(struct worker *w, struct conn *c, uint32_t events)
{
	ssize_t got = recv(c->fd, w->buffer, RECEIVE_BYTES, 0);
	uint64_t now = w->last_ns = now_ns();
	(void)events;
	if (got >= 0) {
		take_answer(w, c, w->buffer, (size_t)got, now);
	} else if (errno == ECONNREFUSED) {
		counter_add(&stats_of(w, w->slice)->counters.errors[CAUSE_REFUSED], 1);
		counter_add(&w->slices[w->slice].errors, 1);
		if (w->plan->open_loop || !c->active)
			return;
		c->active = false;
		c->deadline_ns = now + RETRY_NS; // the next one after a pause, by udp_timeout
	}
}

void udp_timeout(struct worker *w, struct conn *c, uint64_t now)
{
	if (c->active) {
		struct counters *counters = &stats_of(w, c->slice)->counters;
		counter_add(&counters->lost, 1);
		counter_add(&counters->errors[CAUSE_TIMEOUT], 1);
		counter_add(&w->slices[c->slice].errors, 1);
	}
	c->active = false;
	c->state = CONN_IDLE;
	c->deadline_ns = NEVER;
	conn_available(w, c, now);
}
