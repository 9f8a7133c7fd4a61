// SPDX-License-Identifier: Apache-2.0
// The origin as a server of language models: completions by the published model (llm_model.h).
#ifndef SHOWDOWN_LLM_ORIGIN_H
#define SHOWDOWN_LLM_ORIGIN_H

#include "origin_state.h"

// Reads a request of LLM_PATH. It is answered once its prompt has arrived: by llm_begin().
void llm_route(struct server *s, struct peer *p, const char *query, const struct request_head *head);
// The prompt is complete: sets the response, or when it begins.
void llm_begin(struct server *s, struct peer *p);

#endif
