// SPDX-License-Identifier: Apache-2.0
#include "tcp.h"

#include <errno.h>

#include "answer.h"
#include "conn.h"
#include "record.h"

#define SPANS 16 // of an upload's body per system call

static ssize_t send_head_and_body(struct worker *w, struct conn *c)
{
	const struct target_state *target = target_of(w, c);
	struct iovec spans[SPANS + 1];
	int used = 0;
	uint64_t body_at = 0;
	if (c->out_done < target->request_size)
		spans[used++] = (struct iovec){target->request + c->out_done, target->request_size - c->out_done};
	else
		body_at = c->out_done - target->request_size;
	used += body_spans(&w->plan->upload, body_at, spans + used, SPANS);
	struct msghdr message = {.msg_iov = spans, .msg_iovlen = (size_t)used};
	return sendmsg(c->fd, &message, MSG_NOSIGNAL);
}

static void send_rest(struct worker *w, struct conn *c, uint64_t now)
{
	struct target_state *target = target_of(w, c);
	uint64_t whole = target->request_size + w->plan->upload.length;
	while (c->out_done < whole) {
		ssize_t sent = w->plan->upload.length ? send_head_and_body(w, c)
						      : send(c->fd, target->request + c->out_done,
							     target->request_size - c->out_done, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			c->sending = true;
			return;
		}
		if (sent < 0) {
			conn_fail(w, c, cause_of_errno(errno), errno, now);
			return;
		}
		c->out_done += (uint64_t)sent;
		record_bytes_sent(w, c->slice, (uint64_t)sent);
	}
	c->sending = false;
}

void tcp_send_request(struct worker *w, struct conn *c, uint64_t now)
{
	c->out_done = c->body_done = 0;
	c->corrupt = c->bad_status = c->chunked = c->until_close = c->begun = false;
	c->keep_alive = true;
	send_rest(w, c, now);
}

static void received(struct worker *w, struct conn *c, size_t size, uint64_t now)
{
	if (c->active) {
		record_bytes_received(w, c->slice, size);
		w->protocol->received(w, c, (const char *)w->buffer, size, now);
	} else if (w->protocol->announces_close && w->protocol->announces_close((const char *)w->buffer, size)) {
		answer_closed(w, c, now);
	} else if (c->state != CONN_CLOSING) {
		conn_fail(w, c, CAUSE_CORRUPT, 0, now); // bytes without a request
	}
}

static void receive(struct worker *w, struct conn *c)
{
	const uint8_t generation = c->generation;
	while (c->generation == generation) {
		ssize_t got = recv(c->fd, w->buffer, RECEIVE_BYTES, 0);
		if (got < 0 && errno == EAGAIN)
			return;
		uint64_t now = w->last_ns = now_ns();
		if (got < 0 && c->active) {
			conn_fail(w, c, cause_of_errno(errno), errno, now);
		} else if (got <= 0) { // without a request, a reset is a close like another
			answer_closed(w, c, now);
			return;
		} else {
			received(w, c, (size_t)got, now);
			// A short read has emptied the socket, and the next byte causes an event. After a hang-up
			// there is no further event.
			if (got < (ssize_t)RECEIVE_BYTES && !c->hung_up)
				return;
		}
	}
}

// False: the connection is not established, or failed.
static bool finish_connect(struct worker *w, struct conn *c, uint32_t events)
{
	uint64_t now = w->last_ns = now_ns();
	int error = 0;
	socklen_t size = sizeof error;
	if (events & (EPOLLERR | EPOLLHUP))
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		conn_fail(w, c, cause_of_errno(error), error, now);
		return false;
	}
	if (!(events & EPOLLOUT))
		return false;
	hist_record(&stats_of_conn(w, c)->timings[CONNECT], now - c->connect_ns);
	conn_established(w, c, now);
	return c->fd >= 0;
}

void tcp_event(struct worker *w, struct conn *c, uint32_t events)
{
	const uint8_t generation = c->generation;
	if (c->state == CONN_CONNECTING) {
		if (!finish_connect(w, c, events))
			return;
	} else if (c->sending && events & EPOLLOUT) {
		send_rest(w, c, w->last_ns = now_ns());
	}
	if (c->generation != generation)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hung_up = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		receive(w, c);
}
