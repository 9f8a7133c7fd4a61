// SPDX-License-Identifier: Apache-2.0
// Completes and checks what the command line says.
#include "plan_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "clock.h"
#include "load_options.h"
#include "plan_slices.h"
#include "tls.h"

static bool check_load(struct load_options *options, struct args *args)
{
	struct plan *plan = &options->plan;
	bool varies = options->ramp || options->steps;
	if (options->closed == plan->open_loop)
		return args_refuse(args, "give either --closed or --open RATE");
	if (!plan->open_loop && varies)
		return args_refuse(args, "--ramp-to and --steps need --open");
	if (options->ramp && options->steps)
		return args_refuse(args, "give either --ramp-to or --steps");
	for (int i = 0; i < plan->targets_count; i++)
		if (plan->targets[i].rate_per_s > 0 && (!plan->open_loop || varies))
			return args_refuse(args, "--target %s: rate= needs --open, without --ramp-to and --steps",
					   plan->targets[i].label);
	return true;
}

static bool resolve_load(struct load_options *options, struct args *args)
{
	struct plan *plan = &options->plan;
	plan->profile.steps = 1;
	plan->profile.ramp = options->ramp;
	if (options->steps && !load_options_steps(plan, args, options->steps))
		return false;
	if (!plan->duration_ns)
		return args_refuse(args, "give --duration-ms");
	if (!plan->slice_ns)
		plan->slice_ns = plan->duration_ns;
	if (plan->settle_ns == NEVER)
		plan->settle_ns = plan->timeout_ns;
	for (int i = 0; i < plan->targets_count; i++) {
		plan->targets[i].port_low = (uint16_t)options->port_low;
		plan->targets[i].port_high = (uint16_t)options->port_high;
	}
	return true;
}

static bool resolve_threads(struct plan *plan, struct args *args)
{
	if (!plan->cpus_count)
		plan->cpus[plan->cpus_count++] = args_first_cpu();
	if ((plan->clients > 1) != (plan->rendezvous_fd >= 0))
		return args_refuse(args, "--client: several clients need --rendezvous, and one client takes none");
	if (plan->connections < (uint32_t)plan_threads(plan))
		return args_refuse(args, "--connections: %u is fewer than the %d threads of --cpus%s",
				   plan->connections, plan_threads(plan), plan->clients > 1 ? " of all clients" : "");
	return true;
}

static bool resolve_bodies(struct load_options *options, struct args *args)
{
	struct plan *plan = &options->plan;
	const char *check = options->check;
	if (options->body_bytes == NEVER)
		options->body_bytes = plan->protocol->body_bytes;
	plan->check = true;
	if (!plan->protocol->prepare(options, args))
		return false;
	if (!check || !strcmp(check, "pattern"))
		return true;
	if (!strcmp(check, "none")) {
		plan->check = false;
		return true;
	}
	if (strncmp(check, "file=", 5) != 0)
		return args_refuse(args, "--check: write none, pattern or file=PATH");
	plan->expected = file_body(check + 5);
	return plan->expected.data || args_refuse(args, "--check: %.200s: %s", check + 5, strerror(errno));
}

// Refuses what no thread could use: a file that cannot be read, or has no certificate.
static bool check_authorities(const struct plan *plan, struct args *args)
{
	for (int i = 0; i < plan->targets_count; i++) {
		const struct target *target = &plan->targets[i];
		char why[128];
		if (!target->authority[0])
			continue;
		if (plan->protocol->socket_type != SOCK_STREAM)
			return args_refuse(args, "target %s: tls= needs a workload over TCP", target->label);
		struct tls_context *context =
			tls_context_new(target->authority, &target->address, plan->protocol->alpn, 0, why, sizeof why);
		if (!context)
			return args_refuse(args, "target %s: tls=%s: %s", target->label, target->authority, why);
		tls_context_free(context);
	}
	return true;
}

static void resolve_profiles(struct plan *plan)
{
	for (int i = 0; i < plan->targets_count; i++) {
		struct target *target = &plan->targets[i];
		target->profile = plan->profile;
		if (target->rate_per_s > 0)
			target->profile.rates_per_s[0] = target->rate_per_s;
	}
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

struct plan *plan_read(int argc, char **argv, struct args *args, enum options_result *result)
{
	static struct load_options options = {
		.plan = {.connections = 64,
			 .clients = 1,
			 .rendezvous_fd = -1,
			 .drain_ns = 100 * NS_PER_MS,
			 .settle_ns = NEVER,
			 .timeout_ns = 5 * NS_PER_S},
		.body_bytes = NEVER,
	};
	struct plan *plan = &options.plan;
	*result = load_options_read(&options, args, argc, argv);
	if (*result != OPTIONS_READ)
		return plan;
	if (!plan->protocol)
		args_refuse(args, "give --workload");
	else if (!plan->targets_count)
		args_refuse(args, "give at least one --target");
	else if (check_load(&options, args) && resolve_load(&options, args) && resolve_threads(plan, args) &&
		 resolve_bodies(&options, args) && plan_order(plan, args, options.order) && plan_slices(plan, args) &&
		 open_namespaces(plan, args) && check_authorities(plan, args))
		resolve_profiles(plan);
	if (args->failure[0])
		*result = OPTIONS_REFUSED;
	return plan;
}
