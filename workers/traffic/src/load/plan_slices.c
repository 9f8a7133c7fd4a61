// SPDX-License-Identifier: Apache-2.0
// Lays out the slices of a plan, and the rate of each target over them.
#include <string.h>

#include "plan_slices.h"

bool plan_order(struct plan *plan, struct args *args, const char *text)
{
	static char copy[128 << 10]; // the longest argument the kernel accepts (MAX_ARG_STRLEN)
	char *rest = NULL;
	const int room = (int)(sizeof plan->order / sizeof *plan->order);
	if (!text) {
		for (int i = 0; i < plan->targets_count; i++)
			plan->order[plan->order_count++] = i;
		return true;
	}
	if (strlen(text) >= sizeof copy)
		return args_refuse(args, "--order: too long");
	strcpy(copy, text);
	for (char *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
		int i = 0;
		while (i < plan->targets_count && strcmp(plan->targets[i].label, item) != 0)
			i++;
		if (i == plan->targets_count)
			return args_refuse(args, "--order: '%.60s' is no target's label", item);
		if (plan->order_count == room)
			return args_refuse(args, "--order: at most %d slices, then it repeats", room);
		plan->order[plan->order_count++] = i;
	}
	return plan->order_count > 0 || args_refuse(args, "--order: name at least one label");
}

bool plan_slices(struct plan *plan, struct args *args)
{
	uint64_t measured = (plan->duration_ns + plan->slice_ns - 1) / plan->slice_ns, active[TARGETS_MAX] = {0};
	uint64_t warm_ups = plan->warm_up_ns ? (uint64_t)plan->targets_count : 0, received = 0, failed = 0;
	if (measured + warm_ups > SLICES_MAX)
		return args_refuse(args, "--slice-ms: more than %u slices", SLICES_MAX);
	if (measured * plan_steps_in(plan, plan->slice_ns) > STEPS_MAX)
		return args_refuse(args, "--timeline-us: more than %u steps in all slices", STEPS_MAX);
	plan->slices_count = (uint32_t)(measured + warm_ups);
	plan->slices = rendezvous_slices(plan, plan->slices_count);
	if (!plan->slices)
		return args_refuse(args, plan->clients > 1 ? "--rendezvous: not a file to be mapped" : "no memory");
	for (uint64_t i = 0; i < plan->slices_count; i++) {
		struct slice *slice = &plan->slices[i];
		slice->warm_up = i < warm_ups;
		slice->target = slice->warm_up ? (int)i : plan->order[(i - warm_ups) % (uint64_t)plan->order_count];
		slice->length_ns = slice->warm_up ? plan->warm_up_ns : plan->slice_ns;
		if (slice->warm_up)
			continue;
		slice->active_ns = active[slice->target];
		active[slice->target] += slice->length_ns;
		// The profile spans the longest active time of all targets. The others get its beginning.
		if (active[slice->target] > plan->profile.duration_ns)
			plan->profile.duration_ns = active[slice->target];
		received += plan_received_counts(plan, slice);
		failed += plan_failed_steps(plan, slice);
	}
	if (received > RECEIVED_MAX)
		return args_refuse(args, "--received-ms: more than %u counts in all slices", RECEIVED_MAX);
	if (failed > FAILED_MAX)
		return args_refuse(args, "--failed-ms: more than %u steps in all slices", FAILED_MAX);
	return true;
}
