// SPDX-License-Identifier: Apache-2.0
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "llm_origin.h"
#include "peer.h"
#include "query.h"
#include "response.h"
#include "timers.h"

#define BYTES_MAX (1ull << 40)
#define DELAY_US_MAX 10000000

static void route_stream(struct server *s, struct peer *p, const char *query)
{
	uint64_t cadence_us;
	if (!query_number(query, "tokens", 64, 1, 1000000, &p->tokens) ||
	    !query_number(query, "size", 32, TOKEN_BYTES_MIN, TOKEN_BYTES_MAX, &p->token_bytes) ||
	    !query_number(query, "cadence_us", 10000, 0, 60000000, &cadence_us))
		response_refuse(s, p, "400 Bad Request");
	else if (!response_set_stream(s, p, cadence_us * NS_PER_US))
		peer_close(s, p);
}

static void respond_bytes(struct peer *p)
{
	p->streaming = false; // as while it was delayed
	response_set(p, "200 OK", "application/octet-stream", p->asked_bytes);
	p->body = pattern_body(p->asked_bytes);
}

// With ?delay_us=N the answer begins so long after the request was read. Others are answered meanwhile.
static void route_bytes(struct server *s, struct peer *p, const char *number, const char *query)
{
	char *end;
	uint64_t delay_us;
	p->asked_bytes = strtoull(number, &end, 10);
	if (*end || *number < '0' || *number > '9' || p->asked_bytes > BYTES_MAX ||
	    !query_number(query, "delay_us", 0, 0, DELAY_US_MAX, &delay_us)) {
		response_refuse(s, p, "400 Bad Request");
		return;
	}
	if (!delay_us) {
		respond_bytes(p);
		return;
	}
	response_set_delayed(p, respond_bytes);
	p->due_ns = now_ns() + delay_us * NS_PER_US;
	if (!timer_add(s, p))
		peer_close(s, p);
}

static void route_whoami(struct peer *p)
{
	char address[ADDRESS_TEXT_BYTES], text[ADDRESS_TEXT_BYTES + 16];
	address_text(&p->address, address, sizeof address);
	snprintf(text, sizeof text, "{\"peer\":\"%s\"}\n", address);
	response_set_text(p, "200 OK", text);
}

void route(struct server *s, struct peer *p, const struct request_head *head)
{
	char target[1024];
	bool get = !strcmp(head->method, "GET"), post = !strcmp(head->method, "POST") || !strcmp(head->method, "PUT");
	size_t size = head->target_size < sizeof target - 1 ? head->target_size : sizeof target - 1;
	memcpy(target, head->target, size);
	target[size] = '\0';
	char *query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	p->echo = p->llm = false;
	if (!get && !post)
		response_refuse(s, p, "405 Method Not Allowed");
	else if (!strncmp(target, "/bytes/", 7))
		route_bytes(s, p, target + 7, query);
	else if (!strcmp(target, "/echo") && post)
		p->echo = true; // answered once the body is complete
	else if (!strcmp(target, "/stream") && get)
		route_stream(s, p, query);
	else if (!strcmp(target, LLM_PATH) && post)
		llm_route(s, p, query, head);
	else if (!strcmp(target, "/whoami"))
		route_whoami(p);
	else
		response_set_text(p, "404 Not Found", "{}\n");
}
