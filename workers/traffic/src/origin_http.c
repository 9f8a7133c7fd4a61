// SPDX-License-Identifier: Apache-2.0
// The origin's HTTP: /bytes/N, /echo, /stream, /whoami.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "origin.h"

#define BYTES_MAX (1ull << 40)
#define SPANS 16
#define CHUNK_FRAME 16 // the size line of a chunk and the line's end after it

static void set_response(struct peer *p, const char *status, const char *type, uint64_t length)
{
	int size = snprintf(p->out, sizeof p->out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %llu\r\n%s\r\n",
			    status, type, (unsigned long long)length, p->keep_alive ? "" : "Connection: close\r\n");
	p->out_size = (size_t)size;
	p->out_done = 0;
	p->body = (struct body){0};
	p->body_done = 0;
	p->responding = true;
}

// A response whose body fits beside its head.
static void set_text(struct peer *p, const char *status, const char *text)
{
	set_response(p, status, "application/json", strlen(text));
	size_t room = sizeof p->out - p->out_size, size = strlen(text);
	memcpy(p->out + p->out_size, text, size < room ? size : room);
	p->out_size += size < room ? size : room;
}

static void refuse(struct server *s, struct peer *p, const char *status)
{
	s->served.bad_requests++;
	p->keep_alive = false;
	p->discarding = true; // closing with unread bytes would reset the connection, and the answer with it
	set_text(p, status, "{}\n");
}

// A number of the query, or `usual` where it is missing; false where it is none, or out of range.
static bool query_number(const char *query, const char *name, uint64_t usual, uint64_t low, uint64_t high,
			 uint64_t *value)
{
	size_t name_size = strlen(name);
	*value = usual;
	for (const char *at = query; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL) {
		if (strncmp(at, name, name_size) != 0 || at[name_size] != '=')
			continue;
		char *end;
		const char *digits = at + name_size + 1;
		errno = 0;
		*value = strtoull(digits, &end, 10);
		return *digits >= '0' && *digits <= '9' && (!*end || *end == '&') && !errno && *value >= low &&
		       *value <= high;
	}
	return true;
}

static void begin_stream(struct server *s, struct peer *p, const char *query)
{
	uint64_t cadence_us;
	if (!query_number(query, "tokens", 64, 1, 1000000, &p->tokens) ||
	    !query_number(query, "size", 32, TOKEN_BYTES_MIN, TOKEN_BYTES_MAX, &p->token_bytes) ||
	    !query_number(query, "cadence_us", 10000, 0, 60000000, &cadence_us)) {
		refuse(s, p, "400 Bad Request");
		return;
	}
	int size = snprintf(p->out, sizeof p->out,
			    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
			    "Transfer-Encoding: chunked\r\n%s\r\n",
			    p->keep_alive ? "" : "Connection: close\r\n");
	p->out_size = (size_t)size;
	p->out_done = p->body_done = 0;
	p->body = (struct body){0};
	p->token = p->token_done = 0;
	p->cadence_ns = cadence_us * NS_PER_US;
	p->due_ns = now_ns() + p->cadence_ns;
	p->responding = p->streaming = true;
	if (!heap_push(s, p))
		peer_close(s, p);
}

static void route(struct server *s, struct peer *p, const struct request_head *head)
{
	char target[1024], text[160];
	bool get = !strcmp(head->method, "GET"), post = !strcmp(head->method, "POST") || !strcmp(head->method, "PUT");
	size_t size = head->target_size < sizeof target - 1 ? head->target_size : sizeof target - 1;
	memcpy(target, head->target, size);
	target[size] = '\0';
	char *query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	p->echo = false;
	if (!get && !post) {
		refuse(s, p, "405 Method Not Allowed");
	} else if (!strncmp(target, "/bytes/", 7)) {
		char *end;
		uint64_t length = strtoull(target + 7, &end, 10);
		if (*end || target[7] < '0' || target[7] > '9' || length > BYTES_MAX) {
			refuse(s, p, "400 Bad Request");
			return;
		}
		set_response(p, "200 OK", "application/octet-stream", length);
		p->body = pattern_body(length);
	} else if (!strcmp(target, "/echo") && post) {
		p->echo = true; // answered when the body is here
	} else if (!strcmp(target, "/stream") && get) {
		begin_stream(s, p, query);
	} else if (!strcmp(target, "/whoami")) {
		char address[80];
		address_text(&p->address, address, sizeof address);
		snprintf(text, sizeof text, "{\"peer\":\"%s\"}\n", address);
		set_text(p, "200 OK", text);
	} else {
		set_text(p, "404 Not Found", "{}\n");
	}
}

// Sends what is ready. True when the response has left in full; else it waits, or the peer is closed.
static bool send_response(struct server *s, struct peer *p)
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

// After a complete response. True when the connection takes another request.
static bool finish(struct server *s, struct peer *p)
{
	p->responding = p->streaming = false;
	if (p->keep_alive) {
		peer_want(s, p, EPOLLIN);
		return true;
	}
	if (!p->discarding) {
		peer_close(s, p);
		return false;
	}
	shutdown(p->fd, SHUT_WR); // and what still comes is read and dropped, until the peer closes
	peer_want(s, p, EPOLLIN);
	return false;
}

static void take_upload(struct peer *p, const uint8_t *data, size_t size)
{
	p->upload_crc = p->echo ? crc32c(p->upload_crc, data, size) : 0;
	p->upload_bytes += size;
}

// Takes body bytes of a request; returns how many. Ends `uploading` when the body is complete.
static size_t upload(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	size_t used = 0;
	if (!p->chunked) {
		used = size < p->upload_left ? size : (size_t)p->upload_left;
		take_upload(p, data, used);
		p->upload_left -= used;
		p->uploading = p->upload_left > 0;
	}
	while (p->chunked && p->uploading && used < size) {
		size_t part, piece_size;
		const char *piece;
		enum chunk_result result =
			chunks_next(&p->chunks, (const char *)data + used, size - used, &part, &piece, &piece_size);
		used += part;
		if (result == CHUNK_DATA)
			take_upload(p, (const uint8_t *)piece, piece_size);
		if (result == CHUNK_DONE)
			p->uploading = false;
		if (result == CHUNK_BAD) {
			p->uploading = p->echo = false;
			refuse(s, p, "400 Bad Request");
		}
	}
	if (!p->uploading && p->echo) {
		char text[96];
		snprintf(text, sizeof text, "{\"bytes\":%llu,\"crc32c\":\"%08x\"}\n",
			 (unsigned long long)p->upload_bytes, p->upload_crc);
		p->echo = false;
		set_text(p, "200 OK", text);
	}
	return used;
}

static size_t begin_request(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request_head head;
	ssize_t length = request_parse((const char *)data, size, &head);
	if (length == 0)
		return 0;
	if (length < 0) {
		refuse(s, p, "400 Bad Request");
		return size;
	}
	s->served.requests++;
	p->keep_alive = head.keep_alive;
	p->chunked = head.chunked;
	p->upload_left = head.content_length > 0 ? (uint64_t)head.content_length : 0;
	p->upload_bytes = p->upload_crc = 0;
	p->chunks = (struct chunks){0};
	p->uploading = p->chunked || p->upload_left;
	route(s, p, &head);
	if (p->fd >= 0 && p->uploading && (p->responding && !p->discarding))
		refuse(s, p, "400 Bad Request"); // not asked for
	if (p->discarding)
		p->uploading = false;
	if (p->uploading && head.expects_continue)
		(void)!send(p->fd, interim, sizeof interim - 1, MSG_NOSIGNAL);
	if (p->echo && !p->uploading)
		upload(s, p, data, 0);
	return (size_t)length;
}

// Works through bytes until they are used up or a response has to wait. What remains is kept for later.
static void process(struct server *s, struct peer *p, const uint8_t *data, size_t size)
{
	while (p->fd >= 0 && !p->responding && !p->discarding) {
		size_t used = 0;
		if (p->uploading)
			used = upload(s, p, data, size);
		else if (size)
			used = begin_request(s, p, data, size);
		data += used, size -= used;
		if (p->fd < 0)
			return;
		if (p->responding && !p->streaming && send_response(s, p) && !finish(s, p))
			return;
		if (p->streaming && send_response(s, p))
			peer_want(s, p, 0); // tokens come by the clock
		if (!used || !size)
			break;
	}
	if (p->fd < 0 || p->discarding)
		return;
	if (size)
		memmove(p->in, data, size); // fits: no more than HEAD_MAX is read beyond an upload
	p->in_used = size;
}

void http_readable(struct server *s, struct peer *p)
{
	size_t room = HEAD_MAX - p->in_used;
	if (p->discarding || (p->uploading && !p->chunked))
		room = SCRATCH_BYTES / 2;
	if (p->uploading && !p->chunked && room > p->upload_left + HEAD_MAX)
		room = (size_t)p->upload_left + HEAD_MAX;
	if (p->uploading && p->in_used)
		room = HEAD_MAX - p->in_used;
	memcpy(s->scratch, p->in, p->in_used);
	ssize_t got = recv(p->fd, s->scratch + p->in_used, room, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		peer_close(s, p);
		return;
	}
	s->served.bytes_received += (uint64_t)got;
	if (!p->discarding)
		process(s, p, s->scratch, p->in_used + (size_t)got);
}

static void go_on(struct server *s, struct peer *p)
{
	if (!finish(s, p))
		return;
	size_t kept = p->in_used;
	memcpy(s->scratch, p->in, kept); // requests that came while this one was answered
	process(s, p, s->scratch, kept);
}

void http_writable(struct server *s, struct peer *p)
{
	if (!p->responding || !send_response(s, p))
		return;
	if (!p->streaming) {
		go_on(s, p);
		return;
	}
	peer_want(s, p, 0);
	http_tokens(s, p, now_ns());
}

// Sends one token, or what is left of it, as one chunk. False when it has to wait or the peer is closed.
static bool send_token(struct server *s, struct peer *p)
{
	uint8_t *chunk = s->scratch;
	size_t head = (size_t)snprintf((char *)chunk, CHUNK_FRAME, "%llx\r\n", (unsigned long long)p->token_bytes);
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

void http_tokens(struct server *s, struct peer *p, uint64_t now)
{
	if (p->interest & EPOLLOUT)
		return; // the socket is full: it goes on when that has changed
	while (p->token < p->tokens && p->due_ns <= now) {
		if (!send_token(s, p))
			return;
		p->due_ns += p->cadence_ns; // by the plan, not by now: a late token does not move the others
	}
	if (p->token < p->tokens) {
		heap_remove(s, p);
		if (!heap_push(s, p))
			peer_close(s, p);
		return;
	}
	heap_remove(s, p);
	memcpy(p->out, "0\r\n\r\n", 5);
	p->out_size = 5;
	p->out_done = 0;
	p->streaming = false;
	if (send_response(s, p))
		go_on(s, p);
}
