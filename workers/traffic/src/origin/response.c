// SPDX-License-Identifier: Apache-2.0
#include "response.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "peer.h"
#include "timers.h"

#define SPANS 16
#define CHUNK_FRAME 16 // a chunk's size line

static void begin(struct peer *p, int size)
{
	p->out_size = (size_t)size;
	p->out_done = 0;
	p->body = (struct body){0};
	p->body_done = 0;
	p->responding = true;
}

void response_set(struct peer *p, const char *status, const char *type, uint64_t length)
{
	begin(p, snprintf(p->out, sizeof p->out,
			  "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %" PRIu64 "\r\n%s\r\n", status, type,
			  length, p->keep_alive ? "" : "Connection: close\r\n"));
}

void response_set_text(struct peer *p, const char *status, const char *text)
{
	response_set(p, status, "application/json", strlen(text));
	size_t room = sizeof p->out - p->out_size, size = strlen(text);
	memcpy(p->out + p->out_size, text, size < room ? size : room);
	p->out_size += size < room ? size : room;
}

void response_refuse(struct server *s, struct peer *p, const char *status)
{
	s->served.bad_requests++;
	p->keep_alive = false;
	p->discarding = true; // close() with unread bytes would reset the connection before the response is read
	response_set_text(p, status, "{}\n");
}

void response_set_delayed(struct peer *p, void (*respond)(struct peer *p))
{
	begin(p, 0);
	p->streaming = true;
	p->respond = respond;
}

void response_set_stream_head(struct peer *p)
{
	begin(p, snprintf(p->out, sizeof p->out,
			  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
			  "Transfer-Encoding: chunked\r\n%s\r\n",
			  p->keep_alive ? "" : "Connection: close\r\n"));
	p->streaming = true;
}

bool response_set_stream(struct server *s, struct peer *p, uint64_t cadence_ns)
{
	response_set_stream_head(p);
	p->token = p->token_done = 0;
	p->cadence_ns = cadence_ns;
	p->due_ns = p->plan_ns = now_ns() + p->cadence_ns;
	return timer_add(s, p);
}

bool response_send(struct server *s, struct peer *p)
{
	while (p->out_done < p->out_size || p->body_done < p->body.length) {
		struct iovec spans[SPANS + 1];
		int used = 0;
		size_t head_left = p->out_size - p->out_done;
		if (head_left)
			spans[used++] = (struct iovec){p->out + p->out_done, head_left};
		used += body_spans(&p->body, p->body_done, spans + used, SPANS);
		struct msghdr message = {.msg_iov = spans, .msg_iovlen = (size_t)used};
		ssize_t sent = sendmsg(p->fd, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			peer_want(s, p, EPOLLOUT);
			return false;
		}
		if (sent < 0) {
			peer_close(s, p);
			return false;
		}
		s->served.bytes_sent += (uint64_t)sent;
		size_t of_head = (size_t)sent < head_left ? (size_t)sent : head_left;
		p->out_done += of_head;
		p->body_done += (uint64_t)sent - of_head;
	}
	return true;
}

// Sends one token, or the rest of it, as one chunk. False: the socket is full, or the peer was closed.
static bool send_token(struct server *s, struct peer *p)
{
	uint8_t *chunk = s->scratch;
	size_t head = (size_t)snprintf((char *)chunk, CHUNK_FRAME, "%" PRIx64 "\r\n", p->token_bytes);
	token_fill(chunk + head, p->token, p->token_bytes);
	size_t size = head + p->token_bytes;
	memcpy(chunk + size, "\r\n", 2);
	size += 2;
	ssize_t sent = send(p->fd, chunk + p->token_done, size - p->token_done, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) {
		peer_close(s, p);
		return false;
	}
	if (sent > 0)
		s->served.bytes_sent += (uint64_t)sent;
	p->token_done += sent > 0 ? (size_t)sent : 0;
	if (p->token_done < size) {
		peer_want(s, p, EPOLLOUT);
		return false;
	}
	p->token++;
	p->token_done = 0;
	return true;
}

// From the token that was sent last to the next one.
static uint64_t gap_ns(const struct peer *p)
{
	return p->llm ? llm_gap_ns(&p->llm_model, &p->completion, p->token) : p->cadence_ns;
}

bool response_send_tokens(struct server *s, struct peer *p, uint64_t now)
{
	if (p->interest & EPOLLOUT)
		return false; // the socket is full
	if (p->respond) {
		p->respond(p);
		p->respond = NULL;
		if (!p->streaming)
			timer_remove(s, p);
		if (!response_send(s, p) || !p->streaming)
			return p->fd >= 0 && !(p->interest & EPOLLOUT);
	}
	while (p->token < p->tokens && p->plan_ns <= now) {
		if (!send_token(s, p))
			return false;
		p->plan_ns += gap_ns(p); // relative to the plan, not to now: a late token delays no other
	}
	timer_remove(s, p);
	if (p->token < p->tokens) {
		if (p->llm) // a stall delays all that follows
			p->plan_ns = llm_after_stall(&p->llm_model, p->upstream, p->plan_ns);
		p->due_ns = p->plan_ns;
		if (!timer_add(s, p))
			peer_close(s, p);
		return false;
	}
	memcpy(p->out, "0\r\n\r\n", 5);
	p->out_size = 5;
	p->out_done = 0;
	p->streaming = false;
	return response_send(s, p);
}
