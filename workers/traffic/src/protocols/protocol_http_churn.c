// SPDX-License-Identifier: Apache-2.0
// http_churn: one connection per GET request.
#include "conn.h"
#include "http.h"
#include "tcp.h"

static bool compose(const struct plan *plan, struct target_state *target)
{
	return http_compose(plan, target, "GET", "Connection: close\r\n");
}

static void answered(struct worker *w, struct conn *c, uint64_t now)
{
	(void)now;
	if (!c->hung_up) {
		// The origin closes first, so that its side holds the TIME_WAIT state, not one of our ports.
		c->state = CONN_CLOSING;
		return;
	}
	conn_close(c);
	conn_ready(w, c);
}

static const struct protocol http_churn = {
	.name = "http_churn",
	.body_bytes = 128,
	.socket_type = SOCK_STREAM,
	.alpn = HTTP_ALPN,
	.events = TCP_EVENTS,
	.per_request = true,
	.prepare = http_prepare_download,
	.compose = compose,
	.request = http_request,
	.event = tcp_event,
	.received = http_received,
	.announces_close = http_announces_close,
	.answered = answered,
	.timeout = conn_timeout,
};
PROTOCOL(http_churn);
