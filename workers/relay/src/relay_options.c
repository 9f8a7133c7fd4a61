// SPDX-License-Identifier: Apache-2.0
#include "relay_options.h"

#include "clock.h"

#define THREADS_MAX 256
#define CONNECTIONS_MAX 1000000
#define BACKLOG_MAX 65535
#define DAY_MS 86400000
#define IDLE_NS (60 * NS_PER_S)

#define FIELD(name) offsetof(struct relay_options, name)

static const char usage[] =
	"showdown-relay --listen ADDRESS:PORT (--origin ADDRESS:PORT | --transparent) --stats-page FILE [OPTION...]";

static bool read_endpoint(struct args *args, const struct option_row *row, const char *text, void *values)
{
	char option[32];
	snprintf(option, sizeof option, "--%s", row->name);
	return address_read_endpoint(args, option, text, (union address *)((char *)values + row->offset));
}

static const struct option_row rows[] = {
	{"listen", "ADDRESS:PORT", OPTION_CUSTOM, FIELD(listen), .read = read_endpoint,
	 .help = "address for clients; IPv6 as [::]:80; the kernel chooses the port if it is 0"},
	{"origin", "ADDRESS:PORT", OPTION_CUSTOM, FIELD(origin), .read = read_endpoint,
	 .help = "connect to this address"},
	{"transparent", NULL, OPTION_FLAG, FIELD(transparent),
	 .help = "accept any destination, and connect to it from the client's address (needs CAP_NET_RAW)"},
	{"udp", NULL, OPTION_FLAG, FIELD(udp), .help = "relay datagrams instead of connections"},
	{"idle-ms", "N", OPTION_MS, FIELD(idle_ns), 1, DAY_MS, "60000",
	 .help = "with --udp: a flow without datagrams ends"},
	{"stats-page", "FILE", OPTION_TEXT, FIELD(stats_page), .help = "file for the counters (src/stats_page.h)"},
	{"threads", "N", OPTION_INT, FIELD(threads), 1, THREADS_MAX, "1", .help = "event loops"},
	{"connections", "N", OPTION_U32, FIELD(connections), 1, CONNECTIONS_MAX, "1000",
	 .help = "client connections at once; more clients wait in the backlog. With --udp: flows; the datagrams of "
		 "more are "
		 "dropped"},
	{"backlog", "N", OPTION_INT, FIELD(backlog), 1, BACKLOG_MAX, "65535",
	 .help = "length of the listener's backlog"},
	{"targets-fd", "N", OPTION_INT, FIELD(maps.targets_fd), 0, INT32_MAX,
	 .help = "inherited socket map of target sockets: the kernel moves the bytes (src/kernel.h)"},
	{"verdict-fd", "N", OPTION_INT, FIELD(maps.verdict_fd), 0, INT32_MAX,
	 .help = "inherited socket map of source sockets, whose program redirects the bytes"},
};

static struct option_group group_of(struct relay_options *options)
{
	return (struct option_group){"Options", rows, sizeof rows / sizeof rows[0], options};
}

static bool check(struct args *args, const struct relay_options *o)
{
	if (!o->listen.any.sa_family || !o->stats_page)
		return args_refuse(args, "--listen and --stats-page are required");
	if ((o->origin.any.sa_family != AF_UNSPEC) == o->transparent)
		return args_refuse(args, "give either --origin or --transparent");
	if ((o->maps.targets_fd < 0) != (o->maps.verdict_fd < 0))
		return args_refuse(args, "give --targets-fd and --verdict-fd together");
	if (o->udp && o->maps.verdict_fd >= 0)
		return args_refuse(args, "--udp takes no socket maps");
	return true;
}

enum options_result relay_options_read(struct args *args, int argc, char **argv, struct relay_options *options)
{
	struct option_group group = group_of(options);
	*options = (struct relay_options){.threads = 1,
					  .connections = 1000,
					  .backlog = BACKLOG_MAX,
					  .idle_ns = IDLE_NS,
					  .maps = {.targets_fd = -1, .verdict_fd = -1}};
	enum options_result result = options_read(args, &group, 1, argc, argv);
	return result == OPTIONS_READ && !check(args, options) ? OPTIONS_REFUSED : result;
}

void relay_options_help(FILE *out)
{
	struct option_group group = group_of(NULL);
	options_help(out, usage, &group, 1);
}
