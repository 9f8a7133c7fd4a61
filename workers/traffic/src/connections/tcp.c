// SPDX-License-Identifier: Apache-2.0
#include "tcp.h"

#include <errno.h>

#include "answer.h"
#include "conn.h"
#include "record.h"

#define SPANS 16 // of an upload's body per system call

void tcp_fail(struct worker *w, struct conn *c, int error, uint64_t now)
{
	if (c->tls)
		tls_explain(c->tls, w->hint, sizeof w->hint);
	conn_fail(w, c, cause_of_errno(error), error, now);
}

static ssize_t send_head_and_body(struct worker *w, struct conn *c)
{
	struct body upload = w->plan->upload;
	struct iovec spans[SPANS + 1];
	int used = 0;
	uint64_t body_at = 0;
	if (c->out_done < c->request_size)
		spans[used++] =
			(struct iovec){(void *)(uintptr_t)(c->request + c->out_done), c->request_size - c->out_done};
	else
		body_at = c->out_done - c->request_size;
	upload.length = c->upload_bytes;
	used += body_spans(&upload, body_at, spans + used, SPANS);
	struct msghdr message = {.msg_iov = spans, .msg_iovlen = (size_t)used};
	return sendmsg(c->fd, &message, MSG_NOSIGNAL);
}

ssize_t tcp_send(struct conn *c, const void *data, size_t size)
{
	return c->tls ? tls_send(c->tls, data, size) : send(c->fd, data, size, MSG_NOSIGNAL);
}

// The next contiguous piece of head and body. After EAGAIN it is the same one again, as tls_send() asks for.
static ssize_t send_encrypted(struct worker *w, struct conn *c)
{
	struct body upload = w->plan->upload;
	struct iovec span = {0};
	if (c->out_done < c->request_size)
		return tls_send(c->tls, c->request + c->out_done, c->request_size - c->out_done);
	upload.length = c->upload_bytes;
	body_spans(&upload, c->out_done - c->request_size, &span, 1);
	return tls_send(c->tls, span.iov_base, span.iov_len < TLS_PLAIN_BYTES ? span.iov_len : TLS_PLAIN_BYTES);
}

static ssize_t send_piece(struct worker *w, struct conn *c)
{
	if (c->tls)
		return send_encrypted(w, c);
	if (c->upload_bytes)
		return send_head_and_body(w, c);
	return send(c->fd, c->request + c->out_done, c->request_size - c->out_done, MSG_NOSIGNAL);
}

static void send_rest(struct worker *w, struct conn *c, uint64_t now)
{
	uint64_t whole = c->request_size + c->upload_bytes;
	while (c->out_done < whole) {
		ssize_t sent = send_piece(w, c);
		if (sent < 0 && errno == EAGAIN) {
			c->sending = true;
			return;
		}
		if (sent < 0) {
			tcp_fail(w, c, errno, now);
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
	c->corrupt = c->bad_status = c->chunked = c->until_close = c->begun = c->unchecked = false;
	c->keep_alive = true;
	c->request = target_of(w, c)->request;
	c->request_size = target_of(w, c)->request_size;
	c->upload_bytes = w->plan->upload.length;
	c->expected_bytes = w->plan->expected.length;
	if (w->protocol->compose_one)
		w->protocol->compose_one(w, c);
	send_rest(w, c, now);
}

static void received(struct worker *w, struct conn *c, const void *data, size_t size, uint64_t now)
{
	const struct protocol *protocol = w->protocol;
	if (c->active) {
		record_bytes_received(w, c->slice, size);
		record_source_bytes(w, c, size, now);
		protocol->received(w, c, data, size, now);
	} else if (protocol->streams) {
		protocol->received(w, c, data, size, now); // which knows whose bytes they are
	} else if (protocol->announces_close && protocol->announces_close(data, size)) {
		answer_closed(w, c, now);
	} else if (c->state != CONN_CLOSING) {
		conn_fail(w, c, CAUSE_CORRUPT, 0, now); // bytes without a request
	}
}

// Goes on with the handshake. False: it is not over, or it failed.
static bool negotiate(struct worker *w, struct conn *c, uint64_t now)
{
	enum tls_result result = tls_handshake(c->tls);
	if (result == TLS_WAITS)
		return false;
	if (result != TLS_DONE) {
		tcp_fail(w, c, c->tls->error ? c->tls->error : EPROTO, now);
		return false;
	}
	hist_record(&stats_of_conn(w, c)->timings[HANDSHAKE], now - c->tls->began_ns);
	conn_established(w, c, now);
	return c->fd >= 0;
}

// Decrypts what the socket has received.
static void received_encrypted(struct worker *w, struct conn *c, size_t size, uint64_t now)
{
	const uint8_t generation = c->generation;
	size_t got;
	tls_feed(c->tls, w->buffer, size);
	if (c->state == CONN_HANDSHAKE && !negotiate(w, c, now))
		return;
	while (c->generation == generation) {
		switch (tls_read(c->tls, w->plain, TLS_PLAIN_BYTES, &got)) {
		case TLS_DONE:
			received(w, c, w->plain, got, now);
			break;
		case TLS_WAITS:
			return;
		case TLS_CLOSED:
			answer_closed(w, c, now);
			return;
		case TLS_FAILED:
			tcp_fail(w, c, c->tls->error ? c->tls->error : EPROTO, now);
			return;
		}
	}
}

// The stream has ended, or failed with this error.
static void ended(struct worker *w, struct conn *c, int error, uint64_t now)
{
	if (error && (c->active || c->state == CONN_HANDSHAKE))
		tcp_fail(w, c, error, now);
	else if (c->state == CONN_HANDSHAKE)
		tcp_fail(w, c, EPROTO, now);
	else if (c->tls && c->active && c->until_close && !c->tls->closed)
		conn_fail(w, c, CAUSE_SHORT, 0, now); // anyone can end a TCP stream, but only the peer can say goodbye
	else
		answer_closed(w, c, now); // without a request, a reset is a close like another
}

static void receive(struct worker *w, struct conn *c)
{
	const uint8_t generation = c->generation;
	while (c->generation == generation) {
		ssize_t got = recv(c->fd, w->buffer, RECEIVE_BYTES, 0);
		int error = got < 0 ? errno : 0;
		if (error == EAGAIN)
			return;
		uint64_t now = w->last_ns = now_ns();
		if (got <= 0) {
			ended(w, c, error, now);
			return;
		}
		if (c->tls)
			received_encrypted(w, c, (size_t)got, now);
		else
			received(w, c, w->buffer, (size_t)got, now);
		// A short read has emptied the socket, and the next byte causes an event. After a hang-up there is no
		// further event.
		if (got < (ssize_t)RECEIVE_BYTES && !c->hung_up)
			return;
	}
}

static void begin_tls(struct worker *w, struct conn *c, uint64_t now)
{
	c->state = CONN_HANDSHAKE;
	if (tls_begin(c->tls, target_of(w, c)->tls, c->fd, now))
		negotiate(w, c, now);
	else
		conn_fail(w, c, CAUSE_DESCRIPTORS, ENOMEM, now);
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
	if (target_of(w, c)->tls)
		begin_tls(w, c, now);
	else
		conn_established(w, c, now);
	return c->fd >= 0;
}

// The socket takes bytes again.
static void writable(struct worker *w, struct conn *c)
{
	uint64_t now = w->last_ns = now_ns();
	if (c->state == CONN_HANDSHAKE)
		negotiate(w, c, now);
	else if (w->protocol->streams)
		w->protocol->writable(w, c, now);
	else
		send_rest(w, c, now);
}

void tcp_event(struct worker *w, struct conn *c, uint32_t events)
{
	const uint8_t generation = c->generation;
	if (c->state == CONN_CONNECTING) {
		if (!finish_connect(w, c, events))
			return;
	} else if ((c->sending || c->state == CONN_HANDSHAKE) && events & EPOLLOUT) {
		writable(w, c);
	}
	if (c->generation != generation)
		return;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hung_up = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		receive(w, c);
}
