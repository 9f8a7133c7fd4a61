// SPDX-License-Identifier: Apache-2.0
#include "load_options.h"

#include <string.h>

#include "clock.h"

#define BODY_MAX (1ull << 40)
#define DAY_MS 86400000ull
#define MINUTE_US 60000000ull
#define GROUPS_MAX 16

static bool read_workload(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct load_options *options = values;
	(void)row;
	options->plan.protocol = protocol_find(text);
	return options->plan.protocol || args_refuse(args, "--workload: '%.40s' is not known", text);
}

static bool read_open(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct load_options *options = values;
	(void)row;
	options->plan.open_loop = true;
	return args_real(args, "--open", text, RATE_MIN, RATE_MAX, &options->plan.profile.rates_per_s[0]);
}

static bool read_ramp(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct load_options *options = values;
	(void)row;
	options->ramp = true;
	return args_real(args, "--ramp-to", text, RATE_MIN, RATE_MAX, &options->plan.profile.rates_per_s[1]);
}

static bool read_arrival(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct load_options *options = values;
	(void)row;
	bool poisson = !strcmp(text, "poisson");
	options->plan.arrival = poisson ? ARRIVAL_POISSON : ARRIVAL_CONSTANT;
	return poisson || !strcmp(text, "constant") || args_refuse(args, "--arrival: '%.40s' is not known", text);
}

static bool read_cpus(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct plan *plan = &((struct load_options *)values)->plan;
	(void)row;
	return args_cpus(args, text, plan->cpus, &plan->cpus_count, CPUS_MAX);
}

// Parses the two numbers of "LOW-HIGH" or "I/N": the first is at least 1, the second not less.
static bool read_pair(struct args *args, const char *option, const char *text, char separator, uint64_t max,
		      uint64_t *first, uint64_t *second)
{
	char copy[16] = "";
	const char *end = strchr(text, separator);
	if (!end || (size_t)(end - text) >= sizeof copy)
		return args_refuse(args, "%s: write %s", option, separator == '/' ? "I/N" : "LOW-HIGH");
	memcpy(copy, text, (size_t)(end - text));
	return args_whole(args, option, copy, 1, max, first) && args_whole(args, option, end + 1, *first, max, second);
}

static bool read_ports(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct load_options *options = values;
	(void)row;
	return read_pair(args, "--ports", text, '-', UINT16_MAX, &options->port_low, &options->port_high);
}

static bool read_client(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct plan *plan = &((struct load_options *)values)->plan;
	uint64_t client, clients;
	(void)row;
	if (!read_pair(args, "--client", text, '/', CLIENTS_MAX, &client, &clients))
		return false;
	plan->client = (int)client - 1;
	plan->clients = (int)clients;
	return true;
}

static bool copy_visible(struct args *args, const char *option, const char *text, char *to, size_t room)
{
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~')
			return args_refuse(args, "%s: only visible ASCII characters", option);
	if (strlen(text) >= room)
		return args_refuse(args, "%s: too long", option);
	strcpy(to, text);
	return true;
}

static bool read_path(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct plan *plan = &((struct load_options *)values)->plan;
	(void)row;
	if (text[0] != '/')
		return args_refuse(args, "--path: must begin with /");
	return copy_visible(args, "--path", text, plan->path, sizeof plan->path);
}

static bool read_host(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct plan *plan = &((struct load_options *)values)->plan;
	(void)row;
	return copy_visible(args, "--host", text, plan->host, sizeof plan->host);
}

bool load_options_steps(struct plan *plan, struct args *args, const char *text)
{
	char copy[2048], *rest = NULL;
	if (strlen(text) >= sizeof copy)
		return args_refuse(args, "--steps: too long");
	strcpy(copy, text);
	plan->profile.steps = 0;
	for (char *item = strtok_r(copy, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
		if (plan->profile.steps == PROFILE_STEPS_MAX)
			return args_refuse(args, "--steps: at most %d rates", PROFILE_STEPS_MAX);
		double *rate = &plan->profile.rates_per_s[plan->profile.steps++];
		if (!args_real(args, "--steps", item, RATE_MIN, RATE_MAX, rate))
			return false;
	}
	return plan->profile.steps > 0 || args_refuse(args, "--steps: name at least one rate");
}

#define FIELD(name) offsetof(struct load_options, name)
#define PLAN(name) FIELD(plan.name)
#define CUSTOM(name, value, usual, help, read)                                                                         \
	{                                                                                                              \
		name, value, OPTION_CUSTOM, 0, 0, 0, usual, help, read                                                 \
	}

// clang-format off
static const struct option_row rows[] = {
	CUSTOM("workload", "NAME", NULL, "what the requests and answers are", read_workload),
	CUSTOM("target", "FIELDS", NULL,
	       "`label=L,address=A,port=P[,netns=PATH][,rate=R][,source=A1+A2…][,tls=PATH]`, up to 64 times. Addresses are "
	       "numeric. Sockets are created inside `netns`; `rate` replaces that of --open. With `tls` its connections have TLS "
	       "1.3, and the certificate must be of an authority in the file PATH (`unverified`: any will do)", target_read),
	{"closed", NULL, OPTION_FLAG, FIELD(closed), 0, 0, NULL,
	 "closed loop: each connection sends its next request when the last one is answered", NULL},
	CUSTOM("open", "RATE", NULL, "open loop: requests per second of each target while its slices run", read_open),
	CUSTOM("arrival", "KIND", "constant",
	       "the schedule of an open loop: constant or poisson; every target gets the same one", read_arrival),
	{"seed", "N", OPTION_U64, PLAN(seed), 0, UINT64_MAX, "0", "seed of a Poisson schedule", NULL},
	CUSTOM("ramp-to", "RATE", NULL, "changes the rate linearly, from that of --open, over a target's active time",
	       read_ramp),
	{"steps", "R1,R2,…", OPTION_TEXT, FIELD(steps), 0, 0, NULL,
	 "rates of equal pieces of a target's active time, instead of that of --open", NULL},
	{"connections", "N", OPTION_U32, PLAN(connections), 1, 1000000, "64",
	 "connections per target, over all threads; limits an open loop's requests under way (not those of udp_rr)", NULL},
	{"duration-ms", "N", OPTION_MS, PLAN(duration_ns), 1, DAY_MS, NULL, "length of all slices together", NULL},
	{"slice-ms", "N", OPTION_MS, PLAN(slice_ns), 1, DAY_MS, "that of --duration-ms", "length of one slice", NULL},
	{"order", "L1,L2,…", OPTION_TEXT, FIELD(order), 0, 0, "the targets in turn",
	 "labels of the slices' targets, repeated as needed", NULL},
	{"timeline-us", "N", OPTION_US, PLAN(step_ns), 1, MINUTE_US, "none",
	 "adds a `timeline` with steps of this length to each measured slice of the last line", NULL},
	{"received-ms", "N", OPTION_MS, PLAN(received_step_ns), 1, DAY_MS, "none",
	 "adds `received` to each measured slice of the last line: the bytes of each source address, by steps of this length",
	 NULL},
	{"failed-ms", "N", OPTION_MS, PLAN(failed_step_ns), 1, DAY_MS, "none",
	 "adds `failed` to each measured slice of the last line: lost requests and errors, by steps of this length", NULL},
	{"warm-up-ms", "N", OPTION_MS, PLAN(warm_up_ns), 0, DAY_MS, "0",
	 "length of a slice on each target before the others; it counts in no result", NULL},
	{"drain-ms", "N", OPTION_MS, PLAN(drain_ns), 0, DAY_MS, "100",
	 "how long each slice waits for its last answers, at most; then what is unanswered has a lower bound", NULL},
	{"settle-ms", "N", OPTION_MS, PLAN(settle_ns), 0, DAY_MS, "that of --timeout-ms",
	 "how long the run waits, at most, for late answers after its last slice; they have no times", NULL},
	{"timeout-ms", "N", OPTION_MS, PLAN(timeout_ns), 1, DAY_MS, "5000", "time-out of a request, including its connect",
	 NULL},
	CUSTOM("cpus", "LIST", "the first allowed", "CPUs, as in 0,1; one thread is pinned to each", read_cpus),
	{"body-bytes", "N", OPTION_U64, FIELD(body_bytes), 0, BODY_MAX, "128; 1 MiB for bulk; 64 for tcp_rr and udp_rr",
	 "size of the answer; of the upload; of the message of tcp_rr and udp_rr", NULL},
	CUSTOM("path", "PATH", "by workload", "path of HTTP requests, for other origins than this program's", read_path),
	CUSTOM("host", "NAME", "the target's address", "Host header of HTTP requests", read_host),
	{"check", "HOW", OPTION_TEXT, FIELD(check), 0, 0, "pattern",
	 "what each body is compared with, byte by byte: pattern, none or file=PATH", NULL},
	CUSTOM("ports", "LOW-HIGH", "the kernel chooses",
	       "source ports: addresses × ports connections per target, instead of 28k per source address", read_ports),
	{"real-time", NULL, OPTION_FLAG, PLAN(real_time), 0, 0, NULL,
	 "asks for SCHED_RR, with which threads run before all ordinary ones; for open loops, which sleep", NULL},
	{"spin-us", "N", OPTION_US, PLAN(spin_ns), 0, MINUTE_US, "0",
	 "polls instead of sleeping this long before a send is due: less schedule_lag for more CPU", NULL},
	{"resume-percent", "N", OPTION_U32, PLAN(resume_percent), 0, 100, "0",
	 "how many of the connections with TLS resume a session, as soon as there is one", NULL},
	CUSTOM("client", "I/N", "1/1", "this is the I-th of N generators, at most 8, that act as one", read_client),
	{"rendezvous", "FD", OPTION_INT, PLAN(rendezvous_fd), 3, 1 << 20, "none",
	 "descriptor of an empty file that the N generators share", NULL},
};
// clang-format on

static size_t list_groups(struct option_group *groups, struct load_options *options)
{
	static char titles[GROUPS_MAX][64];
	const struct protocol *protocol;
	size_t used = 0;
	groups[used++] = (struct option_group){"Options", rows, sizeof rows / sizeof *rows, options};
	for (size_t i = 0; (protocol = protocol_at(i)) && used < GROUPS_MAX; i++) {
		if (!protocol->options_count)
			continue;
		snprintf(titles[used], sizeof titles[used], "Options of %s", protocol->name);
		groups[used] = (struct option_group){titles[used], protocol->options, protocol->options_count,
						     protocol->option_values};
		used++;
	}
	return used;
}

enum options_result load_options_read(struct load_options *options, struct args *args, int argc, char **argv)
{
	struct option_group groups[GROUPS_MAX];
	return options_read(args, groups, list_groups(groups, options), argc, argv);
}

void load_options_help(FILE *out)
{
	const struct protocol *protocol;
	struct option_group groups[GROUPS_MAX];
	options_help(
		out,
		"showdown-traffic load --workload NAME --target FIELDS... (--closed | --open RATE) --duration-ms N",
		groups, list_groups(groups, NULL));
	fprintf(out, "\nWorkloads:");
	for (size_t i = 0; (protocol = protocol_at(i)); i++)
		fprintf(out, " %s", protocol->name);
	fprintf(out, "\n");
}
