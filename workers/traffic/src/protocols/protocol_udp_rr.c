// SPDX-License-Identifier: Apache-2.0
// udp_rr: a flight of datagrams and their echoes. A request is a flight, and is answered when all of it has come back.
// A datagram carries all that its answer is judged by, so that any number of them may be under way.
#include <errno.h>
#include <linux/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "conn.h"
#include "datagram.h"
#include "echoes.h"
#include "message.h"
#include "record.h"

#define MAGIC 0x53484f57u     // "SHOW"
#define MESSAGE_BYTES_MIN 40u // the header
#define MESSAGE_BYTES_MAX 65507u
#define FLIGHT_MAX 64u		// as many as the kernel segments (UDP_MAX_SEGMENTS of Linux before 6.2)
#define FLIGHT_BYTES_MAX 65507u // as much as it takes at once

struct datagram_header {
	uint32_t magic, slice;
	uint64_t sequence, intended_ns, sent_ns;
	uint32_t connection;
	uint32_t crc; // of all fields before it: a damaged time would be a wrong measurement
};
_Static_assert(sizeof(struct datagram_header) == MESSAGE_BYTES_MIN, "the smallest message is the header alone");

static struct {
	uint64_t datagrams; // of a flight
	bool gso;
} own = {.datagrams = 1};

static const struct option_row rows[] = {
	{"datagrams", "N", OPTION_U64, offsetof(__typeof__(own), datagrams), 1, FLIGHT_MAX, "1",
	 "datagrams of a flight, which is one request", NULL},
	{"udp-gso", NULL, OPTION_FLAG, offsetof(__typeof__(own), gso), 0, 0, NULL,
	 "gives the kernel a flight at once (UDP_SEGMENT), and takes merged answers (UDP_GRO)", NULL},
};

static bool prepare(struct load_options *options, struct args *args)
{
	if (!message_prepare(options, args, MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX))
		return false;
	return !own.gso || own.datagrams * options->body_bytes <= FLIGHT_BYTES_MAX ||
	       args_refuse(args, "--udp-gso: a flight has at most %u bytes", FLIGHT_BYTES_MAX);
}

// The flight's datagrams, one behind another.
static bool compose(const struct plan *plan, struct target_state *target)
{
	if (!message_compose(plan, target))
		return false;
	size_t size = target->request_size;
	char *flight = realloc(target->request, own.datagrams * size);
	if (!flight)
		return false;
	for (uint64_t i = 1; i < own.datagrams; i++)
		memcpy(flight + i * size, flight, size);
	target->request = flight;
	return true;
}

static bool init(struct worker *w)
{
	w->protocol_state = calloc(w->conns_count, sizeof(struct echoes));
	return w->protocol_state != NULL;
}

static void opened(struct worker *w, struct conn *c, uint64_t now)
{
	int size = (int)target_of(w, c)->request_size;
	if (own.gso) {
		datagram_merge(c->fd);
		if (setsockopt(c->fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) != 0) {
			conn_fail(w, c, CAUSE_OTHER, errno, now);
			return;
		}
	}
	conn_established(w, c, now);
}

static struct echoes *echoes_of(const struct worker *w, const struct conn *c)
{
	return (struct echoes *)w->protocol_state + (c - w->conns);
}

static uint64_t flight_of(uint64_t sequence)
{
	return (sequence - 1) / own.datagrams;
}

static uint32_t header_crc(const struct datagram_header *header)
{
	return crc32c(0, header, offsetof(struct datagram_header, crc));
}

// The connection has no request any more.
static void finish(struct worker *w, struct conn *c)
{
	c->active = false;
	c->state = CONN_IDLE;
	c->deadline_ns = NEVER;
	conn_ready(w, c);
}

// The socket stays, but this flight is gone.
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

static ssize_t send_once(struct worker *w, struct conn *c, const char *data, size_t size)
{
	ssize_t sent = send(c->fd, data, size, MSG_NOSIGNAL);
	if (sent < 0 && errno == ECONNREFUSED) {
		// The error belongs to an earlier datagram: it is counted, and this one is sent.
		record_slice_error(w, c->slice, CAUSE_REFUSED);
		sent = send(c->fd, data, size, MSG_NOSIGNAL);
	}
	return sent;
}

// Only the headers change: the rest is the pattern, always.
static void write_headers(struct worker *w, struct conn *c, uint64_t now)
{
	struct target_state *target = target_of(w, c);
	struct echoes *echoes = echoes_of(w, c);
	for (uint64_t i = 0; i < own.datagrams; i++) {
		struct datagram_header header = {
			MAGIC, c->slice, ++echoes->next, c->intended_ns, now, (uint32_t)(c - w->conns), 0};
		header.crc = header_crc(&header);
		memcpy(target->request + i * target->request_size, &header, sizeof header);
	}
}

static void request(struct worker *w, struct conn *c, uint64_t now)
{
	struct target_state *target = target_of(w, c);
	size_t size = target->request_size, whole = own.datagrams * size, each = own.gso ? whole : size;
	write_headers(w, c, now);
	for (size_t at = 0; at < whole; at += each) {
		ssize_t sent = send_once(w, c, target->request + at, each);
		if (sent < 0) {
			send_failed(w, c, errno, now);
			return;
		}
		record_bytes_sent(w, c->slice, (uint64_t)sent);
		counter_add(&w->slices[c->slice].counters.datagrams_sent, each / size);
	}
	c->state = CONN_HEAD;
	if (w->plan->open_loop)
		finish(w, c); // free at once: answers are matched by their header
}

static bool is_intact(const struct worker *w, const struct conn *c, const struct target_state *target,
		      const uint8_t *data, size_t size, struct datagram_header *header)
{
	if (size != target->request_size)
		return false;
	memcpy(header, data, sizeof *header);
	return header->magic == MAGIC && header->crc == header_crc(header) && header->slice < w->plan->slices_count &&
	       header->connection == (uint32_t)(c - w->conns) && header->sequence &&
	       header->sequence <= echoes_of(w, c)->next &&
	       !memcmp(data + sizeof *header, target->request + sizeof *header, size - sizeof *header);
}

// Whether it is to be judged: a duplicate is only counted.
static bool count_echo(struct worker *w, uint32_t slice, enum echo echo)
{
	struct counters *counters = &stats_of_slice(w, slice)->counters;
	struct slice_counters *own_slice = &w->slices[slice].counters;
	if (echo == ECHO_DUPLICATE) {
		counter_add(&counters->duplicates, 1);
		return false;
	}
	if (echo == ECHO_REORDERED) {
		counter_add(&counters->reordered, 1);
		counter_add(&own_slice->datagrams_reordered, 1);
	}
	counter_add(&own_slice->datagrams_back, 1);
	return true;
}

static void received(struct worker *w, struct conn *c, const uint8_t *data, size_t size, uint64_t now)
{
	struct echoes *echoes = echoes_of(w, c);
	struct datagram_header header;
	bool open_loop = w->plan->open_loop;
	if (!is_intact(w, c, target_of(w, c), data, size, &header)) {
		// The header cannot be trusted: it counts for the slice that runs.
		record_slice_error(w, w->slice, CAUSE_CORRUPT);
		if (!open_loop)
			finish(w, c);
		return;
	}
	record_bytes_received(w, header.slice, size);
	if (!count_echo(w, header.slice, echoes_note(echoes, header.sequence)))
		return;
	if (own.datagrams > 1 && !echoes_complete(echoes, flight_of(header.sequence), own.datagrams))
		return;
	if (!open_loop && (!c->active || flight_of(header.sequence) != flight_of(echoes->next))) {
		counter_add(&stats_of_slice(w, header.slice)->counters.late, 1); // it was counted as lost before
		return;
	}
	record_answer(w, header.slice, header.intended_ns, header.sent_ns, now);
	if (!open_loop)
		finish(w, c);
}

// Merged answers have the same size; what is left at the end is damaged.
static void received_all(struct worker *w, struct conn *c, size_t got, uint64_t now)
{
	size_t each = own.gso ? target_of(w, c)->request_size : got, done = 0;
	do {
		size_t size = got - done < each ? got - done : each;
		received(w, c, w->buffer + done, size, now);
		done += size;
	} while (done < got);
}

static void event(struct worker *w, struct conn *c, uint32_t events)
{
	(void)events; // the socket is registered for EPOLLIN alone, and recv() returns its error
	for (uint64_t i = 0; i < own.datagrams; i++) {
		ssize_t got = recv(c->fd, w->buffer, RECEIVE_BYTES, MSG_DONTWAIT);
		uint64_t now = w->last_ns = now_ns();
		if (got >= 0) {
			received_all(w, c, (size_t)got, now);
			continue;
		}
		if (errno != ECONNREFUSED)
			return;
		record_slice_error(w, w->slice, CAUSE_REFUSED);
		if (w->plan->open_loop || !c->active)
			return;
		c->active = false;
		c->deadline_ns = now + CONN_PAUSE_NS;
		return;
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
	.options = rows,
	.options_count = sizeof rows / sizeof *rows,
	.option_values = &own,
	.prepare = prepare,
	.compose = compose,
	.init = init,
	.opened = opened,
	.request = request,
	.event = event,
	.timeout = timeout,
};
PROTOCOL(udp_rr);
