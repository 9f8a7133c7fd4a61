// SPDX-License-Identifier: Apache-2.0
#include "message.h"

#include <inttypes.h>
#include <stdlib.h>

bool message_prepare(struct load_options *options, struct args *args, uint64_t low, uint64_t high)
{
	struct plan *plan = &options->plan;
	uint64_t size = options->body_bytes;
	if (size < low || size > high)
		return args_refuse(args, "--body-bytes: %s takes %" PRIu64 " to %" PRIu64, plan->protocol->name, low,
				   high);
	plan->expected = pattern_body(size);
	return true;
}

bool message_compose(const struct plan *plan, struct target_state *target)
{
	const struct body *body = &plan->expected;
	target->request_size = body->length;
	target->request = malloc(target->request_size);
	if (!target->request)
		return false;
	for (uint64_t i = 0; i < body->length; i++)
		target->request[i] = (char)body->data[i % body->period];
	return true;
}
