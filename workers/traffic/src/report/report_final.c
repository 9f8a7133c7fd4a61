// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "json.h"
#include "report.h"

#define SCHEMA_VERSION 1

static void print_histograms(const struct stats *stats)
{
	const char *comma = "";
	printf("\"histograms\":{");
	for (int i = 0; i < TIMINGS; i++) {
		const struct hist *hist = &stats->timings[i];
		if (!hist->count)
			continue;
		printf("%s\"%s\":{", comma, timing_names[i]);
		json_whole("count", hist->count);
		json_whole("sum_ns", hist->sum);
		json_percentiles(hist);
		putchar(',');
		json_hdr(hist);
		putchar('}');
		comma = ",";
	}
	putchar('}');
}

// What a target's measured slices sum up to.
struct slices_sum {
	uint32_t slices;
	uint64_t active_ns, in_flight, stalled_ns;
	struct host_cpu cpu;
};

static struct slices_sum sum_of_slices(const struct report *report, int target, uint64_t end_ns)
{
	const struct plan *plan = report->plan;
	struct slices_sum sum = {0};
	for (uint32_t i = 0; i < plan->slices_count; i++) {
		const struct slice *slice = &plan->slices[i];
		uint64_t start = atomic_load(&slice->start_ns);
		if (slice->target != target || slice->warm_up || !start || start >= end_ns)
			continue;
		struct host_cpu gain = report_slice_cpu(slice);
		host_cpu_add(&sum.cpu, &gain);
		sum.slices++;
		sum.active_ns += start + slice->length_ns < end_ns ? slice->length_ns : end_ns - start;
		for (int j = 0; j < plan->cpus_count; j++) {
			const struct slice_counters *part = &report->workers[j].slices[i].counters;
			sum.in_flight += slice_outstanding(part);
			sum.stalled_ns += counter_read(&part->stalled_ns);
		}
	}
	return sum;
}

// How the connections of all threads to a target were negotiated.
static void print_tls(const struct report *report, int target)
{
	struct tls_context sum = {0};
	const char *comma = "";
	for (int i = 0; i < report->plan->cpus_count; i++) {
		const struct tls_context *part = report->workers[i].targets[target].tls;
		if (!part)
			return;
		tls_add(&sum, part);
	}
	printf("\"tls\":{");
	json_whole("verified", sum.verified);
	printf("\"handshakes\":{");
	for (int i = 0; i < TLS_KINDS && sum.kinds[i].count; i++, comma = ",") {
		fputs(comma, stdout);
		json_text(sum.kinds[i].words);
		printf(":%" PRIu64, sum.kinds[i].count);
	}
	printf("}},");
}

// Of the warm-up too: they are compared with what others count of all traffic.
static void print_named(const struct report *report, int target)
{
	const struct protocol *protocol = report->plan->protocol;
	printf("\"named\":{");
	for (size_t name = 0; name < protocol->names_count; name++) {
		uint64_t sum = 0;
		for (int i = 0; i < report->plan->cpus_count; i++)
			sum += counter_read(&report->workers[i].targets[target].named[name]);
		printf("%s\"%s\":%" PRIu64, name ? "," : "", protocol->names[name], sum);
	}
	printf("},");
}

static void print_target(const struct report *report, int target, uint64_t end_ns)
{
	const struct plan *plan = report->plan;
	struct slices_sum slices = sum_of_slices(report, target, end_ns);
	struct stats sum;
	if (!stats_init(&sum))
		return;
	for (int i = 0; i < plan->cpus_count; i++)
		stats_add(&sum, &report->workers[i].targets[target].measured);
	if (plan->protocol->may_lose)
		sum.counters.lost += slices.in_flight;
	printf("\"%s\":{", plan->targets[target].label);
	json_whole("slices", slices.slices);
	json_whole("active_ns", slices.active_ns);
	json_whole("stalled_ns", slices.stalled_ns);
	json_whole("in_flight", slices.in_flight);
	json_host_cpu(&slices.cpu);
	putchar(',');
#define PRINT_COUNTER(name) json_whole(#name, sum.counters.name);
	TARGET_COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
	print_named(report, target);
	printf("\"errors\":");
	json_errors(sum.counters.errors, NULL);
	putchar(',');
	print_tls(report, target);
	print_histograms(&sum);
	putchar('}');
	stats_free(&sum);
}

static void print_thread(const struct worker *w)
{
	printf("{\"cpu\":%d,\"real_time\":%s,", w->cpu, w->real_time ? "true" : "false");
	json_whole("switches_voluntary", w->switches_voluntary);
	json_whole("switches_involuntary", w->switches_involuntary);
	printf("\"cpu_s\":%.6f,\"user_s\":%.6f,\"system_s\":%.6f,\"wall_s\":%.6f,\"run_queue_s\":%.6f,\"share\":%.4f}",
	       (double)w->cpu_ns / 1e9, (double)w->user_ns / 1e9, (double)w->system_ns / 1e9, (double)w->wall_ns / 1e9,
	       (double)w->run_queue_ns / 1e9, w->wall_ns ? (double)w->cpu_ns / (double)w->wall_ns : 0.0);
}

static void print_run(const struct report *report, uint64_t end_ns)
{
	const struct plan *plan = report->plan;
	printf(",\"workload\":\"%s\",\"loop\":\"%s\",\"ticks_per_s\":%ld,", plan->protocol->name,
	       plan->open_loop ? "open" : "closed", sysconf(_SC_CLK_TCK));
	json_whole("start_ns", report->start_ns);
	json_whole("end_ns", end_ns);
	printf("\"threads\":[");
	for (int i = 0; i < plan->cpus_count; i++) {
		if (i)
			putchar(',');
		print_thread(&report->workers[i]);
	}
	printf("],\"slices\":");
	report_all_slices(report);
}

void report_final(const struct report *report, const char *failure, bool interrupted, uint64_t end_ns)
{
	printf("{\"type\":\"final\",\"schema_version\":%d,\"failure\":", SCHEMA_VERSION);
	json_text(failure);
	printf(",\"interrupted\":%s,\"targets\":{", interrupted ? "true" : "false");
	for (int i = 0; report && i < report->plan->targets_count; i++) {
		if (i)
			putchar(',');
		print_target(report, i, end_ns);
	}
	putchar('}');
	if (report)
		print_run(report, end_ns);
	printf("}\n");
	fflush(stdout);
}
