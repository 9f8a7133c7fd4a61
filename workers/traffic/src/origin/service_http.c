// SPDX-License-Identifier: Apache-2.0
// http: /bytes/N, /echo, /stream, /v1/chat/completions and /whoami over HTTP/1.1, with keep-alive and pipelining.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "peer.h"
#include "response.h"
#include "route.h"
#include "upload.h"

#define MAKE_UP_NS (2 * NS_PER_MS)
#define POLL_NS (NS_PER_MS / 2) // timers of virtual machines are late by tens of microseconds

// A response was sent. True: the connection takes another request.
static bool finish(struct server *s, struct peer *p)
{
	p->responding = p->streaming = false;
	if (p->keep_alive) {
		peer_want(s, p, EPOLLIN);
		return true;
	}
	if (!p->discarding) {
		peer_close(s, p);
		return false;
	}
	shutdown(p->fd, SHUT_WR); // what still arrives is read and discarded, until the peer closes
	peer_want(s, p, EPOLLIN);
	return false;
}

static void sleep_until(uint64_t at_ns)
{
	struct timespec until = timespec_of(at_ns);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

// With --delay-us: an answer of known latency. The thread polls the clock at the end, so that no late timer adds to it.
static void delay(uint64_t delay_ns)
{
	uint64_t until = now_ns() + delay_ns;
	if (delay_ns > POLL_NS)
		sleep_until(until - POLL_NS);
	while (now_ns() < until)
		;
}

// With --service-us: the thread is a server with one place and a constant service time. A late wake-up is made up for,
// so that its capacity is the stated one; MAKE_UP_NS limits how much of an idle time counts as such.
static void occupy(struct server *s)
{
	uint64_t now = now_ns();
	if (s->occupied_until_ns + MAKE_UP_NS < now)
		s->occupied_until_ns = now - MAKE_UP_NS;
	s->occupied_until_ns += s->plan->service_ns;
	if (s->occupied_until_ns <= now)
		return;
	sleep_until(s->occupied_until_ns);
}

// Returns how many bytes belong to the request's head; 0: it is incomplete.
static size_t begin_request(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request_head head;
	ssize_t length = request_parse((const char *)data, size, &head);
	if (length == 0)
		return 0;
	if (length < 0) {
		response_refuse(s, p, "400 Bad Request");
		return size;
	}
	s->served.requests++;
	if (s->plan->service_ns)
		occupy(s);
	if (s->plan->delay_ns)
		delay(s->plan->delay_ns);
	p->keep_alive = head.keep_alive;
	upload_begin(p, &head);
	route(s, p, &head);
	if (p->fd >= 0 && p->uploading && p->responding && !p->discarding)
		response_refuse(s, p, "400 Bad Request"); // this path takes no body
	if (p->discarding)
		p->uploading = false;
	if (p->uploading && head.expects_continue)
		(void)!send(p->fd, interim, sizeof interim - 1, MSG_NOSIGNAL);
	if ((p->echo || p->llm) && !p->uploading)
		upload_take(s, p, data, 0);
	return (size_t)length;
}

// Handles requests until the bytes are used up, or a response has to wait. The rest is kept in `in`.
static void process(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	while (p->fd >= 0 && !p->responding && !p->discarding) {
		size_t used = 0;
		if (p->uploading)
			used = upload_take(s, p, data, size);
		else if (size)
			used = begin_request(s, p, data, size);
		data += used, size -= used;
		if (p->fd < 0)
			return;
		if (p->responding && !p->streaming && response_send(s, p) && !finish(s, p))
			return;
		if (p->streaming && response_send(s, p))
			peer_want(s, p, 0); // the timer sends the tokens
		if (!used || !size)
			break;
	}
	if (p->fd < 0 || p->discarding)
		return;
	if (size)
		memmove(p->in, data, size); // fits: at most HEAD_MAX bytes are read beyond an upload
	p->in_used = size;
}

// How many bytes are read at once.
static size_t room_for(const struct peer *p)
{
	size_t room = HEAD_MAX - p->in_used;
	if (p->discarding || (p->uploading && !p->chunked))
		room = SCRATCH_BYTES / 2;
	if (p->uploading && !p->chunked && room > p->upload_left + HEAD_MAX)
		room = (size_t)p->upload_left + HEAD_MAX;
	if (p->uploading && p->in_used)
		room = HEAD_MAX - p->in_used;
	return room;
}

static void readable(struct server *s, struct peer *p)
{
	memcpy(s->scratch, p->in, p->in_used);
	ssize_t got = recv(p->fd, s->scratch + p->in_used, room_for(p), 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		peer_close(s, p);
		return;
	}
	s->served.bytes_received += (uint64_t)got;
	if (!p->discarding)
		process(s, p, s->scratch, p->in_used + (size_t)got);
}

// A response was sent. Handles the requests that arrived meanwhile.
static void go_on(struct server *s, struct peer *p)
{
	if (!finish(s, p))
		return;
	size_t kept = p->in_used;
	memcpy(s->scratch, p->in, kept);
	process(s, p, s->scratch, kept);
}

static void due(struct server *s, struct peer *p, uint64_t now)
{
	if (response_send_tokens(s, p, now))
		go_on(s, p);
}

static void writable(struct server *s, struct peer *p)
{
	if (!p->responding || !response_send(s, p))
		return;
	if (!p->streaming) {
		go_on(s, p);
		return;
	}
	peer_want(s, p, 0);
	due(s, p, now_ns());
}

static const struct service http = {
	.name = "http",
	.help = "port of the HTTP server; 0: any free one",
	.socket_type = SOCK_STREAM,
	.accept = peers_accept,
	.readable = readable,
	.writable = writable,
	.due = due,
};
SERVICE(http);
