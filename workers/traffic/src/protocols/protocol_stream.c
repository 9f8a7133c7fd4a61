// SPDX-License-Identifier: Apache-2.0
// stream: server-sent events on a fixed cadence, as a language model sends its tokens.
#include <inttypes.h>
#include <stdio.h>

#include "conn.h"
#include "http.h"
#include "record.h"
#include "tcp.h"

#define STREAM_BYTES_MAX ((uint64_t)64 << 20) // of one answer, which is kept in memory to compare with

// Set by the command line; not changed once threads run.
static struct stream_options {
	uint64_t tokens, token_bytes, cadence_ns, stall_ns;
} stream = {.tokens = 64, .token_bytes = 32, .cadence_ns = 10 * NS_PER_MS};

#define FIELD(name) offsetof(struct stream_options, name)
static const struct option_row stream_rows[] = {
	{"tokens", "N", OPTION_U64, FIELD(tokens), 1, 1000000, "64", "tokens of one answer", NULL},
	{"token-bytes", "N", OPTION_U64, FIELD(token_bytes), TOKEN_BYTES_MIN, TOKEN_BYTES_MAX, "32", "bytes of a token",
	 NULL},
	{"cadence-us", "N", OPTION_US, FIELD(cadence_ns), 0, 60000000, "10000", "time from one token to the next",
	 NULL},
	{"stall-us", "N", OPTION_US, FIELD(stall_ns), 1, 60000000, "3 × cadence + 10 ms",
	 "a longer gap between tokens counts as a stall", NULL},
};

static bool prepare(struct load_options *options, struct args *args)
{
	struct plan *plan = &options->plan;
	if (stream.tokens * stream.token_bytes > STREAM_BYTES_MAX)
		return args_refuse(args, "--tokens: more than %" PRIu64 " bytes in one stream", STREAM_BYTES_MAX);
	plan->expected = token_body(stream.tokens, stream.token_bytes);
	if (!plan->expected.data)
		return args_refuse(args, "no memory");
	if (!stream.stall_ns)
		stream.stall_ns = 3 * stream.cadence_ns + 10 * NS_PER_MS;
	if (!plan->path[0])
		snprintf(plan->path, sizeof plan->path,
			 "/stream?tokens=%" PRIu64 "&cadence_us=%" PRIu64 "&size=%" PRIu64, stream.tokens,
			 (uint64_t)(stream.cadence_ns / NS_PER_US), stream.token_bytes);
	return true;
}

static void body_grew(struct worker *w, struct conn *c, uint64_t before, uint64_t now)
{
	struct counters *counters = &stats_of_slice(w, c->slice)->counters;
	uint64_t first = before / stream.token_bytes, end = c->body_done / stream.token_bytes;
	for (uint64_t i = first; i < end; i++) {
		uint64_t gap = now - c->token_ns; // 0 for tokens that arrived together
		if (!c->token_ns)
			record_timing(w, c, FIRST_TOKEN, now - c->intended_ns);
		else
			record_timing(w, c, TOKEN_GAP, gap);
		if (c->token_ns && gap > stream.stall_ns)
			counter_add(&counters->stalls, 1);
		c->token_ns = now;
	}
	counter_add(&counters->tokens, end - first);
}

static const struct protocol stream_protocol = {
	.name = "stream",
	.socket_type = SOCK_STREAM,
	.alpn = HTTP_ALPN,
	.events = TCP_EVENTS,
	.options = stream_rows,
	.options_count = sizeof stream_rows / sizeof *stream_rows,
	.option_values = &stream,
	.prepare = prepare,
	.compose = http_compose_get,
	.request = http_request,
	.event = tcp_event,
	.received = http_received,
	.announces_close = http_announces_close,
	.body_grew = body_grew,
	.answered = conn_reuse,
	.timeout = conn_timeout,
};
PROTOCOL(stream_protocol);
