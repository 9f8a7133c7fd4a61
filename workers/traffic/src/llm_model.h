// SPDX-License-Identifier: Apache-2.0
// The published model of completions: what request number `index` is like, drawn from a seed. Generator and origin draw
// the same values, so that the generator knows the answer to each request. workers/traffic/README.md describes it.
#ifndef SHOWDOWN_LLM_MODEL_H
#define SHOWDOWN_LLM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LLM_PATH "/v1/chat/completions"
#define LLM_MODELS 2
#define LLM_KEYS 16
#define LLM_TOKEN_BYTES 32u
#define LLM_TOKENS_MAX 8192u	    // of one answer
#define LLM_PROMPT_TOKENS_MAX 1024u // of one prompt
#define LLM_PROMPT_TOKEN_BYTES 4u

// Origins at even places of the list of addresses fail the requests that the model has fail. So a gateway that tries
// again elsewhere hides these failures.
#define LLM_UPSTREAM_FAILS(upstream) ((upstream) % 2 == 0)
#define LLM_UPSTREAM_STALLS 3 // the address that stalls, if any does
#define LLM_MODEL_STALLS 1    // the model that it serves

extern const char *const llm_model_names[LLM_MODELS];

// The parameters. Each X() is a field, its name in the query, its default, its least and largest value, and its
// meaning.
#define LLM_FIELDS(X)                                                                                                  \
	X(seed, 1, 0, UINT64_MAX, "seed of the model")                                                                 \
	X(prompt_tokens, 100, 1, 500, "median length of a prompt")                                                     \
	X(answer_tokens, 24, 1, 500, "median length of an answer")                                                     \
	X(first_us, 40000, 0, 1000000, "median time to the first token")                                               \
	X(gap_us, 4000, 0, 100000, "mean time from one token to the next")                                             \
	X(stream_percent, 70, 0, 100, "share of answers that are streams")                                             \
	X(error_permille, 5, 0, 20, "requests that every other origin fails, of 1000")                                 \
	X(slow_permille, 10, 0, 1000, "requests whose first token takes eight times as long, of 1000")                 \
	X(stall_ms, 0, 0, 60000, "how long each stall of one origin lasts")                                            \
	X(stall_every_ms, 1000, 1, 600000, "period of its stalls")

struct llm_model {
#define LLM_FIELD(name, usual, low, high, help) uint64_t name;
	LLM_FIELDS(LLM_FIELD)
#undef LLM_FIELD
};

struct completion {
	uint64_t index, prompt_tokens, tokens, first_ns;
	uint32_t model, key;
	bool stream, error, slow, lengthy;
};

struct llm_model llm_usual(void);
struct completion llm_draw(const struct llm_model *model, uint64_t index);
// From token `token` - 1 to this one; tokens count from 0, and the first has no gap.
uint64_t llm_gap_ns(const struct llm_model *model, const struct completion *completion, uint64_t token);
// From the request to the last token.
uint64_t llm_duration_ns(const struct llm_model *model, const struct completion *completion);
// When an origin that is asked to act at `at_ns` can act: later if it stalls then.
uint64_t llm_after_stall(const struct llm_model *model, uint32_t upstream, uint64_t at_ns);
// Writes the query "seed=1&…". Returns its length.
size_t llm_query(const struct llm_model *model, char *text, size_t room);

#endif
