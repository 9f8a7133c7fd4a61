// SPDX-License-Identifier: Apache-2.0
#include "http.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "conn.h"
#include "record.h"
#include "tcp.h"

bool http_prepare_download(struct load_options *options, struct args *args)
{
	struct plan *plan = &options->plan;
	(void)args;
	plan->expected = pattern_body(options->body_bytes);
	if (!plan->path[0])
		snprintf(plan->path, sizeof plan->path, "/bytes/%" PRIu64, options->body_bytes);
	return true;
}

bool http_compose(const struct plan *plan, struct target_state *target, const char *method, const char *fields)
{
	int size = asprintf(&target->request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, plan->path,
			    plan->host[0] ? plan->host : target->target->text, fields);
	target->request_size = (size_t)size;
	return size > 0;
}

bool http_compose_get(const struct plan *plan, struct target_state *target)
{
	return http_compose(plan, target, "GET", "");
}

void http_request(struct worker *w, struct conn *c, uint64_t now)
{
	c->state = CONN_HEAD;
	c->stashed = 0;
	c->token_ns = 0;
	tcp_send_request(w, c, now);
}

static void begin_body(struct worker *w, struct conn *c, const struct response_head *head)
{
	bool bodiless = head->status == 204 || head->status == 304;
	c->state = CONN_BODY;
	c->bad_status =
		w->protocol->takes_status ? !w->protocol->takes_status(w, c, head->status) : head->status != 200;
	c->keep_alive = head->keep_alive;
	c->chunked = head->chunked && !bodiless;
	c->until_close = !c->chunked && head->content_length < 0 && !bodiless;
	c->body_left = head->content_length > 0 && !bodiless ? (uint64_t)head->content_length : 0;
	c->chunks = (struct chunks){0};
	if (c->until_close)
		c->keep_alive = false;
}

// Returns how many bytes of `data` belong to the head; 0: it is incomplete, or the connection failed.
static size_t take_head(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	struct response_head head;
	size_t before = c->stashed, part = size;
	ssize_t length;
	if (!before) {
		length = response_parse(data, size, &head);
		if (length == 0)
			memcpy(c->stash, data, size); // fits: a longer head is refused
	} else {
		if (part > HEAD_MAX - before)
			part = HEAD_MAX - before;
		memcpy(c->stash + before, data, part);
		length = response_parse(c->stash, before + part, &head);
	}
	if (length < 0) {
		conn_fail(w, c, length == HEAD_TOO_LONG ? CAUSE_LONG_HEAD : CAUSE_CORRUPT, 0, now);
		return 0;
	}
	c->stashed = length ? 0 : (uint32_t)(before + part);
	if (length == 0)
		return 0;
	if (head.status == 101) { // nobody asked for another protocol, and no HTTP follows
		conn_fail(w, c, CAUSE_STATUS, 0, now);
		return 0;
	}
	if (head.status >= 200) // else it is an interim response, and the final one follows
		begin_body(w, c, &head);
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
			answer_body(w, c, piece, piece_size, now);
			break;
		case CHUNK_MORE:
			*used = size;
			return false;
		case CHUNK_DONE:
			*used += piece_used;
			return true;
		case CHUNK_BAD:
			conn_fail(w, c, CAUSE_CORRUPT, 0, now);
			return false;
		}
		*used += piece_used;
	}
}

static bool take_plain(struct worker *w, struct conn *c, const char *data, size_t size, size_t *used, uint64_t now)
{
	*used = c->until_close || size < c->body_left ? size : (size_t)c->body_left;
	answer_body(w, c, data, *used, now);
	if (c->until_close)
		return false;
	c->body_left -= *used;
	return c->body_left == 0;
}

void http_received(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	if (!c->begun)
		record_timing(w, c, FIRST_BYTE, now - c->sent_ns);
	c->begun = true;
	while (c->state == CONN_HEAD) {
		size_t used = take_head(w, c, data, size, now);
		if (!used)
			return;
		data += used, size -= used;
		if (!size && c->state == CONN_HEAD)
			return;
	}
	size_t used;
	bool whole = c->chunked ? take_chunks(w, c, data, size, &used, now) : take_plain(w, c, data, size, &used, now);
	if (whole)
		answer_complete(w, c, size - used, now);
}

// 408 on an idle connection (RFC 9110, 15.5.9).
bool http_announces_close(const char *data, size_t size)
{
	return size >= 12 && !memcmp(data, "HTTP/1.", 7) && !memcmp(data + 8, " 408", 4);
}
