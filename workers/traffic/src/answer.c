// SPDX-License-Identifier: Apache-2.0
// What a peer sends: heads, bodies, tokens; each byte is compared with what it should be.
#include <string.h>

#include "worker.h"

static void record(struct worker *w, const struct conn *c, enum timing timing, uint64_t value)
{
	hist_record(&stats_of(w, c->slice)->timings[timing], value);
}

static void count_tokens(struct worker *w, struct conn *c, uint64_t before, uint64_t after, uint64_t now)
{
	struct counters *counters = &stats_of(w, c->slice)->counters;
	for (uint64_t i = before; i < after; i++) {
		if (!c->token_ns) {
			record(w, c, FIRST_TOKEN, now - c->intended_ns);
		} else {
			uint64_t gap = now - c->token_ns;
			record(w, c, TOKEN_GAP,
			       gap); // tokens that arrive together have gaps of nothing, which is the truth
			if (gap > w->plan->stall_ns)
				counter_add(&counters->stalls, 1);
		}
		c->token_ns = now;
	}
	counter_add(&counters->tokens, after - before);
}

static void take_body(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	const struct plan *plan = w->plan;
	if (plan->check && !c->bad_status && !c->corrupt && !body_matches(&plan->expected, c->body_done, data, size))
		c->corrupt = true;
	uint64_t before = c->body_done;
	c->body_done += size;
	if (plan->workload == STREAM && !c->bad_status)
		count_tokens(w, c, before / plan->token_bytes, c->body_done / plan->token_bytes, now);
}

static void complete(struct worker *w, struct conn *c, size_t surplus, uint64_t now)
{
	if (w->plan->check && !c->bad_status && c->body_done != w->plan->expected.length)
		c->corrupt = true;
	if (surplus && w->plan->workload != HTTP_CHURN)
		c->corrupt = true; // bytes that nobody asked for
	conn_done(w, c, now);
}

// Returns how many bytes the head took of `data`; 0 when it is not complete yet, or the connection has failed.
static size_t take_head(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	struct response_head head;
	size_t before = c->stashed, part = size;
	ssize_t length;
	if (!before) {
		length = response_parse(data, size, &head);
		if (length == 0)
			memcpy(c->stash, data, size); // < HEAD_MAX, or it were malformed
	} else {
		if (part > HEAD_MAX - before)
			part = HEAD_MAX - before;
		memcpy(c->stash + before, data, part);
		length = response_parse(c->stash, before + part, &head);
	}
	if (length < 0) {
		conn_failed(w, c, CAUSE_CORRUPT, now);
		return 0;
	}
	if (length == 0) {
		c->stashed = (uint32_t)(before + part);
		return 0;
	}
	c->stashed = 0;
	if (head.status < 200)
		return (size_t)length - before; // interim: the real head follows
	bool bodiless = head.status == 204 || head.status == 304;
	c->state = CONN_BODY;
	c->bad_status = head.status != 200;
	c->keep_alive = head.keep_alive;
	c->chunked = head.chunked && !bodiless;
	c->until_close = !c->chunked && head.content_length < 0 && !bodiless;
	c->body_left = head.content_length > 0 && !bodiless ? (uint64_t)head.content_length : 0;
	c->chunks = (struct chunks){0};
	if (c->until_close)
		c->keep_alive = false;
	return (size_t)length - before;
}

// Returns true when the body is complete; then *used bytes belonged to it.
static bool take_chunks(struct worker *w, struct conn *c, const char *data, size_t size, size_t *used, uint64_t now)
{
	for (*used = 0;;) {
		const char *piece;
		size_t piece_used, piece_size;
		switch (chunks_next(&c->chunks, data + *used, size - *used, &piece_used, &piece, &piece_size)) {
		case CHUNK_DATA:
			take_body(w, c, piece, piece_size, now);
			break;
		case CHUNK_MORE:
			*used = size;
			return false;
		case CHUNK_DONE:
			*used += piece_used;
			return true;
		case CHUNK_BAD:
			conn_failed(w, c, CAUSE_CORRUPT, now);
			return false;
		}
		*used += piece_used;
	}
}

void answer_bytes(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	if (!c->active) {
		if (c->state != CONN_CLOSING)
			conn_failed(w, c, CAUSE_CORRUPT, now);
		return;
	}
	counter_add(&stats_of(w, c->slice)->counters.bytes_received, size);
	counter_add(&w->slices[c->slice].bytes_received, size);
	bool first = c->state == CONN_HEAD ? !c->stashed : w->plan->workload == TCP_RR && !c->body_done;
	if (first)
		record(w, c, FIRST_BYTE, now - c->sent_ns);
	while (c->state == CONN_HEAD) {
		size_t used = take_head(w, c, data, size, now);
		if (!used)
			return;
		data += used, size -= used;
		if (!size && c->state == CONN_HEAD)
			return;
	}
	size_t used = size;
	bool whole = false;
	if (c->chunked) {
		whole = take_chunks(w, c, data, size, &used, now);
	} else {
		if (!c->until_close && used > c->body_left)
			used = (size_t)c->body_left;
		take_body(w, c, data, used, now);
		if (!c->until_close) {
			c->body_left -= used;
			whole = c->body_left == 0;
		}
	}
	if (whole)
		complete(w, c, size - used, now);
}

void answer_end(struct worker *w, struct conn *c, uint64_t now)
{
	if (c->active && c->state == CONN_BODY && c->until_close) {
		c->hung_up = true;
		complete(w, c, 0, now);
	} else if (c->active) {
		conn_failed(w, c, CAUSE_SHORT, now);
	} else if (c->state == CONN_CLOSING) {
		conn_close(c);
		conn_available(w, c, now);
	} else {
		counter_add(&lane_of(w, c)->measured.counters.closed_idle, 1);
		conn_close(c);
		conn_retry(c, now);
	}
}

void answer_count(struct worker *w, uint32_t index, uint64_t intended_ns, uint64_t sent_ns, uint64_t now)
{
	const struct plan *plan = w->plan;
	const struct slice *slice = &plan->slices[index];
	struct stats *stats = stats_of(w, index);
	struct slice_stats *own = &w->slices[index];
	uint64_t service = now - sent_ns, latency = now - intended_ns;
	counter_add(&stats->counters.requests, 1);
	counter_add(&own->requests, 1);
	hist_record(&stats->timings[SERVICE_TIME], service);
	if (plan->open_loop)
		hist_record(&stats->timings[LATENCY], latency);
	hist_record(&own->timing, plan->open_loop ? latency : service);
	if (index != w->slice) {
		counter_add(&stats->counters.late, 1);
		counter_add(&own->late, 1);
	}
	if (!own->steps)
		return;
	// What was sent while the slice drained is in no step.
	uint64_t start = atomic_load_explicit(&slice->start_ns, memory_order_relaxed);
	uint64_t step = sent_ns > start ? (sent_ns - start) / plan->step_ns : 0;
	if (step < plan_steps(plan, slice)) {
		own->steps[step].requests++;
		own->steps[step].service_time_ns += service;
		own->steps[step].latency_ns += latency;
	}
}
