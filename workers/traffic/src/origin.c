// SPDX-License-Identifier: Apache-2.0
// `showdown-traffic origin`: its command line, its sockets, and what it says at its start and end.
#include "origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "args.h"
#include "clock.h"
#include "modes.h"
#include "json.h"

#define FILES_MANY (1u << 20) // what a kernel allows one process unless it was told otherwise (fs.nr_open)
#define BACKLOG 4096

_Atomic bool origin_stop, origin_asked;
const char *const service_names[SERVICES] = {"http", "tcp", "udp"};

static struct server *servers; // lives as long as the process: only what is lost on the way is a leak
static int threads;
static char last_wrong[80]; // the latest client that was not expected; for people, so that a torn text does no harm

static void on_signal(int number)
{
	atomic_store(number == SIGUSR1 ? &origin_asked : &origin_stop, true);
}

static bool same_host(const union address *one, const union address *other)
{
	if (one->any.sa_family != other->any.sa_family)
		return false;
	if (one->any.sa_family == AF_INET6)
		return !memcmp(&one->v6.sin6_addr, &other->v6.sin6_addr, sizeof one->v6.sin6_addr);
	return one->v4.sin_addr.s_addr == other->v4.sin_addr.s_addr;
}

bool origin_expects(struct server *s, const union address *client)
{
	bool expected = !s->plan->clients_count;
	for (int i = 0; i < s->plan->clients_count && !expected; i++)
		expected = same_host(client, &s->plan->clients[i]);
	if (expected)
		return true;
	s->served.wrong_clients++;
	address_text(client, last_wrong, sizeof last_wrong);
	return false;
}

static bool read_option(struct origin_plan *plan, struct args *args, int option, const char *text)
{
	uint64_t value;
	switch (option) {
	case 'a':
		if (plan->addresses_count == ADDRESSES_MAX)
			return args_refuse(args, "--address: at most %d", ADDRESSES_MAX);
		if (address_parse(text, 0, &plan->addresses[plan->addresses_count++]))
			return true;
		return args_refuse(args, "--address: '%.60s' is not an IPv4 or IPv6 address", text);
	case 'h':
	case 't':
	case 'u': {
		int service = option == 'h' ? SERVE_HTTP : option == 't' ? SERVE_TCP : SERVE_UDP;
		if (!args_whole(args, service_names[service], text, 0, 65535, &value))
			return false;
		plan->serves[service] = true;
		plan->ports[service] = (uint16_t)value;
		return true;
	}
	case 'x':
		if (plan->clients_count == ADDRESSES_MAX)
			return args_refuse(args, "--expect-client: at most %d", ADDRESSES_MAX);
		if (address_parse(text, 0, &plan->clients[plan->clients_count++]))
			return true;
		return args_refuse(args, "--expect-client: '%.60s' is not an IPv4 or IPv6 address", text);
	case 'c':
		return args_cpus(args, text, plan->cpus, &plan->cpus_count, CPUS_MAX);
	case 'n':
		if (strlen(text) >= sizeof plan->netns)
			return args_refuse(args, "--netns: too long");
		strcpy(plan->netns, text);
		return true;
	case 's':
		if (!args_whole(args, "--stall-ms", text, 1, 3600000, &value))
			return false;
		plan->stall_ns = value * NS_PER_MS;
		return true;
	default:
		if (!args_whole(args, "--stall-every-ms", text, 1, 3600000, &value))
			return false;
		plan->stall_every_ns = value * NS_PER_MS;
		return true;
	}
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

static bool read_plan(struct origin_plan *plan, int argc, char **argv, struct args *args)
{
	static const struct option options[] = {
		{"address", required_argument, NULL, 'a'},
		{"http", required_argument, NULL, 'h'},
		{"tcp", required_argument, NULL, 't'},
		{"udp", required_argument, NULL, 'u'},
		{"cpus", required_argument, NULL, 'c'},
		{"netns", required_argument, NULL, 'n'},
		{"expect-client", required_argument, NULL, 'x'},
		{"stall-ms", required_argument, NULL, 's'},
		{"stall-every-ms", required_argument, NULL, 'e'},
		{0},
	};
	opterr = 0;
	for (int option; (option = getopt_long(argc, argv, "+:", options, NULL)) != -1;) {
		if (option == '?')
			return args_refuse(args, "%.60s: no such option", argv[optind - 1]);
		if (option == ':')
			return args_refuse(args, "%.60s: needs a value", argv[optind - 1]);
		if (!read_option(plan, args, option, optarg))
			return false;
	}
	if (optind < argc)
		return args_refuse(args, "'%.60s' is not an option", argv[optind]);
	if (!plan->addresses_count)
		return args_refuse(args, "give at least one --address");
	if (!plan->serves[SERVE_HTTP] && !plan->serves[SERVE_TCP] && !plan->serves[SERVE_UDP])
		return args_refuse(args, "give at least one of --http, --tcp, --udp with a port (0: any)");
	if (!plan->stall_ns != !plan->stall_every_ns || plan->stall_ns > plan->stall_every_ns)
		return args_refuse(args, "--stall-ms and --stall-every-ms belong together, the first being no longer");
	return check_cpus(plan, args);
}

static bool open_listener(struct server *s, struct origin_plan *plan, int service, const union address *at)
{
	static const int on = 1;
	union address address = *at;
	struct peer *p = &s->listeners[s->listeners_count];
	socklen_t size = address_size(&address);
	bool v6 = address.any.sa_family == AF_INET6, udp = service == SERVE_UDP;
	*(v6 ? &address.v6.sin6_port : &address.v4.sin_port) = htons(plan->ports[service]);
	p->fd = socket(address.any.sa_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return false;
	s->listeners_count++;
	p->service = (uint8_t)service;
	p->kind = udp ? PEER_DATAGRAMS : PEER_LISTENER;
	p->heap_at = HEAP_NONE;
	setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(p->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (v6)
		setsockopt(p->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (!udp)
		setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // inherited by what is accepted
	if (bind(p->fd, &address.any, size) != 0 || (!udp && listen(p->fd, BACKLOG) != 0))
		return false;
	if (getsockname(p->fd, &address.any, &size) != 0)
		return false;
	plan->ports[service] = ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port); // the same for all that follow
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, p->fd, &event) == 0;
}

static bool open_server(struct server *s, struct origin_plan *plan, struct args *args)
{
	s->plan = plan;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->scratch = malloc(SCRATCH_BYTES);
	s->listeners = calloc((size_t)plan->addresses_count * SERVICES, sizeof *s->listeners);
	if (s->epoll_fd < 0 || !s->scratch || !s->listeners)
		return args_refuse(args, "no memory or no descriptors");
	for (int service = 0; service < SERVICES; service++) {
		for (int i = 0; plan->serves[service] && i < plan->addresses_count; i++) {
			if (open_listener(s, plan, service, &plan->addresses[i]))
				continue;
			char text[80];
			address_text(&plan->addresses[i], text, sizeof text);
			return args_refuse(args, "cannot serve %s on %s, port %u: %s", service_names[service], text,
					   plan->ports[service], strerror(errno));
		}
	}
	return true;
}

static void enter_netns(const struct origin_plan *plan, struct args *args)
{
	if (!plan->netns[0])
		return;
	int fd = open(plan->netns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		args_refuse(args, "--netns %s: %s", plan->netns, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void print_served(const struct served *served)
{
	printf(",\"connections\":%llu,\"requests\":%llu,\"datagrams\":%llu,\"bad_requests\":%llu,\"wrong_clients\":%"
	       "llu,"
	       "\"last_wrong_client\":",
	       (unsigned long long)served->connections, (unsigned long long)served->requests,
	       (unsigned long long)served->datagrams, (unsigned long long)served->bad_requests,
	       (unsigned long long)served->wrong_clients);
	json_text(last_wrong);
	printf(",\"bytes_received\":%llu,\"bytes_sent\":%llu}\n", (unsigned long long)served->bytes_received,
	       (unsigned long long)served->bytes_sent);
	fflush(stdout);
}

// Listeners are in the same order in every thread, by service and then by address.
static uint64_t accepted_at(const struct origin_plan *plan, int address)
{
	uint64_t sum = 0;
	for (int i = 0; i < threads; i++)
		for (int j = address; j < servers[i].listeners_count; j += plan->addresses_count)
			sum += counter_read(&servers[i].listeners[j].accepted);
	return sum;
}

static void print_by_address(void)
{
	const struct origin_plan *plan = servers[0].plan;
	for (int i = 0; i < plan->addresses_count; i++) {
		const union address *at = &plan->addresses[i];
		char text[INET6_ADDRSTRLEN];
		bool v6 = at->any.sa_family == AF_INET6;
		inet_ntop(at->any.sa_family, v6 ? (const void *)&at->v6.sin6_addr : &at->v4.sin_addr, text,
			  sizeof text);
		printf("%s\"%s\":%llu", i ? "," : "", text, (unsigned long long)accepted_at(plan, i));
	}
}

static int end(int code, const char *failure, const struct served *served)
{
	if (failure[0])
		fprintf(stderr, "showdown-traffic: %s\n", failure);
	printf("{\"type\":\"final\",\"schema_version\":1,\"failure\":");
	json_text(failure);
	print_served(served);
	return code;
}

static struct served served_by_all(void)
{
	struct served sum = {0};
	for (int i = 0; servers && i < threads; i++) {
		uint64_t *to = (uint64_t *)&sum;
		const uint64_t *from = (const uint64_t *)&servers[i].served; // a plain row of uint64_t, by construction
		for (size_t j = 0; j < sizeof sum / sizeof *to; j++)
			to[j] += counter_read(&from[j]);
	}
	return sum;
}

void origin_tell_status(void)
{
	struct served sum = served_by_all();
	printf("{\"type\":\"status\",\"by_address\":{");
	print_by_address();
	printf("}");
	print_served(&sum);
}

static void tell_ready(const struct origin_plan *plan)
{
	printf("{\"type\":\"ready\"");
	for (int i = 0; i < SERVICES; i++)
		if (plan->serves[i])
			printf(",\"%s\":%u", service_names[i], plan->ports[i]);
	printf("}\n");
	fflush(stdout);
}

int origin_main(int argc, char **argv)
{
	static struct origin_plan plan;
	char failure[512] = "";
	struct args args = {failure, sizeof failure};
	struct served sum = {0};
	struct rlimit files;
	pattern_init();
	if (!read_plan(&plan, argc, argv, &args))
		return end(EXIT_USAGE, failure, &sum);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		struct rlimit more = {FILES_MANY, FILES_MANY};
		files.rlim_cur = files.rlim_max; // as many connections as the host allows
		if (files.rlim_max >= FILES_MANY || setrlimit(RLIMIT_NOFILE, &more) != 0)
			setrlimit(RLIMIT_NOFILE, &files);
	}
	enter_netns(&plan, &args);
	threads = plan.cpus_count ? plan.cpus_count : 1;
	servers = calloc((size_t)threads, sizeof *servers);
	if (!servers)
		args_refuse(&args, "no memory");
	for (int i = 0; !failure[0] && i < threads; i++) {
		servers[i].index = i;
		open_server(&servers[i], &plan, &args);
	}
	if (failure[0])
		return end(EXIT_FAILED, failure, &sum);
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 1; i < threads; i++)
		if (pthread_create(&servers[i].thread, NULL, server_run, &servers[i]))
			return end(EXIT_FAILED, "cannot start a thread", &sum);
	tell_ready(&plan);
	server_run(&servers[0]);
	for (int i = 1; i < threads; i++)
		pthread_join(servers[i].thread, NULL);
	sum = served_by_all();
	return end(0, "", &sum);
}
