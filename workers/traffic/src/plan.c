// SPDX-License-Identifier: Apache-2.0
// From a command line to a plan.
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "clock.h"

#define BODY_MAX (1ull << 40)
#define TOKENS_BYTES_MAX (64ull << 20) // of one stream: it is kept in memory to compare with
#define DAY_MS 86400000ull

const char *const workload_names[WORKLOADS] = {"http_keepalive", "http_churn", "bulk_download", "bulk_upload",
					       "tcp_rr",	 "udp_rr",     "stream"};

enum option_code {
	OPTION_WORKLOAD = 256,
	OPTION_TARGET,
	OPTION_CLOSED,
	OPTION_OPEN,
	OPTION_RAMP_TO,
	OPTION_STEPS,
	OPTION_ARRIVAL,
	OPTION_SEED,
	OPTION_CONNECTIONS,
	OPTION_DURATION,
	OPTION_SLICE,
	OPTION_TIMELINE,
	OPTION_ORDER,
	OPTION_WARM_UP,
	OPTION_DRAIN,
	OPTION_FINAL_DRAIN,
	OPTION_TIMEOUT,
	OPTION_CPUS,
	OPTION_PATH,
	OPTION_HOST,
	OPTION_BODY,
	OPTION_CHECK,
	OPTION_TOKENS,
	OPTION_TOKEN_BYTES,
	OPTION_CADENCE,
	OPTION_STALL,
	OPTION_PORTS,
	OPTION_SPIN,
	OPTION_REAL_TIME,
	OPTION_CLIENT,
	OPTION_MEETING,
};

static const struct option options[] = {
	{"workload", required_argument, NULL, OPTION_WORKLOAD},
	{"target", required_argument, NULL, OPTION_TARGET},
	{"closed", no_argument, NULL, OPTION_CLOSED},
	{"open", required_argument, NULL, OPTION_OPEN},
	{"ramp-to", required_argument, NULL, OPTION_RAMP_TO},
	{"steps", required_argument, NULL, OPTION_STEPS},
	{"arrival", required_argument, NULL, OPTION_ARRIVAL},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"duration-ms", required_argument, NULL, OPTION_DURATION},
	{"slice-ms", required_argument, NULL, OPTION_SLICE},
	{"timeline-us", required_argument, NULL, OPTION_TIMELINE},
	{"order", required_argument, NULL, OPTION_ORDER},
	{"warm-up-ms", required_argument, NULL, OPTION_WARM_UP},
	{"drain-ms", required_argument, NULL, OPTION_DRAIN},
	{"final-drain-ms", required_argument, NULL, OPTION_FINAL_DRAIN},
	{"timeout-ms", required_argument, NULL, OPTION_TIMEOUT},
	{"cpus", required_argument, NULL, OPTION_CPUS},
	{"path", required_argument, NULL, OPTION_PATH},
	{"host", required_argument, NULL, OPTION_HOST},
	{"body-bytes", required_argument, NULL, OPTION_BODY},
	{"check", required_argument, NULL, OPTION_CHECK},
	{"tokens", required_argument, NULL, OPTION_TOKENS},
	{"token-bytes", required_argument, NULL, OPTION_TOKEN_BYTES},
	{"cadence-us", required_argument, NULL, OPTION_CADENCE},
	{"stall-us", required_argument, NULL, OPTION_STALL},
	{"ports", required_argument, NULL, OPTION_PORTS},
	{"spin-us", required_argument, NULL, OPTION_SPIN},
	{"real-time", no_argument, NULL, OPTION_REAL_TIME},
	{"client", required_argument, NULL, OPTION_CLIENT},
	{"meeting", required_argument, NULL, OPTION_MEETING},
	{0},
};

// What is only needed until the plan stands.
struct draft {
	struct args args;
	bool workload, closed, open, ramp, final_drain;
	double ramp_to;
	const char *order, *check, *path, *steps;
	uint64_t body_bytes, tokens, cadence_us, port_low, port_high;
	bool body;
};

static bool read_steps(struct plan *plan, struct args *args, const char *text)
{
	char copy[2048], *rest = NULL;
	if (strlen(text) >= sizeof copy)
		return args_refuse(args, "--steps: too long");
	strcpy(copy, text);
	plan->profile.steps = 0;
	for (char *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
		if (plan->profile.steps == PROFILE_STEPS_MAX)
			return args_refuse(args, "--steps: at most %d rates", PROFILE_STEPS_MAX);
		if (!args_real(args, "--steps", item, 1e-3, RATE_MAX,
			       &plan->profile.rates_per_s[plan->profile.steps++]))
			return false;
	}
	return plan->profile.steps > 0 || args_refuse(args, "--steps: name at least one rate");
}

static bool read_choice(struct args *args, const char *option, const char *text, const char *const *names, int count,
			int *choice)
{
	for (*choice = 0; *choice < count; ++*choice)
		if (!strcmp(text, names[*choice]))
			return true;
	return args_refuse(args, "%s: '%.40s' is not known", option, text);
}

static bool read_ms(struct args *args, const char *option, const char *text, uint64_t low, uint64_t *ns)
{
	uint64_t ms;
	if (!args_whole(args, option, text, low, DAY_MS, &ms))
		return false;
	*ns = ms * NS_PER_MS;
	return true;
}

static bool read_us(struct args *args, const char *option, const char *text, uint64_t low, uint64_t *ns)
{
	uint64_t us;
	if (!args_whole(args, option, text, low, 60 * 1000000ull, &us))
		return false;
	*ns = us * NS_PER_US;
	return true;
}

static bool read_ports(struct draft *draft, const char *text)
{
	char low[16] = "";
	const char *dash = strchr(text, '-');
	if (!dash || (size_t)(dash - text) >= sizeof low)
		return args_refuse(&draft->args, "--ports: write LOW-HIGH");
	memcpy(low, text, (size_t)(dash - text));
	return args_whole(&draft->args, "--ports", low, 1, 65535, &draft->port_low) &&
	       args_whole(&draft->args, "--ports", dash + 1, draft->port_low, 65535, &draft->port_high);
}

static bool read_text(struct args *args, const char *option, const char *text, char *to, size_t room)
{
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~')
			return args_refuse(args, "%s: only visible ASCII characters", option);
	if (strlen(text) >= room)
		return args_refuse(args, "%s: too long", option);
	strcpy(to, text);
	return true;
}

// Options that shape the load and its time.
static bool read_load_option(struct plan *plan, struct draft *draft, int option, const char *text)
{
	static const char *const arrivals[] = {"constant", "poisson"};
	struct args *args = &draft->args;
	uint64_t whole;
	int choice;
	switch (option) {
	case OPTION_CLOSED:
		draft->closed = true;
		return true;
	case OPTION_OPEN:
		draft->open = plan->open_loop = true;
		return args_real(args, "--open", text, 1e-3, RATE_MAX, &plan->profile.rates_per_s[0]);
	case OPTION_RAMP_TO:
		draft->ramp = true;
		return args_real(args, "--ramp-to", text, 1e-3, RATE_MAX, &draft->ramp_to);
	case OPTION_STEPS:
		draft->steps = text;
		return true;
	case OPTION_ARRIVAL:
		if (!read_choice(args, "--arrival", text, arrivals, 2, &choice))
			return false;
		plan->arrival = (enum arrival)choice;
		return true;
	case OPTION_SEED:
		return args_whole(args, "--seed", text, 0, UINT64_MAX, &plan->seed);
	case OPTION_CONNECTIONS:
		if (!args_whole(args, "--connections", text, 1, 1000000, &whole))
			return false;
		plan->connections = (uint32_t)whole;
		return true;
	case OPTION_DURATION:
		return read_ms(args, "--duration-ms", text, 1, &plan->duration_ns);
	case OPTION_SLICE:
		return read_ms(args, "--slice-ms", text, 1, &plan->slice_ns);
	case OPTION_TIMELINE:
		return read_us(args, "--timeline-us", text, 1, &plan->step_ns);
	case OPTION_ORDER:
		draft->order = text;
		return true;
	case OPTION_WARM_UP:
		return read_ms(args, "--warm-up-ms", text, 0, &plan->warm_up_ns);
	case OPTION_DRAIN:
		return read_ms(args, "--drain-ms", text, 0, &plan->drain_ns);
	case OPTION_FINAL_DRAIN:
		draft->final_drain = true;
		return read_ms(args, "--final-drain-ms", text, 0, &plan->final_drain_ns);
	case OPTION_TIMEOUT:
		return read_ms(args, "--timeout-ms", text, 1, &plan->timeout_ns);
	case OPTION_REAL_TIME:
		return plan->real_time = true;
	case OPTION_CLIENT:
		return meeting_read_client(plan, args, text);
	case OPTION_MEETING:
		if (!args_whole(args, "--meeting", text, 3, 1 << 20, &whole))
			return false;
		plan->meeting_fd = (int)whole;
		return true;
	case OPTION_CPUS:
		return args_cpus(args, text, plan->cpus, &plan->cpus_count, CPUS_MAX);
	default:
		return read_us(args, "--spin-us", text, 0, &plan->spin_ns);
	}
}

// Options that say what travels, and between whom.
static bool read_option(struct plan *plan, struct draft *draft, int option, const char *text)
{
	struct args *args = &draft->args;
	int choice;
	switch (option) {
	case OPTION_WORKLOAD:
		if (!read_choice(args, "--workload", text, workload_names, WORKLOADS, &choice))
			return false;
		plan->workload = (enum workload)choice;
		return draft->workload = true;
	case OPTION_TARGET:
		return plan_read_target(plan, args, text);
	case OPTION_PATH:
		draft->path = text;
		if (text[0] != '/')
			return args_refuse(args, "--path: must begin with /");
		return read_text(args, "--path", text, plan->path, sizeof plan->path);
	case OPTION_HOST:
		return read_text(args, "--host", text, plan->host, sizeof plan->host);
	case OPTION_BODY:
		draft->body = true;
		return args_whole(args, "--body-bytes", text, 0, BODY_MAX, &draft->body_bytes);
	case OPTION_CHECK:
		draft->check = text;
		return true;
	case OPTION_TOKENS:
		return args_whole(args, "--tokens", text, 1, 1000000, &draft->tokens);
	case OPTION_TOKEN_BYTES:
		return args_whole(args, "--token-bytes", text, TOKEN_BYTES_MIN, TOKEN_BYTES_MAX, &plan->token_bytes);
	case OPTION_CADENCE:
		return args_whole(args, "--cadence-us", text, 0, 60000000, &draft->cadence_us);
	case OPTION_STALL:
		return read_us(args, "--stall-us", text, 1, &plan->stall_ns);
	case OPTION_PORTS:
		return read_ports(draft, text);
	default:
		return read_load_option(plan, draft, option, text);
	}
}

static bool settle_bodies(struct plan *plan, struct draft *draft)
{
	static const uint64_t usual[WORKLOADS] = {128, 128, 1 << 20, 1 << 20, 64, 64, 0};
	struct args *args = &draft->args;
	uint64_t size = draft->body ? draft->body_bytes : usual[plan->workload];
	plan->check = true;
	if (!is_http(plan->workload)) {
		uint64_t low = plan->workload == UDP_RR ? UDP_REQUEST_BYTES_MIN : 1,
			 high = plan->workload == UDP_RR ? 65507 : 1 << 26;
		if (size < low || size > high)
			return args_refuse(args, "--body-bytes: %s takes %llu to %llu", workload_names[plan->workload],
					   (unsigned long long)low, (unsigned long long)high);
		plan->expected = pattern_body(size); // the echo of the request
		return true;
	}
	if (is_upload(plan->workload)) {
		plan->upload = pattern_body(size);
		char *answer = NULL;
		int length = asprintf(&answer, "{\"bytes\":%llu,\"crc32c\":\"%08x\"}\n", (unsigned long long)size,
				      body_crc32c(&plan->upload));
		if (length < 0)
			return args_refuse(args, "no memory");
		plan->expected = (struct body){(const uint8_t *)answer, (uint64_t)length, (uint64_t)length};
		if (!draft->path)
			strcpy(plan->path, "/echo");
	} else if (plan->workload == STREAM) {
		if (draft->tokens * plan->token_bytes > TOKENS_BYTES_MAX)
			return args_refuse(args, "--tokens: more than %llu bytes in one stream", TOKENS_BYTES_MAX);
		plan->expected = token_body(draft->tokens, plan->token_bytes);
		if (!plan->expected.data)
			return args_refuse(args, "no memory");
		if (!plan->stall_ns)
			plan->stall_ns = 3 * draft->cadence_us * NS_PER_US + 10 * NS_PER_MS;
		if (!draft->path)
			snprintf(plan->path, sizeof plan->path, "/stream?tokens=%llu&cadence_us=%llu&size=%llu",
				 (unsigned long long)draft->tokens, (unsigned long long)draft->cadence_us,
				 (unsigned long long)plan->token_bytes);
	} else {
		plan->expected = pattern_body(size);
		if (!draft->path)
			snprintf(plan->path, sizeof plan->path, "/bytes/%llu", (unsigned long long)size);
	}
	return true;
}

static bool settle_check(struct plan *plan, struct draft *draft)
{
	const char *check = draft->check;
	if (!check)
		return true;
	if (!strcmp(check, "none")) {
		plan->check = false;
	} else if (!strncmp(check, "file=", 5)) {
		plan->expected = file_body(check + 5);
		if (!plan->expected.data)
			return args_refuse(&draft->args, "--check: %.200s: %s", check + 5, strerror(errno));
	} else if (strcmp(check, "pattern") != 0) {
		return args_refuse(&draft->args, "--check: write none, pattern or file=PATH");
	}
	return true;
}

static bool settle_load(struct plan *plan, struct draft *draft)
{
	struct args *args = &draft->args;
	if (draft->closed == draft->open)
		return args_refuse(args, "give either --closed or --open RATE");
	if (!draft->open && (draft->ramp || draft->steps))
		return args_refuse(args, "--ramp-to and --steps need --open");
	if (draft->ramp && draft->steps)
		return args_refuse(args, "give either --ramp-to or --steps");
	plan->profile.steps = 1;
	plan->profile.ramp = draft->ramp;
	if (draft->ramp)
		plan->profile.rates_per_s[1] = draft->ramp_to;
	if (draft->steps && !read_steps(plan, args, draft->steps))
		return false;
	if (!plan->duration_ns)
		return args_refuse(args, "give --duration-ms");
	if (!plan->slice_ns)
		plan->slice_ns = plan->duration_ns;
	if (!plan->cpus_count)
		plan->cpus[plan->cpus_count++] = args_first_cpu();
	if ((plan->clients > 1) != (plan->meeting_fd >= 0))
		return args_refuse(args, "--client: of several needs --meeting, and only it does");
	if (plan->connections < (uint32_t)plan_threads(plan))
		return args_refuse(args, "--connections: %u is fewer than the %d threads of --cpus%s",
				   plan->connections, plan_threads(plan), plan->clients > 1 ? " of all clients" : "");
	if (!draft->final_drain)
		plan->final_drain_ns = plan->timeout_ns;
	for (int i = 0; i < plan->targets_count; i++) {
		if (plan->targets[i].rate_per_s > 0 && (!draft->open || draft->ramp || draft->steps))
			return args_refuse(args, "--target %s: rate= needs --open, without --ramp-to and --steps",
					   plan->targets[i].label);
		plan->targets[i].port_low = (uint16_t)draft->port_low;
		plan->targets[i].port_high = (uint16_t)draft->port_high;
	}
	return true;
}

static bool settle_order(struct plan *plan, struct args *args, const char *text)
{
	static char copy[128 << 10]; // as long as one argument can be
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

static bool settle_slices(struct plan *plan, struct args *args)
{
	uint64_t measured = (plan->duration_ns + plan->slice_ns - 1) / plan->slice_ns, active[TARGETS_MAX] = {0};
	uint64_t warm_ups = plan->warm_up_ns ? (uint64_t)plan->targets_count : 0;
	if (measured + warm_ups > SLICES_MAX)
		return args_refuse(args, "--slice-ms: more than %u slices", SLICES_MAX);
	if (measured * plan_steps_in(plan, plan->slice_ns) > STEPS_MAX)
		return args_refuse(args, "--timeline-us: more than %u steps in all slices", STEPS_MAX);
	plan->slices_count = (uint32_t)(measured + warm_ups);
	plan->slices = meeting_slices(plan, plan->slices_count);
	if (!plan->slices)
		return args_refuse(args, plan->clients > 1 ? "--meeting: not a file to be mapped" : "no memory");
	for (uint64_t i = 0; i < plan->slices_count; i++) {
		struct slice *slice = &plan->slices[i];
		slice->warm_up = i < warm_ups;
		slice->target = slice->warm_up ? (int)i : plan->order[(i - warm_ups) % (uint64_t)plan->order_count];
		slice->length_ns = slice->warm_up ? plan->warm_up_ns : plan->slice_ns;
		if (slice->warm_up)
			continue;
		slice->active_ns = active[slice->target];
		active[slice->target] += slice->length_ns;
		// Profiles run over the time of the target that has most; the others see its beginning.
		if (active[slice->target] > plan->profile.duration_ns)
			plan->profile.duration_ns = active[slice->target];
	}
	for (int i = 0; i < plan->targets_count; i++) {
		struct target *target = &plan->targets[i];
		target->profile = plan->profile;
		if (target->rate_per_s > 0)
			target->profile.rates_per_s[0] = target->rate_per_s;
	}
	return true;
}

static bool open_namespaces(struct plan *plan, struct args *args)
{
	for (int i = 0; i < plan->targets_count; i++) {
		struct target *target = &plan->targets[i];
		if (!target->netns[0])
			continue;
		target->netns_fd = open(target->netns, O_RDONLY | O_CLOEXEC);
		if (target->netns_fd < 0)
			return args_refuse(args, "target %s: netns %s: %s", target->label, target->netns,
					   strerror(errno));
	}
	return true;
}

bool plan_read(struct plan *plan, int argc, char **argv, char *failure, size_t failure_size)
{
	struct draft draft = {.args = {failure, failure_size}, .tokens = 64, .cadence_us = 10000};
	plan->connections = 64;
	plan->clients = 1;
	plan->meeting_fd = -1;
	plan->token_bytes = 32;
	plan->drain_ns = 100 * NS_PER_MS;
	plan->timeout_ns = 5 * NS_PER_S;
	opterr = 0;
	for (int option; (option = getopt_long(argc, argv, "+:", options, NULL)) != -1;) {
		if (option == '?')
			return args_refuse(&draft.args, "%.60s: no such option", argv[optind - 1]);
		if (option == ':')
			return args_refuse(&draft.args, "%.60s: needs a value", argv[optind - 1]);
		if (!read_option(plan, &draft, option, optarg))
			return false;
	}
	if (optind < argc)
		return args_refuse(&draft.args, "'%.60s' is not an option", argv[optind]);
	if (!draft.workload)
		return args_refuse(&draft.args, "give --workload");
	if (!plan->targets_count)
		return args_refuse(&draft.args, "give at least one --target");
	return settle_load(plan, &draft) && settle_bodies(plan, &draft) && settle_check(plan, &draft) &&
	       settle_order(plan, &draft.args, draft.order) && settle_slices(plan, &draft.args) &&
	       open_namespaces(plan, &draft.args);
}
