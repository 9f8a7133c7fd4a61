// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <stdlib.h>
#include <unistd.h>

#define SCHEMA_VERSION 1

void report_json_text(const char *text)
{
	putchar('"');
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < ' ' || *at > '~') // bytes, not characters: an odd path must not break the line
			printf("\\u%04x", *at);
		else
			putchar(*at);
	}
	putchar('"');
}

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

static enum timing main_timing(const struct plan *plan)
{
	return plan->open_loop ? LATENCY : SERVICE_TIME;
}

// Sets report->part to what `timing` of a target gained since the last line.
static void take_timing(struct report *report, int target, enum timing timing)
{
	struct hist *sum = &report->sum;
	for (uint32_t i = 0; i < sum->length; i++)
		sum->counts[i] = 0;
	sum->count = sum->sum = sum->max = 0;
	for (int i = 0; i < report->plan->cpus_count; i++)
		hist_add(sum, &report->workers[i].lanes[target].measured.timings[timing]);
	hist_take(&report->part, &report->before[target].timings[timing], sum);
}

static void print_errors(const uint64_t *now, const uint64_t *before)
{
	const char *comma = "";
	printf("{");
	for (int i = 0; i < CAUSES; i++) {
		uint64_t count = now[i] - (before ? before[i] : 0);
		if (!count)
			continue;
		printf("%s\"%s\":%llu", comma, cause_names[i], (unsigned long long)count);
		comma = ",";
	}
	printf("}");
}

static void print_percentiles(const struct hist *hist)
{
	printf("\"p50_ns\":%llu,\"p90_ns\":%llu,\"p99_ns\":%llu,\"p999_ns\":%llu,\"max_ns\":%llu",
	       (unsigned long long)hist_percentile(hist, 50), (unsigned long long)hist_percentile(hist, 90),
	       (unsigned long long)hist_percentile(hist, 99), (unsigned long long)hist_percentile(hist, 99.9),
	       (unsigned long long)hist->max);
}

// Several clients' percentiles cannot be put together, their histograms can.
static void print_for_merging(const struct plan *plan, const struct hist *hist)
{
	if (plan->clients == 1)
		return;
	printf(",\"hdr\":\"");
	hist_encode(hist, stdout);
	printf("\"");
}

static void second_of_target(struct report *report, int target)
{
	const struct plan *plan = report->plan;
	struct counters now = {0}, *before = &report->before[target].counters;
	for (int i = 0; i < plan->cpus_count; i++)
		counters_add(&now, &report->workers[i].lanes[target].measured.counters);
	printf("\"%s\":{\"requests\":%llu,\"sent\":%llu,\"connections\":%llu,\"bytes_received\":%llu,\"bytes_sent\":%"
	       "llu,",
	       plan->targets[target].label, (unsigned long long)(now.requests - before->requests),
	       (unsigned long long)(now.sent - before->sent),
	       (unsigned long long)(now.connections - before->connections),
	       (unsigned long long)(now.bytes_received - before->bytes_received),
	       (unsigned long long)(now.bytes_sent - before->bytes_sent));
	printf("\"errors\":");
	print_errors(now.errors, before->errors);
	*before = now;
	take_timing(report, target, main_timing(plan));
	printf(",\"%s\":{", timing_names[main_timing(plan)]);
	print_percentiles(&report->part);
	print_for_merging(plan, &report->part);
	take_timing(report, target, SCHEDULE_LAG);
	printf("},\"schedule_lag\":{");
	print_percentiles(&report->part);
	printf("}}");
}

void report_second(struct report *report, uint64_t now)
{
	const struct plan *plan = report->plan;
	printf("{\"type\":\"second\",\"t_s\":%.3f,\"targets\":{", (double)(now - report->start_ns) / (double)NS_PER_S);
	for (int i = 0; i < plan->targets_count; i++) {
		if (i)
			putchar(',');
		second_of_target(report, i);
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

static void print_host_cpu(const struct host_cpu *cpu)
{
	printf("\"host_cpu_ticks\":{");
	for (int i = 0; i < HOST_CPU_KINDS; i++)
		printf("%s\"%s\":%llu", i ? "," : "", host_cpu_names[i], (unsigned long long)cpu->ticks[i]);
	printf("}");
}

static uint64_t sum_of_step(const struct report *report, uint32_t slice, uint32_t step, int field)
{
	uint64_t sum = 0;
	// A plain row of uint64_t, by construction.
	for (int i = 0; i < report->plan->cpus_count; i++)
		sum += ((const uint64_t *)&report->workers[i].slices[slice].steps[step])[field];
	return sum;
}

// When what was sent, and what it took: all three are sums over the requests of a step.
static void print_timeline(const struct report *report, uint32_t index)
{
	static const char *const fields[] = {"requests", "service_time_ns", "latency_ns"}; // as in struct step
	const struct plan *plan = report->plan;
	uint32_t steps = plan_steps(plan, &plan->slices[index]);
	if (!steps)
		return;
	printf(",\"timeline\":{\"step_ns\":%llu", (unsigned long long)plan->step_ns);
	// A closed loop has no intended send, and no latency.
	for (int i = 0; i < (plan->open_loop ? 3 : 2); i++) {
		printf(",\"%s\":[", fields[i]);
		for (uint32_t step = 0; step < steps; step++)
			printf("%s%llu", step ? "," : "", (unsigned long long)sum_of_step(report, index, step, i));
		printf("]");
	}
	printf("}");
}

// What the host spent from a slice's start until it had drained; nothing for a slice that was cut off.
static struct host_cpu slice_cpu(const struct slice *slice)
{
	struct host_cpu none = {0};
	return atomic_load(&slice->drained_ns) ? host_cpu_gain(&slice->cpu_before, &slice->cpu_after) : none;
}

static void print_slice(const struct report *report, uint32_t index, struct hist *timing)
{
	const struct plan *plan = report->plan;
	struct slice *slice = &plan->slices[index];
	uint64_t sent = 0, requests = 0, errors = 0, unsent = 0, late = 0, received = 0, out = 0, stood = 0, begun = 0;
	for (uint32_t i = 0; i < timing->length; i++)
		timing->counts[i] = 0;
	timing->count = timing->sum = timing->max = 0;
	for (int i = 0; i < plan->cpus_count; i++) {
		const struct slice_stats *s = &report->workers[i].slices[index];
		sent += counter_read(&s->sent), requests += counter_read(&s->requests),
			errors += counter_read(&s->errors);
		unsent += s->unsent, late += counter_read(&s->late);
		received += counter_read(&s->bytes_received), out += counter_read(&s->bytes_sent);
		stood += counter_read(&s->stood_ns);
		begun = counter_read(&s->begun_ns) > begun ? counter_read(&s->begun_ns) : begun;
		hist_add(timing, &s->timing);
	}
	printf("\"slice\":%u,\"target\":\"%s\",\"warm_up\":%s,\"start_ns\":%llu,\"length_ns\":%llu,\"drained_ns\":%"
	       "llu,",
	       index, plan->targets[slice->target].label, slice->warm_up ? "true" : "false",
	       (unsigned long long)atomic_load(&slice->start_ns), (unsigned long long)slice->length_ns,
	       (unsigned long long)atomic_load(&slice->drained_ns));
	printf("\"sent\":%llu,\"requests\":%llu,\"errors\":%llu,\"in_flight\":%llu,\"unsent\":%llu,\"late\":%llu,"
	       "\"bytes_received\":%llu,\"bytes_sent\":%llu,\"stood_ns\":%llu,\"begun_ns\":%llu,",
	       (unsigned long long)sent, (unsigned long long)requests, (unsigned long long)errors,
	       (unsigned long long)(sent > requests + errors ? sent - requests - errors : 0),
	       (unsigned long long)unsent, (unsigned long long)late, (unsigned long long)received,
	       (unsigned long long)out, (unsigned long long)stood, (unsigned long long)begun);
	printf("\"%s\":{", timing_names[main_timing(plan)]);
	print_percentiles(timing);
	print_for_merging(plan, timing);
	printf("},");
	struct host_cpu cpu = slice_cpu(slice);
	print_host_cpu(&cpu);
}

void report_slices(struct report *report)
{
	struct hist timing;
	if (!hist_init(&timing, HIST_2_DIGITS))
		return;
	while (report->slices_told < report->plan->slices_count &&
	       atomic_load(&report->plan->slices[report->slices_told].drained_ns)) {
		printf("{\"type\":\"slice\",");
		print_slice(report, report->slices_told++, &timing);
		printf("}\n");
	}
	hist_free(&timing);
}

static void print_counters(const struct counters *c, uint64_t in_flight)
{
	printf("\"sent\":%llu,\"requests\":%llu,\"connections\":%llu,\"bytes_received\":%llu,\"bytes_sent\":%llu,",
	       (unsigned long long)c->sent, (unsigned long long)c->requests, (unsigned long long)c->connections,
	       (unsigned long long)c->bytes_received, (unsigned long long)c->bytes_sent);
	printf("\"in_flight\":%llu,\"unsent\":%llu,\"queued\":%llu,\"late\":%llu,\"closed_idle\":%llu,",
	       (unsigned long long)in_flight, (unsigned long long)c->unsent, (unsigned long long)c->queued,
	       (unsigned long long)c->late, (unsigned long long)c->closed_idle);
	printf("\"tokens\":%llu,\"stalls\":%llu,\"lost\":%llu,\"reordered\":%llu,\"duplicates\":%llu,\"errors\":",
	       (unsigned long long)c->tokens, (unsigned long long)c->stalls, (unsigned long long)c->lost,
	       (unsigned long long)c->reordered, (unsigned long long)c->duplicates);
	print_errors(c->errors, NULL);
}

static void print_histograms(const struct stats *stats)
{
	const char *comma = "";
	printf("\"histograms\":{");
	for (int i = 0; i < TIMINGS; i++) {
		const struct hist *hist = &stats->timings[i];
		if (!hist->count)
			continue;
		printf("%s\"%s\":{\"count\":%llu,\"sum_ns\":%llu,", comma, timing_names[i],
		       (unsigned long long)hist->count, (unsigned long long)hist->sum);
		print_percentiles(hist);
		printf(",\"hdr\":\"");
		hist_encode(hist, stdout);
		printf("\"}");
		comma = ",";
	}
	printf("}");
}

static void final_of_target(const struct report *report, int target, uint64_t end_ns)
{
	const struct plan *plan = report->plan;
	struct stats sum;
	uint64_t active = 0, in_flight = 0, stood = 0;
	struct host_cpu cpu = {0};
	uint32_t slices = 0;
	if (!stats_init(&sum))
		return;
	for (int i = 0; i < plan->cpus_count; i++)
		stats_add(&sum, &report->workers[i].lanes[target].measured);
	for (uint32_t i = 0; i < plan->slices_count; i++) {
		const struct slice *slice = &plan->slices[i];
		uint64_t start = atomic_load(&slice->start_ns);
		if (slice->target != target || slice->warm_up || !start || start >= end_ns)
			continue;
		slices++;
		struct host_cpu gain = slice_cpu(slice);
		host_cpu_add(&cpu, &gain);
		active += start + slice->length_ns < end_ns ? slice->length_ns : end_ns - start;
		for (int j = 0; j < plan->cpus_count; j++)
			in_flight += outstanding(&report->workers[j].slices[i]),
				stood += counter_read(&report->workers[j].slices[i].stood_ns);
	}
	// A datagram on its way when nothing more will be waited for is lost.
	if (plan->workload == UDP_RR)
		sum.counters.lost += in_flight;
	printf("\"%s\":{\"slices\":%u,\"active_ns\":%llu,\"stood_ns\":%llu,", plan->targets[target].label, slices,
	       (unsigned long long)active, (unsigned long long)stood);
	print_host_cpu(&cpu);
	printf(",");
	print_counters(&sum.counters, in_flight);
	printf(",");
	print_histograms(&sum);
	printf("}");
	for (int i = 0; i < TIMINGS; i++)
		hist_free(&sum.timings[i]);
}

static void print_threads(const struct report *report)
{
	printf("\"threads\":[");
	for (int i = 0; i < report->plan->cpus_count; i++) {
		const struct worker *w = &report->workers[i];
		printf("%s{\"cpu\":%d,\"real_time\":%s,\"cpu_s\":%.6f,\"user_s\":%.6f,\"system_s\":%.6f,\"wall_s\":%."
		       "6f,\"run_queue_s\":%.6f,\"share\":%.4f,"
		       "\"switches_voluntary\":%llu,\"switches_involuntary\":%llu}",
		       i ? "," : "", w->cpu, w->real_time ? "true" : "false", (double)w->cpu_ns / 1e9,
		       (double)w->user_ns / 1e9, (double)w->system_ns / 1e9, (double)w->wall_ns / 1e9,
		       (double)w->run_queue_ns / 1e9, w->wall_ns ? (double)w->cpu_ns / (double)w->wall_ns : 0.0,
		       (unsigned long long)w->switches_voluntary, (unsigned long long)w->switches_involuntary);
	}
	printf("]");
}

void report_final(struct report *report, const char *failure, bool interrupted, uint64_t end_ns)
{
	printf("{\"type\":\"final\",\"schema_version\":%d,\"failure\":", SCHEMA_VERSION);
	report_json_text(failure);
	printf(",\"interrupted\":%s,\"targets\":{", interrupted ? "true" : "false");
	for (int i = 0; report && i < report->plan->targets_count; i++) {
		if (i)
			putchar(',');
		final_of_target(report, i, end_ns);
	}
	printf("}");
	if (report) {
		const struct plan *plan = report->plan;
		struct hist timing;
		printf(",\"workload\":\"%s\",\"loop\":\"%s\",\"ticks_per_s\":%ld,\"start_ns\":%llu,\"end_ns\":%llu,",
		       workload_names[plan->workload], plan->open_loop ? "open" : "closed", sysconf(_SC_CLK_TCK),
		       (unsigned long long)report->start_ns, (unsigned long long)end_ns);
		print_threads(report);
		printf(",\"slices\":[");
		const char *comma = "";
		bool ready = hist_init(&timing, HIST_2_DIGITS);
		for (uint32_t i = 0; ready && i < plan->slices_count && atomic_load(&plan->slices[i].start_ns); i++) {
			printf("%s{", comma);
			print_slice(report, i, &timing);
			print_timeline(report, i);
			printf("}");
			comma = ",";
		}
		printf("]");
		if (ready)
			hist_free(&timing);
	}
	printf("}\n");
	fflush(stdout);
}
