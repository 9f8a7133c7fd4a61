// SPDX-License-Identifier: Apache-2.0
#include "origin_options.h"

#include <sched.h>
#include <string.h>

#define HOUR_MS 3600000
#define SECOND_US 1000000

static bool add_address(struct args *args, const char *name, const char *text, union address *addresses, int *count,
			int most)
{
	if (*count == most)
		return args_refuse(args, "--%s: at most %d", name, most);
	return address_parse(text, 0, &addresses[(*count)++]) ||
	       args_refuse(args, "--%s: '%.60s' is not an IPv4 or IPv6 address", name, text);
}

static bool read_address(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct origin_plan *plan = values;
	return add_address(args, row->name, text, plan->addresses, &plan->addresses_count, ADDRESSES_MAX);
}

static bool read_client(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct origin_plan *plan = values;
	return add_address(args, row->name, text, plan->clients, &plan->clients_count, CLIENTS_MAX);
}

static bool read_cpus(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct origin_plan *plan = values;
	(void)row;
	return args_cpus(args, text, plan->cpus, &plan->cpus_count, ORIGIN_CPUS_MAX);
}

#define FIELD(name) offsetof(struct origin_plan, name)
#define CUSTOM(name, value, usual, help, read)                                                                         \
	{                                                                                                              \
		name, value, OPTION_CUSTOM, 0, 0, 0, usual, help, read                                                 \
	}

// clang-format off
static const struct option_row rows[] = {
	CUSTOM("address", "ADDRESS", NULL, "an address to listen on, up to 128 times", read_address),
	CUSTOM("cpus", "LIST", "one thread, not pinned", "CPUs, as in 0,1; one thread is pinned to each", read_cpus),
	{"netns", "PATH", OPTION_TEXT, FIELD(netns), 0, 0, NULL, "network namespace of all sockets", NULL},
	CUSTOM("expect-client", "ADDRESS", "everyone",
	       "a client to serve, up to 128 times; connections of others are closed, datagrams ignored, both counted",
	       read_client),
	{"service-us", "N", OPTION_US, FIELD(service_ns), 1, SECOND_US, NULL,
	 "how long each HTTP request occupies its thread: an origin of known capacity", NULL},
	{"delay-us", "N", OPTION_US, FIELD(delay_ns), 1, SECOND_US, NULL,
	 "how long after it was read each HTTP request is answered, exactly; its thread waits meanwhile", NULL},
	{"stall-ms", "N", OPTION_MS, FIELD(stall_ns), 1, HOUR_MS, NULL,
	 "how long each stall lasts, in which nothing is accepted, read or sent", NULL},
	{"stall-every-ms", "N", OPTION_MS, FIELD(stall_every_ns), 1, HOUR_MS, NULL,
	 "period of the stalls: one begins at each multiple of this time of CLOCK_MONOTONIC", NULL},
};
// clang-format on

#define GROUPS 2

static void list_groups(struct option_group *groups, struct origin_plan *plan)
{
	static struct option_row ports[SERVICES_MAX];
	const struct service *service;
	size_t count = 0;
	for (; (service = service_at(count)); count++)
		ports[count] = (struct option_row){
			service->name, "PORT",	      OPTION_INT, FIELD(ports) + count * sizeof(int), 0, UINT16_MAX,
			NULL,	       service->help, NULL};
	groups[0] = (struct option_group){"Services, at least one", ports, count, plan};
	groups[1] = (struct option_group){"Options", rows, sizeof rows / sizeof *rows, plan};
}

static bool check_cpus(const struct origin_plan *plan, struct args *args)
{
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		return true;
	for (int i = 0; i < plan->cpus_count; i++)
		if (!CPU_ISSET(plan->cpus[i], &allowed))
			return args_refuse(args, "--cpus: CPU %d is not available to this process", plan->cpus[i]);
	return true;
}

static bool check(const struct origin_plan *plan, struct args *args)
{
	bool serves = false;
	for (size_t i = 0; i < SERVICES_MAX; i++)
		serves |= plan->ports[i] != PORT_NONE;
	if (!plan->addresses_count)
		return args_refuse(args, "give at least one --address");
	if (!serves)
		return args_refuse(args, "give at least one of --http, --tcp, --udp with a port (0: any)");
	if (!plan->stall_ns != !plan->stall_every_ns || plan->stall_ns > plan->stall_every_ns)
		return args_refuse(args, "--stall-ms and --stall-every-ms belong together, the first being no longer");
	return check_cpus(plan, args);
}

enum options_result origin_options_read(struct origin_plan *plan, struct args *args, int argc, char **argv)
{
	struct option_group groups[GROUPS];
	for (size_t i = 0; i < SERVICES_MAX; i++)
		plan->ports[i] = PORT_NONE;
	list_groups(groups, plan);
	enum options_result result = options_read(args, groups, GROUPS, argc, argv);
	if (result == OPTIONS_READ && !check(plan, args))
		return OPTIONS_REFUSED;
	return result;
}

void origin_options_help(FILE *out)
{
	struct option_group groups[GROUPS];
	list_groups(groups, NULL);
	options_help(out, "showdown-traffic origin --address ADDRESS... --http PORT [OPTION...]", groups, GROUPS);
}
