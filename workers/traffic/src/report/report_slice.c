// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "report.h"
#include "slow.h"

enum timing report_main_timing(const struct plan *plan)
{
	return plan->open_loop ? LATENCY : SERVICE_TIME;
}

struct host_cpu report_slice_cpu(const struct slice *slice)
{
	struct host_cpu none = {0};
	return atomic_load(&slice->drained_ns) ? host_cpu_gain(&slice->cpu_before, &slice->cpu_after) : none;
}

static void print_slice(const struct report *report, uint32_t index, struct hist *timing)
{
	const struct plan *plan = report->plan;
	struct slice *slice = &plan->slices[index];
	struct slice_counters sum = {0};
	uint64_t begun_ns = 0;
	hist_clear(timing);
	for (int i = 0; i < plan->cpus_count; i++) {
		const struct slice_stats *part = &report->workers[i].slices[index];
		uint64_t part_begun_ns = counter_read(&part->begun_ns);
		slice_counters_add(&sum, &part->counters);
		begun_ns = part_begun_ns > begun_ns ? part_begun_ns : begun_ns;
		hist_add(timing, &part->timing);
	}
	printf("\"slice\":%u,\"target\":\"%s\",\"warm_up\":%s,", index, plan->targets[slice->target].label,
	       slice->warm_up ? "true" : "false");
	json_whole("start_ns", atomic_load(&slice->start_ns));
	json_whole("length_ns", slice->length_ns);
	json_whole("drained_ns", atomic_load(&slice->drained_ns));
	json_whole("begun_ns", begun_ns);
	json_whole("in_flight", slice_outstanding(&sum));
#define PRINT_COUNTER(name) json_whole(#name, sum.name);
	SLICE_COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
	printf("\"%s\":{", timing_names[report_main_timing(plan)]);
	json_percentiles(timing);
	if (plan->clients > 1) {
		putchar(','); // percentiles of several clients cannot be merged, histograms can
		json_hdr(timing);
	}
	printf("},");
	struct host_cpu cpu = report_slice_cpu(slice);
	json_host_cpu(&cpu);
}

void report_slices(struct report *report)
{
	const struct plan *plan = report->plan;
	struct hist timing;
	if (!hist_init(&timing, HIST_2_DIGITS))
		return;
	while (report->slices_reported < plan->slices_count &&
	       atomic_load(&plan->slices[report->slices_reported].drained_ns)) {
		printf("{\"type\":\"slice\",");
		print_slice(report, report->slices_reported++, &timing);
		printf("}\n");
	}
	hist_free(&timing);
}

static struct step sum_of_step(const struct report *report, uint32_t slice, uint32_t step)
{
	struct step sum = {0};
	for (int i = 0; i < report->plan->cpus_count; i++) {
		const struct step *part = &report->workers[i].slices[slice].steps[step];
#define ADD_SUM(name, open_loop) sum.name += part->name;
		STEP_SUMS(ADD_SUM)
#undef ADD_SUM
	}
	return sum;
}

// One array per sum, with one number per step.
static void print_timeline(const struct report *report, uint32_t index)
{
	const struct plan *plan = report->plan;
	uint32_t steps = plan_steps(plan, &plan->slices[index]);
	if (!steps)
		return;
	printf(",\"timeline\":{\"step_ns\":%" PRIu64, plan->step_ns);
#define PRINT_SUMS(name, open_only)                                                                                    \
	if (!(open_only) || plan->open_loop) {                                                                         \
		printf(",\"" #name "\":[");                                                                            \
		for (uint32_t step = 0; step < steps; step++)                                                          \
			printf("%s%" PRIu64, step ? "," : "", sum_of_step(report, index, step).name);                  \
		putchar(']');                                                                                          \
	}
	STEP_SUMS(PRINT_SUMS)
#undef PRINT_SUMS
	putchar('}');
}

// One character per step: the slowest request that was due in it, of all threads.
static void print_slow(const struct report *report, uint32_t index)
{
	const struct plan *plan = report->plan;
	if (!report->workers[0].slices[index].slow)
		return;
	uint64_t steps = slow_steps(plan->slices[index].length_ns);
	printf(",\"slow\":\"");
	for (uint64_t step = 0; step < steps; step++) {
		uint8_t slowest = 0;
		for (int i = 0; i < plan->cpus_count; i++) {
			uint8_t mark = report->workers[i].slices[index].slow[step];
			slowest = mark > slowest ? mark : slowest;
		}
		putchar(slow_character(slowest));
	}
	putchar('"');
}

static uint64_t received_in(const struct report *report, uint32_t slice, uint64_t at)
{
	uint64_t sum = 0;
	for (int i = 0; i < report->plan->cpus_count; i++)
		sum += report->workers[i].slices[slice].received[at];
	return sum;
}

// One array per source address, in the order of the command line, with the bytes of each step.
static void print_received(const struct report *report, uint32_t index)
{
	const struct plan *plan = report->plan;
	const struct slice *slice = &plan->slices[index];
	uint64_t steps = plan_received_steps(plan, slice), counts = plan_received_counts(plan, slice);
	if (!counts)
		return;
	printf(",\"received\":{\"step_ns\":%" PRIu64 ",\"bytes\":[", plan->received_step_ns);
	for (uint64_t at = 0; at < counts; at++)
		printf("%s%" PRIu64 "%s",
		       at % steps ? ","
		       : at	  ? ",["
				  : "[",
		       received_in(report, index, at), at % steps == steps - 1 ? "]" : "");
	printf("]}");
}

static struct failed_step failed_in(const struct report *report, uint32_t slice, uint64_t step)
{
	struct failed_step sum = {0};
	for (int i = 0; i < report->plan->cpus_count; i++) {
		const struct failed_step *part = &report->workers[i].slices[slice].failed[step];
		sum.lost += part->lost;
		sum.errors += part->errors;
	}
	return sum;
}

// Two arrays with one number per step; the last step has what is later than the end of the slice.
static void print_failed(const struct report *report, uint32_t index)
{
	const struct plan *plan = report->plan;
	uint64_t steps = plan_failed_steps(plan, &plan->slices[index]);
	if (!steps)
		return;
	printf(",\"failed\":{\"step_ns\":%" PRIu64 ",\"lost\":[", plan->failed_step_ns);
	for (uint64_t step = 0; step < steps; step++)
		printf("%s%" PRIu64, step ? "," : "", failed_in(report, index, step).lost);
	printf("],\"errors\":[");
	for (uint64_t step = 0; step < steps; step++)
		printf("%s%" PRIu64, step ? "," : "", failed_in(report, index, step).errors);
	printf("]}");
}

void report_all_slices(const struct report *report)
{
	const struct plan *plan = report->plan;
	struct hist timing;
	const char *comma = "";
	bool ready = hist_init(&timing, HIST_2_DIGITS);
	putchar('[');
	for (uint32_t i = 0; ready && i < plan->slices_count && atomic_load(&plan->slices[i].start_ns); i++) {
		printf("%s{", comma);
		print_slice(report, i, &timing);
		print_timeline(report, i);
		print_slow(report, i);
		print_received(report, i);
		print_failed(report, i);
		putchar('}');
		comma = ",";
	}
	putchar(']');
	if (ready)
		hist_free(&timing);
}
