// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "args.h"
#include "relay.h"

#define CONNECTIONS_MAX 1000000
#define FDS_PER_CONNECTION 6 // two sockets, and a pipe each way while both are full
#define FDS_SPARE 64
#define BACKLOG_MAX 65535

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] =
	"usage: showdown-relay --listen ADDRESS:PORT (--origin ADDRESS:PORT | --transparent) --page FILE [OPTION...]\n"
	"  --listen ADDRESS:PORT  where clients come in; IPv6 as [::]:80\n"
	"  --origin ADDRESS:PORT  whom it connects to\n"
	"  --transparent          serves any destination, connects to whom the client asked for, as the client "
	"(CAP_NET_RAW)\n"
	"  --page FILE            where it tells its counters (page.h)\n"
	"  --threads N            1 to 256; 1 unless given\n"
	"  --connections N        at once; more clients wait in the backlog; 1000 unless given\n"
	"  --backlog N            of the listener; 65535 unless given\n"
	"  --targets-fd N --verdict-fd N   inherited socket maps: the kernel splices (kernel.c)\n";

static int stop_fd = -1;

static void ask_to_stop(int signal_number)
{
	uint64_t one = 1;
	int error = errno;
	(void)signal_number;
	(void)!write(stop_fd, &one, sizeof one);
	errno = error;
}

socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

static bool read_address(struct args *args, const char *option, const char *text, union address *address)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t size = colon ? (size_t)(colon - text) : 0;
	uint64_t port;
	if (!size || size >= sizeof host)
		return args_refuse(args, "%s: '%.60s' is not ADDRESS:PORT", option, text);
	memcpy(host, text, size);
	host[size] = '\0';
	if (!args_whole(args, option, colon + 1, 0, UINT16_MAX, &port))
		return false;
	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons((uint16_t)port);
		return true;
	}
	if (host[0] == '[' && host[size - 1] == ']') {
		host[size - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &address->v6.sin6_addr) == 1) {
			address->v6.sin6_family = AF_INET6;
			address->v6.sin6_port = htons((uint16_t)port);
			return true;
		}
	}
	return args_refuse(args, "%s: '%.60s' is no IPv4 address, and no IPv6 address in brackets", option, host);
}

static bool read_number(struct args *args, const char *option, uint64_t low, uint64_t high, int *value)
{
	uint64_t number;
	if (!args_whole(args, option, optarg, low, high, &number))
		return false;
	*value = (int)number;
	return true;
}

static bool read_option(struct args *args, int option, struct options *o)
{
	int connections;
	switch (option) {
	case 'l':
		return read_address(args, "--listen", optarg, &o->listen);
	case 'o':
		o->has_origin = true;
		return read_address(args, "--origin", optarg, &o->origin);
	case 't':
		o->transparent = true;
		return true;
	case 'p':
		o->page = optarg;
		return true;
	case 'n':
		return read_number(args, "--threads", 1, THREADS_MAX, &o->threads);
	case 'c':
		if (!read_number(args, "--connections", 1, CONNECTIONS_MAX, &connections))
			return false;
		o->connections = (uint32_t)connections;
		return true;
	case 'b':
		return read_number(args, "--backlog", 1, BACKLOG_MAX, &o->backlog);
	case 'g':
		return read_number(args, "--targets-fd", 0, INT32_MAX, &o->targets_fd);
	case 'v':
		return read_number(args, "--verdict-fd", 0, INT32_MAX, &o->verdict_fd);
	default:
		return args_refuse(args, "an option is not known, or lacks its value");
	}
}

static bool read_options(struct args *args, int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{"listen", required_argument, NULL, 'l'},     {"origin", required_argument, NULL, 'o'},
		{"transparent", no_argument, NULL, 't'},      {"page", required_argument, NULL, 'p'},
		{"threads", required_argument, NULL, 'n'},    {"connections", required_argument, NULL, 'c'},
		{"backlog", required_argument, NULL, 'b'},    {"targets-fd", required_argument, NULL, 'g'},
		{"verdict-fd", required_argument, NULL, 'v'}, {NULL, 0, NULL, 0},
	};
	int option;
	opterr = 0;
	*o = (struct options){
		.threads = 1, .connections = 1000, .backlog = BACKLOG_MAX, .targets_fd = -1, .verdict_fd = -1};
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (!read_option(args, option, o))
			return false;
	if (optind < argc)
		return args_refuse(args, "'%.40s' is no option", argv[optind]);
	if (!o->listen.any.sa_family || !o->page)
		return args_refuse(args, "--listen and --page are needed");
	if (o->has_origin == o->transparent)
		return args_refuse(args, "give either --origin or --transparent");
	if ((o->targets_fd < 0) != (o->verdict_fd < 0))
		return args_refuse(args, "--targets-fd and --verdict-fd belong together");
	return true;
}

static bool failed(struct args *args, const char *what)
{
	return args_refuse(args, "%s: %s", what, strerror(errno));
}

static bool raise_files(struct args *args, const struct options *o)
{
	struct rlimit files;
	rlim_t needed = (rlim_t)o->connections * FDS_PER_CONNECTION + (rlim_t)o->threads + FDS_SPARE;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return failed(args, "limit of open files");
	if (files.rlim_max < needed)
		return args_refuse(args, "--connections: %u need %llu descriptors, of which the limit allows %llu",
				   o->connections, (unsigned long long)needed, (unsigned long long)files.rlim_max);
	files.rlim_cur = needed > files.rlim_cur ? needed : files.rlim_cur;
	return setrlimit(RLIMIT_NOFILE, &files) == 0 || failed(args, "limit of open files");
}

static bool map_page(struct args *args, struct relay *relay)
{
	const struct options *o = &relay->options;
	size_t size = sizeof(struct page) + (size_t)o->threads * sizeof(struct tally);
	int fd = open(o->page, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
		return failed(args, "--page");
	relay->page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (relay->page == MAP_FAILED)
		return failed(args, "--page");
	relay->page->version = PAGE_VERSION;
	relay->page->threads = (uint64_t)o->threads;
	relay->page->magic = PAGE_MAGIC;
	return true;
}

static bool begin_listening(struct args *args, struct relay *relay)
{
	const struct options *o = &relay->options;
	int on = 1, family = o->listen.any.sa_family;
	int fd = relay->listen_fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		return failed(args, "--listen");
	if (o->transparent && setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
					 family == AF_INET ? IP_TRANSPARENT : IPV6_TRANSPARENT, &on, sizeof on) != 0)
		return failed(args, "--transparent");
	if (bind(fd, &o->listen.any, address_size(&o->listen)) != 0 || listen(fd, o->backlog) != 0)
		return failed(args, "--listen");
	return true;
}

static bool make_room(struct args *args, struct relay *relay)
{
	const struct options *o = &relay->options;
	relay->links = calloc(o->connections, sizeof *relay->links); // pages come when they are touched
	relay->workers = calloc((size_t)o->threads, sizeof *relay->workers);
	if (!relay->links || !relay->workers)
		return failed(args, "--connections");
	for (uint32_t i = o->connections; i--;) {
		relay->links[i].closed = true;
		relay->links[i].next = relay->spare;
		relay->spare = &relay->links[i];
	}
	relay->stop_fd = stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0)
		return failed(args, "eventfd");
	for (int i = 0; i < o->threads; i++)
		if (!worker_open(&relay->workers[i], relay, i))
			return failed(args, "epoll");
	return true;
}

static void tell_port(const struct relay *relay)
{
	union address address;
	socklen_t size = sizeof address;
	if (getsockname(relay->listen_fd, &address.any, &size) == 0)
		printf("listening on port %d\n", ntohs(address.v4.sin_port)); // at the same place in both families
	fflush(stdout);
}

static bool serve(struct args *args, struct relay *relay)
{
	struct options *o = &relay->options;
	struct sigaction action = {.sa_handler = ask_to_stop};
	int started = 1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (; started < o->threads; started++)
		if ((errno = pthread_create(&relay->workers[started].thread, NULL, worker_run,
					    &relay->workers[started])) != 0)
			break;
	if (started == o->threads) {
		tell_port(relay);
		atomic_store(&relay->page->state, PAGE_SERVING);
		worker_run(&relay->workers[0]);
	} else {
		failed(args, "--threads");
		ask_to_stop(0);
	}
	for (int i = 1; i < started; i++)
		pthread_join(relay->workers[i].thread, NULL);
	atomic_store(&relay->page->state, PAGE_ENDED);
	return !args->failure[0];
}

static void free_all(struct relay *relay)
{
	for (uint32_t i = 0; relay->workers && i < relay->options.connections; i++)
		if (!relay->links[i].closed)
			link_close(&relay->links[i]);
	for (int i = 0; relay->workers && i < relay->options.threads; i++)
		worker_close(&relay->workers[i]);
	free(relay->workers);
	free(relay->links);
}

int main(int argc, char **argv)
{
	static struct relay relay = {.lock = PTHREAD_MUTEX_INITIALIZER};
	char failure[256] = "";
	struct args args = {failure, sizeof failure};
	signal(SIGPIPE, SIG_IGN);
	if (!read_options(&args, argc, argv, &relay.options)) {
		fprintf(stderr, "showdown-relay: %s\n%s", failure, usage);
		return EXIT_USAGE;
	}
	bool fine = raise_files(&args, &relay.options) && map_page(&args, &relay) && begin_listening(&args, &relay) &&
		    make_room(&args, &relay) &&
		    (privileges_drop(&relay.options) || failed(&args, "dropping privileges")) && serve(&args, &relay);
	free_all(&relay);
	if (!fine)
		fprintf(stderr, "showdown-relay: %s\n", failure);
	return fine ? 0 : EXIT_FAILED;
}
