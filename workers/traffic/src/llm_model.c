// SPDX-License-Identifier: Apache-2.0
#include "llm_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "clock.h"

#define GREEDY_SHARE 0.25 // of all requests have the first key
#define LONG_SHARE 0.05	  // of answers are LONG_FACTOR times as long
#define LONG_FACTOR 3
#define SLOW_FACTOR 8
#define PROMPT_SIGMA 0.6 // of the logarithm of a length or a time
#define ANSWER_SIGMA 0.5
#define FIRST_SIGMA 0.4
#define SPREAD_MAX 3.0	      // a length or time is at most so many medians
#define PROMPT_TOKEN_NS 10000 // each token of the prompt delays the first token of the answer

const char *const llm_model_names[LLM_MODELS] = {"small", "large"};

// What is drawn. A normal value takes two numbers.
enum draw { WAY, MODEL, GREEDY, KEY, ERROR, SLOW, LENGTHY, PROMPT, PROMPT_2, ANSWER, ANSWER_2, FIRST, FIRST_2, GAPS };

struct llm_model llm_usual(void)
{
	return (struct llm_model){
#define LLM_USUAL(name, usual, low, high, help) .name = usual,
		LLM_FIELDS(LLM_USUAL)
#undef LLM_USUAL
	};
}

// The finaliser of splitmix64.
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t bits(const struct llm_model *model, uint64_t index, uint64_t what)
{
	return mix(mix(model->seed + 0x9e3779b97f4a7c15ull * (index + 1)) + 0x9e3779b97f4a7c15ull * (what + 1));
}

// At least 0, and less than 1.
static double uniform(const struct llm_model *model, uint64_t index, uint64_t what)
{
	return (double)(bits(model, index, what) >> 11) * 0x1p-53;
}

// A log-normal factor with median 1, from 1 / SPREAD_MAX to SPREAD_MAX.
static double spread(const struct llm_model *model, uint64_t index, uint64_t what, double sigma)
{
	double radius = sqrt(-2 * log(1 - uniform(model, index, what)));
	double factor = exp(sigma * radius * cos(2 * M_PI * uniform(model, index, what + 1)));
	return fmin(SPREAD_MAX, fmax(1 / SPREAD_MAX, factor));
}

static uint64_t length(double tokens, uint64_t most)
{
	uint64_t whole = (uint64_t)llround(tokens);
	return whole < 1 ? 1 : whole > most ? most : whole;
}

struct completion llm_draw(const struct llm_model *model, uint64_t index)
{
	struct completion c = {.index = index};
	c.stream = uniform(model, index, WAY) * 100 < (double)model->stream_percent;
	c.error = uniform(model, index, ERROR) * 1000 < (double)model->error_permille;
	c.slow = uniform(model, index, SLOW) * 1000 < (double)model->slow_permille;
	c.lengthy = uniform(model, index, LENGTHY) < LONG_SHARE;
	c.model = (uint32_t)(bits(model, index, MODEL) % LLM_MODELS);
	c.key = uniform(model, index, GREEDY) < GREEDY_SHARE ? 0
							     : 1 + (uint32_t)(bits(model, index, KEY) % (LLM_KEYS - 1));
	c.prompt_tokens = length((double)model->prompt_tokens * spread(model, index, PROMPT, PROMPT_SIGMA),
				 LLM_PROMPT_TOKENS_MAX);
	c.tokens = length((double)model->answer_tokens * spread(model, index, ANSWER, ANSWER_SIGMA) *
				  (c.lengthy ? LONG_FACTOR : 1),
			  LLM_TOKENS_MAX);
	double first_ns = (double)(model->first_us * NS_PER_US) * spread(model, index, FIRST, FIRST_SIGMA);
	c.first_ns = (uint64_t)(first_ns + (double)(c.prompt_tokens * PROMPT_TOKEN_NS)) * (c.slow ? SLOW_FACTOR : 1);
	return c;
}

uint64_t llm_gap_ns(const struct llm_model *model, const struct completion *completion, uint64_t token)
{
	double jitter = 0.5 + uniform(model, completion->index, GAPS + token);
	return token ? (uint64_t)((double)(model->gap_us * NS_PER_US) * jitter) : 0;
}

uint64_t llm_duration_ns(const struct llm_model *model, const struct completion *completion)
{
	uint64_t sum = completion->first_ns;
	for (uint64_t token = 1; token < completion->tokens; token++)
		sum += llm_gap_ns(model, completion, token);
	return sum;
}

uint64_t llm_after_stall(const struct llm_model *model, uint32_t upstream, uint64_t at_ns)
{
	uint64_t stall_ns = model->stall_ms * NS_PER_MS, every_ns = model->stall_every_ms * NS_PER_MS;
	if (upstream != LLM_UPSTREAM_STALLS || at_ns % every_ns >= stall_ns)
		return at_ns;
	return at_ns - at_ns % every_ns + (stall_ns < every_ns ? stall_ns : every_ns);
}

size_t llm_query(const struct llm_model *model, char *text, size_t room)
{
	size_t used = 0;
#define LLM_PRINT(name, usual, low, high, help)                                                                        \
	used += (size_t)snprintf(text + used, room > used ? room - used : 0, "%s" #name "=%" PRIu64, used ? "&" : "",  \
				 model->name);
	LLM_FIELDS(LLM_PRINT)
#undef LLM_PRINT
	return used;
}
