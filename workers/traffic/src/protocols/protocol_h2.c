// SPDX-License-Identifier: Apache-2.0
// h2: small GET requests over HTTP/2, several at once on a connection. nghttp2 frames and parses; sockets and TLS are
// those of every workload over TCP.
#include <errno.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "conn.h"
#include "h2.h"
#include "http.h"
#include "record.h"
#include "tcp.h"

// Set by the command line; not changed once threads run.
static struct h2_options {
	uint32_t streams;
} h2_options = {.streams = 8};

static const struct option_row h2_rows[] = {
	{"streams", "N", OPTION_U32, offsetof(struct h2_options, streams), 1, H2_STREAMS_MAX, "8",
	 "requests that a connection carries at once", NULL},
};

static uint32_t streams(void)
{
	return h2_options.streams;
}

static bool compose(const struct plan *plan, struct target_state *target)
{
	// Its bytes are the authority: the other fields are the same for all targets.
	target->request = strdup(plan->host[0] ? plan->host : target->target->text);
	target->request_size = target->request ? strlen(target->request) : 0;
	return target->request != NULL;
}

static bool init(struct worker *w)
{
	return h2_init(w, h2_options.streams);
}

static void established(struct worker *w, struct conn *c, uint64_t now)
{
	if (!h2_open(h2_of(w, c), now))
		conn_fail(w, c, CAUSE_DESCRIPTORS, ENOMEM, now);
}

static bool lost(struct worker *w, struct conn *c, enum cause cause)
{
	return h2_close(h2_of(w, c), cause);
}

static nghttp2_nv field(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
			    NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void request(struct worker *w, struct conn *stream, uint64_t now)
{
	struct h2 *h2 = h2_carrier_of(w, stream);
	const struct target_state *target = target_of(w, stream);
	const nghttp2_nv fields[] = {field(":method", "GET"), field(":scheme", target->tls ? "https" : "http"),
				     field(":authority", target->request), field(":path", w->plan->path)};
	stream->state = CONN_HEAD;
	stream->body_done = 0;
	stream->expected_bytes = w->plan->expected.length;
	stream->corrupt = stream->bad_status = stream->begun = false;
	int32_t id = nghttp2_submit_request(h2->session, NULL, fields, 4, NULL, stream);
	if (id < 0) { // no memory, or no number left for a stream
		conn_fail(w, h2->c, CAUSE_OTHER, 0, now);
		return;
	}
	*h2_id_of(w, stream) = id;
	h2_will_send(h2);
}

static void writable(struct worker *w, struct conn *c, uint64_t now)
{
	if (h2_send_frames(h2_of(w, c)))
		return;
	c->sending = errno == EAGAIN;
	if (!c->sending)
		tcp_fail(w, c, errno, now);
}

static void flush(struct worker *w)
{
	for (struct conn *c; (c = w->unsent);) {
		struct h2 *h2 = h2_of(w, c);
		w->unsent = c->next_free;
		h2->listed = false;
		if (h2->session && !c->sending) // else it was lost, or epoll reports when the socket takes more
			writable(w, c, w->last_ns);
	}
}

static void received(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	struct h2 *h2 = h2_of(w, c);
	h2->now = h2->heard_ns = now;
	if (nghttp2_session_mem_recv(h2->session, (const uint8_t *)data, size) < 0)
		conn_fail(w, c, CAUSE_CORRUPT, 0, now);
	else if (nghttp2_session_want_write(h2->session))
		h2_will_send(h2);
	else if (!nghttp2_session_want_read(h2->session)) // the server has said goodbye
		conn_lost(w, c, now);
}

static void answered(struct worker *w, struct conn *stream, uint64_t now)
{
	(void)now;
	h2_carrier_of(w, stream)->c->used = true;
	h2_free_stream(w, stream);
}

static void timeout(struct worker *w, struct conn *c, uint64_t now)
{
	if (c < w->conns + w->sockets_count) {
		conn_timeout(w, c, now);
		return;
	}
	struct h2 *h2 = h2_carrier_of(w, c);
	if (h2->heard_ns < c->sent_ns) { // the whole connection is silent
		conn_fail(w, h2->c, CAUSE_TIMEOUT, 0, now);
		return;
	}
	record_error(w, c, CAUSE_TIMEOUT);
	nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, *h2_id_of(w, c), NGHTTP2_CANCEL);
	h2_free_stream(w, c);
	h2_will_send(h2);
}

static const struct protocol h2_protocol = {
	.name = "h2",
	.body_bytes = 128,
	.socket_type = SOCK_STREAM,
	.events = TCP_EVENTS,
	.alpn = "h2",
	.options = h2_rows,
	.options_count = sizeof h2_rows / sizeof *h2_rows,
	.option_values = &h2_options,
	.prepare = http_prepare_download,
	.compose = compose,
	.init = init,
	.request = request,
	.event = tcp_event,
	.timeout = timeout,
	.received = received,
	.answered = answered,
	.streams = streams,
	.established = established,
	.lost = lost,
	.writable = writable,
	.flush = flush,
};
PROTOCOL(h2_protocol);
