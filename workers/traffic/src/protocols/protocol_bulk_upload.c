// SPDX-License-Identifier: Apache-2.0
// bulk_upload: POST requests with large bodies. The origin answers with the body's length and checksum.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "http.h"
#include "tcp.h"

static bool prepare(struct load_options *options, struct args *args)
{
	struct plan *plan = &options->plan;
	char *answer = NULL;
	plan->upload = pattern_body(options->body_bytes);
	int length = asprintf(&answer, "{\"bytes\":%" PRIu64 ",\"crc32c\":\"%08x\"}\n", options->body_bytes,
			      body_crc32c(&plan->upload));
	if (length < 0)
		return args_refuse(args, "no memory");
	plan->expected = (struct body){(const uint8_t *)answer, (uint64_t)length, (uint64_t)length};
	if (!plan->path[0])
		strcpy(plan->path, "/echo");
	return true;
}

static bool compose(const struct plan *plan, struct target_state *target)
{
	char length[64];
	snprintf(length, sizeof length, "Content-Length: %" PRIu64 "\r\n", plan->upload.length);
	return http_compose(plan, target, "POST", length);
}

static const struct protocol bulk_upload = {
	.name = "bulk_upload",
	.body_bytes = 1 << 20,
	.socket_type = SOCK_STREAM,
	.alpn = HTTP_ALPN,
	.events = TCP_EVENTS,
	.prepare = prepare,
	.compose = compose,
	.request = http_request,
	.event = tcp_event,
	.received = http_received,
	.announces_close = http_announces_close,
	.answered = conn_reuse,
	.timeout = conn_timeout,
};
PROTOCOL(bulk_upload);
