// SPDX-License-Identifier: Apache-2.0
// llm_chat: completions of a language model, streamed or whole, as llm_model.h draws them. Each request names its model
// and its API key in its head, and its number, from which the origin draws the same answer.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "conn.h"
#include "http.h"
#include "llm_model.h"
#include "record.h"
#include "tcp.h"

#define HEAD_BYTES 1024
#define SHOWS_BUFFERING_NS (20 * NS_PER_MS) // a stream planned to last so long shows whether something holds it back
#define OK 200
#define LIMITED 429
#define FAILED 503

// Set by the command line; not changed once threads run.
static struct llm_model model = {
#define LLM_USUAL(name, usual, low, high, help) .name = usual,
	LLM_FIELDS(LLM_USUAL)
#undef LLM_USUAL
};

#define LLM_ROW(name, usual, low, high, help)                                                                          \
	{"llm-" #name, "N", OPTION_U64, offsetof(struct llm_model, name), low, high, #usual, help, NULL},
static const struct option_row rows[] = {LLM_FIELDS(LLM_ROW)};
#undef LLM_ROW

// Counts by name. A key's requests count when they are sent, the others when they are answered.
enum {
	KEYS,
	LIMITEDS = KEYS + LLM_KEYS,
	ANSWERED = LIMITEDS + LLM_KEYS,
	FAILURES = ANSWERED + LLM_MODELS,
	STREAMS,
	BUNCHED, // streams that took less than half of their planned time from the first token to the last
	NAMES
};
static char names[NAMES][32];
static const char *name_pointers[NAMES];

struct asked {
	struct completion completion;
	uint64_t planned_ns, first_ns; // of the stream: its gaps so far, and when its first token came
	int status;
	char head[HEAD_BYTES];
};

struct state {
	struct asked *asked; // per connection
	uint64_t *next;	     // per target: how many requests this thread has made
};

static struct asked *asked_of(const struct worker *w, const struct conn *c)
{
	return &((struct state *)w->protocol_state)->asked[c - w->conns];
}

static void count(struct worker *w, const struct conn *c, int name)
{
	counter_add(&target_of(w, c)->named[name], 1);
}

static void make_names(void)
{
	for (int key = 0; key < LLM_KEYS; key++) {
		snprintf(names[KEYS + key], sizeof *names, "key k%02d", key);
		snprintf(names[LIMITEDS + key], sizeof *names, "limited k%02d", key);
	}
	for (int i = 0; i < LLM_MODELS; i++)
		snprintf(names[ANSWERED + i], sizeof *names, "model %s", llm_model_names[i]);
	snprintf(names[FAILURES], sizeof *names, "failed");
	snprintf(names[STREAMS], sizeof *names, "streams");
	snprintf(names[BUNCHED], sizeof *names, "bunched");
	for (int i = 0; i < NAMES; i++)
		name_pointers[i] = names[i];
}

static bool prepare(struct load_options *options, struct args *args)
{
	struct plan *plan = &options->plan;
	make_names();
	plan->expected = token_body(LLM_TOKENS_MAX, LLM_TOKEN_BYTES);
	plan->upload = pattern_body(LLM_PROMPT_TOKENS_MAX * LLM_PROMPT_TOKEN_BYTES);
	if (!plan->expected.data)
		return args_refuse(args, "no memory");
	if (!plan->path[0]) {
		size_t used = (size_t)snprintf(plan->path, sizeof plan->path, LLM_PATH "?");
		llm_query(&model, plan->path + used, sizeof plan->path - used);
	}
	return true;
}

static bool init(struct worker *w)
{
	struct state *state = calloc(1, sizeof *state);
	if (!state)
		return false;
	state->asked = calloc(w->conns_count, sizeof *state->asked);
	state->next = calloc((size_t)w->plan->targets_count, sizeof *state->next);
	w->protocol_state = state;
	return state->asked && state->next;
}

static void compose_one(struct worker *w, struct conn *c)
{
	struct state *state = w->protocol_state;
	struct asked *asked = asked_of(w, c);
	uint64_t thread = plan_thread(w->plan, w->index), threads = (uint64_t)plan_threads(w->plan);
	asked->completion = llm_draw(&model, thread + threads * state->next[c->target]++);
	asked->planned_ns = asked->first_ns = 0;
	asked->status = 0;
	const struct completion *completion = &asked->completion;
	const char *host = w->plan->host[0] ? w->plan->host : target_of(w, c)->target->text;
	c->upload_bytes = completion->prompt_tokens * LLM_PROMPT_TOKEN_BYTES;
	c->request = asked->head;
	c->request_size = (size_t)snprintf(
		asked->head, sizeof asked->head,
		"POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer k%02u\r\nX-Model: %s\r\nX-Request: %" PRIu64
		"\r\nContent-Type: application/json\r\nContent-Length: %" PRIu64 "\r\n\r\n",
		w->plan->path, host, completion->key, llm_model_names[completion->model], completion->index,
		c->upload_bytes);
	c->expected_bytes = completion->tokens * LLM_TOKEN_BYTES;
	count(w, c, KEYS + (int)completion->key);
}

// Besides 200: an API key may be over its limit, and the model says which requests origins fail.
static bool takes_status(struct worker *w, struct conn *c, int status)
{
	struct asked *asked = asked_of(w, c);
	asked->status = status;
	if (status == LIMITED)
		count(w, c, LIMITEDS + (int)asked->completion.key);
	if (status == FAILED && asked->completion.error)
		count(w, c, FAILURES);
	if (status == OK)
		count(w, c, ANSWERED + (int)asked->completion.model);
	c->unchecked = status != OK;
	return status == OK || status == LIMITED || (status == FAILED && asked->completion.error);
}

static void first_token(struct worker *w, struct conn *c, const struct asked *asked, uint64_t now)
{
	uint64_t took = now - c->intended_ns, planned = asked->completion.first_ns;
	uint64_t added = took > planned ? took - planned : 0;
	record_timing(w, c, FIRST_TOKEN, took);
	record_timing(w, c, FIRST_TOKEN_ADDED, added);
	if (asked->completion.model != LLM_MODEL_STALLS)
		record_timing(w, c, OTHERS_ADDED, added);
}

static void last_token(struct worker *w, struct conn *c, const struct asked *asked, uint64_t now)
{
	record_timing(w, c, STREAM_TIME, now - c->sent_ns);
	if (asked->planned_ns < SHOWS_BUFFERING_NS)
		return;
	count(w, c, STREAMS);
	if (now - asked->first_ns < asked->planned_ns / 2)
		count(w, c, BUNCHED);
}

static void body_grew(struct worker *w, struct conn *c, uint64_t before, uint64_t now)
{
	struct asked *asked = asked_of(w, c);
	uint64_t first = before / LLM_TOKEN_BYTES, end = c->body_done / LLM_TOKEN_BYTES;
	if (asked->status != OK || !asked->completion.stream)
		return;
	for (uint64_t i = first; i < end && i < asked->completion.tokens; i++) {
		asked->planned_ns += llm_gap_ns(&model, &asked->completion, i);
		if (i)
			record_timing(w, c, TOKEN_GAP, now - c->token_ns);
		else
			first_token(w, c, asked, now);
		if (!i)
			asked->first_ns = now;
		c->token_ns = now;
		if (i + 1 == asked->completion.tokens)
			last_token(w, c, asked, now);
	}
	counter_add(&stats_of_slice(w, c->slice)->counters.tokens, end - first);
}

static const struct protocol llm_chat = {
	.name = "llm_chat",
	.socket_type = SOCK_STREAM,
	.alpn = HTTP_ALPN,
	.events = TCP_EVENTS,
	.options = rows,
	.options_count = sizeof rows / sizeof *rows,
	.option_values = &model,
	.names = name_pointers,
	.names_count = NAMES,
	.prepare = prepare,
	.compose = http_compose_get,
	.compose_one = compose_one,
	.init = init,
	.request = http_request,
	.event = tcp_event,
	.received = http_received,
	.takes_status = takes_status,
	.announces_close = http_announces_close,
	.body_grew = body_grew,
	.answered = conn_reuse,
	.timeout = conn_timeout,
};
PROTOCOL(llm_chat);
