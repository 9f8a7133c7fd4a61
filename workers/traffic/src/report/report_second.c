// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "report.h"

bool report_init(struct report *report, struct plan *plan, struct worker *workers)
{
	*report = (struct report){.plan = plan, .workers = workers};
	report->before = calloc((size_t)plan->targets_count, sizeof *report->before);
	report->cpu_before = calloc((size_t)plan->cpus_count, sizeof *report->cpu_before);
	if (!report->before || !report->cpu_before)
		return false;
	for (int i = 0; i < plan->targets_count; i++)
		if (!stats_init(&report->before[i]))
			return false;
	return hist_init(&report->sum, HIST_3_DIGITS) && hist_init(&report->part, HIST_3_DIGITS);
}

// Sets report->part to what a target's timing gained since the latest line.
static void take_timing(struct report *report, int target, enum timing timing)
{
	struct hist *sum = &report->sum;
	hist_clear(sum);
	for (int i = 0; i < report->plan->cpus_count; i++)
		hist_add(sum, &report->workers[i].targets[target].measured.timings[timing]);
	hist_take(&report->part, &report->before[target].timings[timing], sum);
}

static void print_target(struct report *report, int target)
{
	const struct plan *plan = report->plan;
	const enum timing timing = report_main_timing(plan);
	struct counters now = {0}, *before = &report->before[target].counters;
	for (int i = 0; i < plan->cpus_count; i++)
		counters_add(&now, &report->workers[i].targets[target].measured.counters);
	printf("\"%s\":{", plan->targets[target].label);
	json_whole("requests", now.requests - before->requests);
	json_whole("sent", now.sent - before->sent);
	json_whole("connections", now.connections - before->connections);
	json_whole("bytes_received", now.bytes_received - before->bytes_received);
	json_whole("bytes_sent", now.bytes_sent - before->bytes_sent);
	printf("\"errors\":");
	json_errors(now.errors, before->errors);
	*before = now;
	take_timing(report, target, timing);
	printf(",\"%s\":{", timing_names[timing]);
	json_percentiles(&report->part);
	if (plan->clients > 1) {
		putchar(','); // percentiles of several clients cannot be merged, histograms can
		json_hdr(&report->part);
	}
	take_timing(report, target, SCHEDULE_LAG);
	printf("},\"schedule_lag\":{");
	json_percentiles(&report->part);
	printf("}}");
}

void report_second(struct report *report, uint64_t now)
{
	const struct plan *plan = report->plan;
	printf("{\"type\":\"second\",\"t_s\":%.3f,\"targets\":{", (double)(now - report->start_ns) / (double)NS_PER_S);
	for (int i = 0; i < plan->targets_count; i++) {
		if (i)
			putchar(',');
		print_target(report, i);
	}
	printf("},\"cpu_shares\":[");
	for (int i = 0; i < plan->cpus_count; i++) {
		uint64_t cpu = clock_read(report->workers[i].cpu_clock), before = report->cpu_before[i];
		uint64_t gained = cpu > before ? cpu - before : 0; // a thread that has ended has no clock any more
		printf("%s%.4f", i ? "," : "", (double)gained / (double)(now - report->last_ns));
		report->cpu_before[i] = cpu;
	}
	printf("]}\n");
	fflush(stdout);
	report->last_ns = now;
}
