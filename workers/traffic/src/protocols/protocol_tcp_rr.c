// SPDX-License-Identifier: Apache-2.0
// tcp_rr: a message and its echo on a connection that stays open.
#include "answer.h"
#include "conn.h"
#include "message.h"
#include "record.h"
#include "tcp.h"

#define MESSAGE_BYTES_MAX (1ull << 26)

static bool prepare(struct load_options *options, struct args *args)
{
	return message_prepare(options, args, 1, MESSAGE_BYTES_MAX);
}

static void request(struct worker *w, struct conn *c, uint64_t now)
{
	c->state = CONN_BODY;
	c->body_left = w->plan->expected.length;
	tcp_send_request(w, c, now);
}

static void received(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	if (!c->body_done)
		record_timing(w, c, FIRST_BYTE, now - c->sent_ns);
	size_t used = size < c->body_left ? size : (size_t)c->body_left;
	answer_body(w, c, data, used, now);
	c->body_left -= used;
	if (!c->body_left)
		answer_complete(w, c, size - used, now);
}

static const struct protocol tcp_rr = {
	.name = "tcp_rr",
	.body_bytes = 64,
	.socket_type = SOCK_STREAM,
	.events = TCP_EVENTS,
	.prepare = prepare,
	.compose = message_compose,
	.request = request,
	.event = tcp_event,
	.received = received,
	.answered = conn_reuse,
	.timeout = conn_timeout,
};
PROTOCOL(tcp_rr);
