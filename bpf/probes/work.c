// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* work: how often the kernel did what costs time, in the lab's namespaces and for its tasks. Nothing is paired. */
#include "payload.h"
#include "tasks.h"

/* User space reads it by field name (probes/catalog/work.py). */
struct work {
	u64 packets[SIDES];
	u64 packets_empty[SIDES];
	u64 fib_lookups[SIDES];
	u64 context_switches[TASK_ROLES];
	u64 retransmits;
	u64 drops[REASONS];
};
BPF_PERCPU_ARRAY(work, struct work, 1);

/* IPv4 lookups in tables that had no route. The tracepoint names no device for them, and so no namespace. The lookup of
 * the same flow that finds a route does.
 */
struct misses {
	u64 flow;
	u64 destination;
	u64 count;
};
BPF_PERCPU_ARRAY(misses, struct misses, 1);

static __always_inline struct work *this_work(void)
{
	int zero = 0;

	return work.lookup(&zero);
}

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	u64 skb = ctx->args[0];
	struct watch *cfg = watched_open();
	struct stage *stat;
	struct work *done;
	void *dev = NULL;
	int device;
	u32 side;

	if (!cfg || bpf_probe_read_kernel(&dev, sizeof(dev), (void *)skb + SK_BUFF_DEV))
		return 0;
	device = watched_device(cfg, dev);
	if (device < 0)
		return 0;
	done = this_work();
	stat = stage_of(0);
	if (!done || !stat)
		return 0;
	/* The client's device, two of the DUT, the server's. */
	side = device == 0 ? CLIENT_SIDE : device == 3 ? SERVER_SIDE : DUT_SIDE;
	/* This probe times nothing. Its packets count as started and measured, because probes/pace.py derives from the
	 * events of all probes how often they may watch.
	 */
	stat->started++;
	stat->measured++;
	done->packets[side]++;
	if (!has_payload(skb, RECEIVED))
		done->packets_empty[side]++;
	return 0;
}

static __always_inline void count_lookups(int side, u64 lookups)
{
	struct work *done = this_work();
	u64 index = side;

	/* The verifier needs the check on the register that is the index; -1 is out of bounds, too. */
	asm volatile("" : "+r"(index));
	if (done && index < SIDES)
		done->fib_lookups[index] += lookups;
}

/* IPv4. args: table id, struct flowi4, struct fib_nh_common, error. */
RAW_TRACEPOINT_PROBE(fib_table_lookup)
{
	u64 flow = ctx->args[1], lookups = 1;
	void *hop = (void *)ctx->args[2], *dev = NULL, *net = NULL;
	struct watch *cfg = watched_open();
	struct misses *missed;
	u32 destination = 0;
	int zero = 0;

	if (!cfg)
		return 0;
	missed = misses.lookup(&zero);
	if (!missed)
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
	if (bpf_probe_read_kernel(&dev, sizeof(dev), hop + HOP_DEVICE) || !dev ||
	    bpf_probe_read_kernel(&net, sizeof(net), dev + NET_DEVICE_NET))
		return 0;
	count_lookups(side_of_net(cfg, net), lookups);
	return 0;
}

/* IPv6. The first argument is the namespace, also for a table that has no route. */
RAW_TRACEPOINT_PROBE(fib6_table_lookup)
{
	struct watch *cfg = watched_open();

	if (cfg)
		count_lookups(side_of_net(cfg, (void *)ctx->args[0]), 1);
	return 0;
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	struct watch *cfg = watched_open();
	struct work *done;
	struct task *task;
	u32 next = 0;
	u64 role;

	if (!cfg)
		return 0;
	if (bpf_probe_read_kernel(&next, sizeof(next), (void *)ctx->args[2] + TASK_STRUCT_PID) || !next)
		return 0;
	task = tasks.lookup(&next);
	if (!task || !is_watched(task, cfg))
		return 0;
	role = task->role;
	done = this_work();
	asm volatile("" : "+r"(role));
	if (done && role < TASK_ROLES)
		done->context_switches[role]++;
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_retransmit_skb)
{
	struct watch *cfg = watched_open();
	struct work *done;

	if (!cfg || side_of(cfg, (void *)ctx->args[0]) < 0)
		return 0;
	done = this_work();
	if (done)
		done->retransmits++;
	return 0;
}

/* The side of the watched lab that a dropped packet was on, or -1. */
static __always_inline int side_of_drop(const struct watch *cfg, void *skb, void *sk)
{
	void *dev = NULL, *net = NULL;

	/* The socket first: in a packet that has one, the field `dev` can belong to another member of its union. */
	if (!sk && bpf_probe_read_kernel(&sk, sizeof(sk), skb + SK_BUFF_SK))
		return -1;
	if (sk)
		return side_of(cfg, sk);
	if (bpf_probe_read_kernel(&dev, sizeof(dev), skb + SK_BUFF_DEV) || !dev ||
	    bpf_probe_read_kernel(&net, sizeof(net), dev + NET_DEVICE_NET))
		return -1;
	return side_of_net(cfg, net);
}

RAW_TRACEPOINT_PROBE(kfree_skb)
{
	u32 reason = ctx->args[2];
	struct watch *cfg = watched_open();
	struct work *done;
	void *sk = NULL;

	if (!cfg)
		return 0;
#if KFREE_SKB_HAS_SOCKET
	sk = (void *)ctx->args[3];
#endif
	if (side_of_drop(cfg, (void *)ctx->args[0], sk) < 0)
		return 0;
	done = this_work();
	if (!done)
		return 0;
	if (reason >= REASONS)
		reason = REASONS - 1;
	done->drops[reason]++;
	return 0;
}
