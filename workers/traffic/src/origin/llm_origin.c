// SPDX-License-Identifier: Apache-2.0
#include "llm_origin.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "peer.h"
#include "query.h"
#include "response.h"
#include "timers.h"

#define FIELD_BYTES 32

static struct body longest; // of which each answer is the beginning

static void make_longest(void)
{
	longest = token_body(LLM_TOKENS_MAX, LLM_TOKEN_BYTES);
}

// Copies the value of a field of the head. False: there is none, or it is too long.
static bool head_field(const struct request_head *head, const char *name, char *value)
{
	size_t name_size = strlen(name);
	const char *at = head->fields, *end = at + head->fields_size;
	for (const char *line_end; at < end && (line_end = memchr(at, '\n', (size_t)(end - at))); at = line_end + 1) {
		if ((size_t)(line_end - at) <= name_size || strncasecmp(at, name, name_size) || at[name_size] != ':')
			continue;
		const char *from = at + name_size + 1, *to = line_end;
		while (from < to && *from == ' ')
			from++;
		while (to > from && (to[-1] == '\r' || to[-1] == ' '))
			to--;
		if (to - from >= FIELD_BYTES)
			return false;
		memcpy(value, from, (size_t)(to - from));
		value[to - from] = '\0';
		return true;
	}
	return false;
}

static bool read_model(struct peer *p, const char *query)
{
	bool good = true;
#define LLM_READ(name, usual, low, high, help)                                                                         \
	good = good && query_number(query, #name, usual, low, high, &p->llm_model.name);
	LLM_FIELDS(LLM_READ)
#undef LLM_READ
	return good;
}

static bool read_index(const struct request_head *head, uint64_t *index)
{
	char text[FIELD_BYTES], *end;
	if (!head_field(head, "x-request", text) || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*index = strtoull(text, &end, 10);
	return !*end && !errno;
}

static bool read_asked(const struct request_head *head, uint32_t *asked)
{
	char text[FIELD_BYTES];
	if (!head_field(head, "x-model", text))
		return false;
	for (*asked = 0; *asked < LLM_MODELS; ++*asked)
		if (!strcmp(text, llm_model_names[*asked]))
			return true;
	return false;
}

void llm_route(struct server *s, struct peer *p, const char *query, const struct request_head *head)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t index;
	pthread_once(&once, make_longest);
	if (!longest.data || !read_model(p, query) || !read_index(head, &index) || !read_asked(head, &p->llm_asked)) {
		response_refuse(s, p, "400 Bad Request");
		return;
	}
	p->completion = llm_draw(&p->llm_model, index);
	p->llm = true;
}

// The time of the first token, or of a whole answer, has come.
static void respond(struct peer *p)
{
	if (p->completion.stream) {
		response_set_stream_head(p);
		return;
	}
	p->streaming = false;
	response_set(p, "200 OK", "application/json", p->tokens * LLM_TOKEN_BYTES);
	p->body = longest;
	p->body.length = p->tokens * LLM_TOKEN_BYTES;
}

void llm_begin(struct server *s, struct peer *p)
{
	if (p->completion.error && LLM_UPSTREAM_FAILS(p->upstream)) {
		s->named[NAMED_FAILED]++;
		response_set_text(p, "503 Service Unavailable", "{}\n");
		return;
	}
	s->named[p->llm_asked]++;
	const struct completion *c = &p->completion;
	response_set_delayed(p, respond);
	p->token = p->token_done = 0;
	p->tokens = c->tokens;
	p->token_bytes = LLM_TOKEN_BYTES;
	p->plan_ns = now_ns() + (c->stream ? c->first_ns : llm_duration_ns(&p->llm_model, c));
	p->due_ns = p->plan_ns = llm_after_stall(&p->llm_model, p->upstream, p->plan_ns);
	if (!timer_add(s, p))
		peer_close(s, p);
}
