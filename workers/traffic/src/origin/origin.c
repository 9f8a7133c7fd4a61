// SPDX-License-Identifier: Apache-2.0
// `showdown-traffic origin`: sets up the threads, and prints what they served.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "listen.h"
#include "modes.h"
#include "origin_loop.h"
#include "origin_options.h"
#include "origin_status.h"

static void on_signal(int number)
{
	atomic_store(number == SIGUSR1 ? &origin_status_requested : &origin_stop, true);
}

static void handle_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

static bool enter_netns(const struct origin_plan *plan, struct args *args)
{
	if (!plan->netns)
		return true;
	int fd = open(plan->netns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		args_refuse(args, "--netns %s: %s", plan->netns, strerror(errno));
	if (fd >= 0)
		close(fd);
	return !args->failure[0];
}

static bool open_servers(struct server *servers, int count, struct origin_plan *plan, struct args *args)
{
	if (!servers)
		return args_refuse(args, "no memory");
	for (int i = 0; i < count; i++) {
		servers[i].index = i;
		if (!server_open(&servers[i], plan, args))
			return false;
	}
	return true;
}

// The calling thread is the first server. Returns when all have ended.
static bool run_servers(struct server *servers, int count, struct args *args)
{
	for (int i = 1; i < count; i++)
		if (pthread_create(&servers[i].thread, NULL, server_run, &servers[i]))
			return args_refuse(args, "cannot start a thread");
	origin_print_ready(servers[0].plan);
	server_run(&servers[0]);
	for (int i = 1; i < count; i++)
		pthread_join(servers[i].thread, NULL);
	return true;
}

static int failed(int code, const char *failure)
{
	fprintf(stderr, "showdown-traffic: %s\n", failure);
	origin_print_final(failure);
	return code;
}

int origin_main(int argc, char **argv)
{
	static struct origin_plan plan;
	static struct server *servers; // lives as long as the process
	char failure[512] = "";
	struct args args = {failure, sizeof failure};
	pattern_init();
	enum options_result result = origin_options_read(&plan, &args, argc, argv);
	if (result == OPTIONS_HELP) {
		origin_options_help(stdout);
		return 0;
	}
	if (result == OPTIONS_REFUSED)
		return failed(EXIT_USAGE, failure);
	descriptors_raise_to_maximum();
	int count = plan.cpus_count ? plan.cpus_count : 1;
	servers = calloc((size_t)count, sizeof *servers);
	if (!enter_netns(&plan, &args) || !open_servers(servers, count, &plan, &args))
		return failed(EXIT_FAILED, failure);
	origin_status_of(servers, count);
	handle_signals();
	if (!run_servers(servers, count, &args))
		return failed(EXIT_FAILED, failure);
	origin_print_final("");
	return 0;
}
