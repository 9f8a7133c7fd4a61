// SPDX-License-Identifier: Apache-2.0
// http_keepalive: small GET requests on connections that stay open.
#include "conn.h"
#include "http.h"
#include "tcp.h"

static const struct protocol http_keepalive = {
	.name = "http_keepalive",
	.body_bytes = 128,
	.socket_type = SOCK_STREAM,
	.alpn = HTTP_ALPN,
	.events = TCP_EVENTS,
	.prepare = http_prepare_download,
	.compose = http_compose_get,
	.request = http_request,
	.event = tcp_event,
	.received = http_received,
	.announces_close = http_announces_close,
	.answered = conn_reuse,
	.timeout = conn_timeout,
};
PROTOCOL(http_keepalive);
