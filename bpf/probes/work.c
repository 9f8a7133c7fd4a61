// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* work: how often the kernel did what costs time, in the lab's namespaces and for its tasks. Nothing is paired. */
#include "packets.h"
#include "tasks.h"

/* The order in which probes/catalog/work.py reads them. */
struct work {
	u64 packets[SIDES];
	u64 empty_packets[SIDES];
	u64 fib_lookups[SIDES];
	u64 context_switches[TASK_ROLES];
	u64 retransmits;
	u64 drops[REASONS];
};

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(work, struct work, 1);
BPF_HASH(tasks, u32, struct task, MAX_TASKS);
/* Every probe has these two. This one times nothing; its packets count as begun and ended, for how often probes
 * may watch depends on how much they see.
 */
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

/* Lookups in tables that had no route for it. They name no device, and so no namespace; the one that finds a
 * route for the same flow does.
 */
struct misses {
	u64 flow;
	u64 destination;
	u64 count;
};
BPF_PERCPU_ARRAY(misses, struct misses, 1);

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	u64 skb = ctx->args[0];
	void *device = NULL;
	struct watch *watching;
	struct stage *measured;
	struct work *done;
	int zero = 0, number;
	u32 side;

	watching = watch.lookup(&zero);
	done = work.lookup(&zero);
	measured = stage.lookup(&zero);
	if (!watching || !watching->open || !done || !measured)
		return 0;
	if (bpf_probe_read_kernel(&device, sizeof(device), (void *)skb + SK_BUFF_DEV))
		return 0;
	number = watched_device(watching, device);
	if (number < 0)
		return 0;
	/* The client's device, two of the DUT, the server's. */
	side = number == 0 ? CLIENT_SIDE : number == 3 ? SERVER_SIDE : DUT_SIDE;
	measured->started++;
	measured->measured++;
	done->packets[side]++;
	if (!has_payload(skb, RECEIVED))
		done->empty_packets[side]++;
	return 0;
}

RAW_TRACEPOINT_PROBE(fib_table_lookup)
{
	u64 flow = ctx->args[1];
	void *hop = (void *)ctx->args[2], *device = NULL, *net = NULL;
	struct watch *watching;
	struct misses *missed;
	struct work *done;
	u32 destination = 0;
	u64 lookups = 1;
	int zero = 0, side;

	watching = watch.lookup(&zero);
	done = work.lookup(&zero);
	missed = misses.lookup(&zero);
	if (!watching || !watching->open || !done || !missed)
		return 0;
	if (bpf_probe_read_kernel(&destination, sizeof(destination), (void *)flow + FLOW_DESTINATION))
		return 0;
	if (missed->flow == flow && missed->destination == destination)
		lookups += missed->count;
	missed->flow = 0;
	if (!hop) {
		missed->flow = flow;
		missed->destination = destination;
		missed->count = lookups;
		return 0;
	}
	if (bpf_probe_read_kernel(&device, sizeof(device), hop + HOP_DEVICE) || !device)
		return 0;
	if (bpf_probe_read_kernel(&net, sizeof(net), device + NET_DEVICE_NET))
		return 0;
	side = side_of_net(watching, net);
	if (side >= 0 && side < SIDES)
		done->fib_lookups[side] += lookups;
	return 0;
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	struct watch *watching;
	struct work *done;
	struct task *task;
	u32 next = 0;
	int zero = 0;

	watching = watch.lookup(&zero);
	done = work.lookup(&zero);
	if (!watching || !watching->open || !done)
		return 0;
	if (bpf_probe_read_kernel(&next, sizeof(next), (void *)ctx->args[2] + TASK_STRUCT_PID) || !next)
		return 0;
	task = tasks.lookup(&next);
	if (task && is_watched(task, watching) && task->role < TASK_ROLES)
		done->context_switches[task->role]++;
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_retransmit_skb)
{
	struct watch *watching;
	struct work *done;
	int zero = 0;

	watching = watch.lookup(&zero);
	done = work.lookup(&zero);
	if (watching && watching->open && done && side_of(watching, (void *)ctx->args[0]) >= 0)
		done->retransmits++;
	return 0;
}

RAW_TRACEPOINT_PROBE(kfree_skb)
{
	void *skb = (void *)ctx->args[0], *sock = NULL, *device = NULL, *net = NULL;
	u32 reason = ctx->args[2];
	struct watch *watching;
	struct work *done;
	int zero = 0;

	watching = watch.lookup(&zero);
	done = work.lookup(&zero);
	if (!watching || !watching->open || !done)
		return 0;
#if KFREE_SKB_TELLS_SOCKET
	sock = (void *)ctx->args[3];
#endif
	/* A socket tells the namespace most surely: where a packet has one, its device may be another's field. */
	if (!sock && bpf_probe_read_kernel(&sock, sizeof(sock), skb + SK_BUFF_SK))
		return 0;
	if (sock) {
		if (side_of(watching, sock) < 0)
			return 0;
	} else {
		if (bpf_probe_read_kernel(&device, sizeof(device), skb + SK_BUFF_DEV) || !device ||
		    bpf_probe_read_kernel(&net, sizeof(net), device + NET_DEVICE_NET) || side_of_net(watching, net) < 0)
			return 0;
	}
	if (reason >= REASONS)
		reason = REASONS - 1;
	done->drops[reason]++;
	return 0;
}
