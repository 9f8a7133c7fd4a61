// SPDX-License-Identifier: Apache-2.0
#include "h2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "answer.h"
#include "conn.h"
#include "record.h"
#include "tcp.h"

#define WINDOW_BYTES ((1 << 30) - 1) // so large that no answer waits for an update of ours
#define FRAME_HEAD 9u		     // bytes of a frame besides its length

// The conn of a stream, if its request still waits for an answer; NULL: it was given up.
static struct conn *waiting(const struct h2 *h2, int32_t id)
{
	struct conn *stream = nghttp2_session_get_stream_user_data(h2->session, id);
	return stream && stream->active && *h2_id_of(h2->w, stream) == id ? stream : NULL;
}

void h2_will_send(struct h2 *h2)
{
	if (h2->listed)
		return;
	h2->listed = true;
	h2->c->next_free = h2->w->unsent;
	h2->w->unsent = h2->c;
}

void h2_free_stream(struct worker *w, struct conn *stream)
{
	*h2_id_of(w, stream) = 0;
	stream->state = CONN_IDLE;
	stream->deadline_ns = NEVER;
	conn_ready(w, stream);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h2 = user;
	struct conn *stream = waiting(h2, frame->hd.stream_id);
	(void)session;
	if (stream && !stream->begun)
		record_timing(h2->w, stream, FIRST_BYTE, h2->now - stream->sent_ns);
	if (stream)
		stream->begun = true;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
		     const uint8_t *value, size_t size, uint8_t flags, void *user)
{
	struct conn *stream = waiting(user, frame->hd.stream_id);
	(void)session, (void)flags;
	if (stream && name_size == 7 && !memcmp(name, ":status", 7) && size && value[0] != '1') // an interim response
		stream->bad_status = size != 3 || memcmp(value, "200", 3) != 0;
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *user)
{
	struct h2 *h2 = user;
	struct conn *stream = waiting(h2, id);
	(void)session, (void)flags;
	if (stream)
		answer_body(h2->w, stream, (const char *)data, size, h2->now);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h2 = user;
	struct conn *stream = frame->hd.stream_id ? waiting(h2, frame->hd.stream_id) : NULL;
	(void)session;
	if (!stream || (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
		return 0;
	record_bytes_received(h2->w, stream->slice, frame->hd.length + FRAME_HEAD);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		answer_complete(h2->w, stream, 0, h2->now);
	return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h2 = user;
	struct conn *stream = frame->hd.type == NGHTTP2_HEADERS ? waiting(h2, frame->hd.stream_id) : NULL;
	(void)session;
	if (stream)
		record_bytes_sent(h2->w, stream->slice, frame->hd.length + FRAME_HEAD);
	return 0;
}

// A stream that closes with its request unanswered was reset.
static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct h2 *h2 = user;
	struct conn *stream = waiting(h2, id);
	(void)session;
	if (!stream)
		return 0;
	record_error(h2->w, stream, error == NGHTTP2_REFUSED_STREAM ? CAUSE_REFUSED : CAUSE_RESET);
	h2_free_stream(h2->w, stream);
	return 0;
}

static bool init_callbacks(struct h2_state *state)
{
	if (nghttp2_session_callbacks_new(&state->callbacks) != 0)
		return false;
	nghttp2_session_callbacks_set_on_begin_headers_callback(state->callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(state->callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(state->callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(state->callbacks, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(state->callbacks, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(state->callbacks, on_close);
	return true;
}

bool h2_init(struct worker *w, uint32_t streams)
{
	struct h2_state *state = calloc(1, sizeof *state);
	w->protocol_state = state;
	if (!state || !init_callbacks(state))
		return false;
	state->streams = streams;
	state->connections = calloc(w->sockets_count, sizeof *state->connections);
	state->ids = calloc(w->conns_count, sizeof *state->ids);
	if (!state->connections || !state->ids)
		return false;
	for (uint32_t i = 0; i < w->conns_count; i++) {
		if (i < w->sockets_count)
			state->connections[i] = (struct h2){.w = w, .c = &w->conns[i]};
		else
			w->conns[i].state = CONN_RETRY; // until its connection is established
	}
	return true;
}

bool h2_open(struct h2 *h2, uint64_t now)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
	};
	h2->out_size = h2->out_done = 0;
	h2->heard_ns = now;
	if (nghttp2_session_client_new(&h2->session, h2_state_of(h2->w)->callbacks, h2) != 0 ||
	    nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, 2) != 0 ||
	    nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES) != 0)
		return false;
	for (uint32_t i = 0; i < h2_state_of(h2->w)->streams; i++)
		h2_free_stream(h2->w, h2_stream_of(h2, i));
	h2_will_send(h2);
	return true;
}

bool h2_close(struct h2 *h2, enum cause cause)
{
	bool any = false;
	if (!h2->session)
		return false;
	for (uint32_t i = 0; i < h2_state_of(h2->w)->streams; i++) {
		struct conn *stream = h2_stream_of(h2, i);
		any |= stream->active;
		if (stream->active)
			record_error(h2->w, stream, cause);
		stream->state = CONN_RETRY;
		stream->deadline_ns = NEVER;
		*h2_id_of(h2->w, stream) = 0;
	}
	nghttp2_session_del(h2->session);
	h2->session = NULL;
	return any;
}

bool h2_send_frames(struct h2 *h2)
{
	do {
		const uint8_t *frame;
		ssize_t size;
		if (h2->out_done == h2->out_size)
			h2->out_done = h2->out_size = 0;
		// What the socket did not take must be offered again as it was. The frames of requests without a body
		// are short: one of them always fits into half of the buffer.
		while (!h2->c->sending && h2->out_size < sizeof h2->out / 2 &&
		       (size = nghttp2_session_mem_send(h2->session, &frame)) > 0) {
			if ((size_t)size > sizeof h2->out - h2->out_size)
				return errno = EMSGSIZE, false;
			memcpy(h2->out + h2->out_size, frame, (size_t)size);
			h2->out_size += (size_t)size;
		}
		if (!h2->out_size)
			return true;
		ssize_t sent = tcp_send(h2->c, h2->out + h2->out_done, h2->out_size - h2->out_done);
		if (sent < 0)
			return false;
		h2->c->sending = h2->out_done + (size_t)sent < h2->out_size;
		h2->out_done += (size_t)sent;
	} while (h2->out_done < h2->out_size || nghttp2_session_want_write(h2->session));
	return true;
}
