// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "datagram.h"
#include "descriptors.h"
#include "exit_codes.h"
#include "privilege.h"
#include "relay.h"
#include "session.h"
#include "worker.h"

#define FDS_PER_CONNECTION 6 // two sockets, and a pipe (two descriptors) per direction while both hold bytes
#define FDS_PER_FLOW 2
#define FDS_SPARE 64

static int stop_fd = -1;

static void request_stop(int signal_number)
{
	uint64_t one = 1;
	int error = errno;
	(void)signal_number;
	(void)!write(stop_fd, &one, sizeof one);
	errno = error;
}

static bool failed(struct args *args, const char *what)
{
	return args_refuse(args, "%s: %s", what, strerror(errno));
}

static bool raise_file_limit(struct args *args, const struct relay_options *o)
{
	uint64_t each = o->udp ? FDS_PER_FLOW : FDS_PER_CONNECTION, allowed;
	uint64_t needed = (uint64_t)o->connections * each + (uint64_t)o->threads + FDS_SPARE;
	int error = descriptors_raise(needed, &allowed);
	if (error == -EMFILE)
		return args_refuse(args,
				   "--connections: %" PRIu32 " connections need %" PRIu64
				   " file descriptors, but the limit is %" PRIu64,
				   o->connections, needed, allowed);
	errno = -error;
	return !error || failed(args, "limit of open files");
}

static bool map_stats_page(struct args *args, struct relay *relay)
{
	const struct relay_options *o = &relay->options;
	size_t size = sizeof(struct stats_page) + (size_t)o->threads * sizeof(struct counters);
	int fd = open(o->stats_page, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return failed(args, "--stats-page");
	void *map = MAP_FAILED;
	if (ftruncate(fd, (off_t)size) == 0)
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int error = errno;
	close(fd);
	errno = error;
	if (map == MAP_FAILED)
		return failed(args, "--stats-page");
	relay->stats_page = map;
	relay->stats_page->version = STATS_PAGE_VERSION;
	relay->stats_page->threads = (uint64_t)o->threads;
	relay->stats_page->magic = STATS_PAGE_MAGIC;
	return true;
}

static bool start_listening(struct args *args, struct relay *relay)
{
	const struct relay_options *o = &relay->options;
	int on = 1, family = o->listen.any.sa_family;
	int type = o->udp ? SOCK_DGRAM : SOCK_STREAM;
	int fd = relay->listen_fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		return failed(args, "--listen");
	if (o->transparent && !datagram_make_transparent(fd, family))
		return failed(args, "--transparent");
	if (o->udp) {
		datagram_merge(fd);
		if (!datagram_report_destinations(fd, family))
			return failed(args, "--udp");
	}
	if (bind(fd, &o->listen.any, address_size(&o->listen)) != 0 || (!o->udp && listen(fd, o->backlog) != 0))
		return failed(args, "--listen");
	return true;
}

static bool open_pool(struct relay *relay)
{
	uint32_t size = relay->options.connections;
	return relay->options.udp ? flow_table_open(&relay->flows, size) : session_pool_open(&relay->sessions, size);
}

static bool open_workers(struct args *args, struct relay *relay)
{
	int threads = relay->options.threads;
	relay->workers = calloc((size_t)threads, sizeof *relay->workers);
	if (!relay->workers || !open_pool(relay))
		return failed(args, "--connections");
	for (int i = 0; i < threads; i++)
		relay->workers[i].epoll_fd = -1; // worker_close() is called even if worker_open() was not
	relay->stop_fd = stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0)
		return failed(args, "eventfd");
	for (int i = 0; i < threads; i++)
		if (!worker_open(&relay->workers[i], relay, &relay->stats_page->counters[i]))
			return failed(args, "epoll");
	return true;
}

static void report_port(const struct relay *relay)
{
	union address address;
	socklen_t size = sizeof address;
	if (getsockname(relay->listen_fd, &address.any, &size) == 0)
		printf("listening on port %d\n", address_port(&address));
	fflush(stdout);
}

static bool serve(struct args *args, struct relay *relay)
{
	int started = 1, threads = relay->options.threads;
	struct sigaction action = {.sa_handler = request_stop};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (; started < threads; started++)
		if ((errno = pthread_create(&relay->workers[started].thread, NULL, worker_run,
					    &relay->workers[started])) != 0)
			break;
	if (started == threads) {
		report_port(relay);
		atomic_store(&relay->stats_page->state, STATS_PAGE_SERVING);
		worker_run(&relay->workers[0]);
	} else {
		failed(args, "--threads");
		request_stop(0);
	}
	for (int i = 1; i < started; i++)
		pthread_join(relay->workers[i].thread, NULL);
	atomic_store(&relay->stats_page->state, STATS_PAGE_ENDED);
	return !args->failure[0];
}

static void free_all(struct relay *relay)
{
	for (uint32_t i = 0; i < relay->sessions.touched; i++)
		session_close(&relay->sessions.all[i]);
	session_pool_close(&relay->sessions);
	for (int i = 0; relay->workers && i < relay->options.threads; i++)
		worker_close(&relay->workers[i]);
	flow_table_close(&relay->flows);
	free(relay->workers);
}

int main(int argc, char **argv)
{
	static struct relay relay;
	char failure[256] = "";
	struct args args = {failure, sizeof failure};
	enum options_result result = relay_options_read(&args, argc, argv, &relay.options);
	if (result == OPTIONS_HELP) {
		relay_options_help(stdout);
		return 0;
	}
	if (result == OPTIONS_REFUSED) {
		fprintf(stderr, "showdown-relay: %s (see --help)\n", failure);
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	bool ok = raise_file_limit(&args, &relay.options) && map_stats_page(&args, &relay) &&
		  start_listening(&args, &relay) && open_workers(&args, &relay) &&
		  (privileges_drop(&relay.options) || failed(&args, "dropping privileges")) && serve(&args, &relay);
	free_all(&relay);
	if (!ok)
		fprintf(stderr, "showdown-relay: %s\n", failure);
	return ok ? 0 : EXIT_FAILED;
}
