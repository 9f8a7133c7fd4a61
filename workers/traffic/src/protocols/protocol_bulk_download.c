// SPDX-License-Identifier: Apache-2.0
// bulk_download: GET requests with large answers.
#include "conn.h"
#include "http.h"
#include "tcp.h"

static const struct protocol bulk_download = {
	.name = "bulk_download",
	.body_bytes = 1 << 20,
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
PROTOCOL(bulk_download);
