/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every probe shares: its programs for raw tracepoints, and the lab that it watches.
 *
 * Kernel structures are read at offsets from the running kernel's BTF, which are -D constants: the headers that BCC
 * compiles against can belong to another kernel.
 */
#ifndef SHOWDOWN_PROBE_H
#define SHOWDOWN_PROBE_H

#include <linux/types.h>

/* BCC's own macro would attach the program at once. This one only defines it; bpf/chain.py attaches it. The program
 * ends with a tail call to the next probe's program on the same tracepoint. A tracepoint with a second program would
 * cost milliseconds to detach from, and 25 ns more per event; a tail call costs neither. NEXT is the file descriptor of
 * the program array, SLOT_<event> the index in it.
 */
#undef RAW_TRACEPOINT_PROBE
#define RAW_TRACEPOINT_PROBE(event)                                                                                    \
	int on_##event(struct bpf_raw_tracepoint_args *ctx);                                                           \
	static __always_inline int seen_##event(struct bpf_raw_tracepoint_args *ctx);                                  \
	int on_##event(struct bpf_raw_tracepoint_args *ctx)                                                            \
	{                                                                                                              \
		seen_##event(ctx);                                                                                     \
		bpf_tail_call_(bpf_pseudo_fd(1, NEXT), ctx, SLOT_##event);                                             \
		return 0;                                                                                              \
	}                                                                                                              \
	static __always_inline int seen_##event(struct bpf_raw_tracepoint_args *ctx)

/* A device by name. Interface indexes repeat across namespaces; the names of lab devices do not. The mask covers the
 * name up to and including its NUL: the kernel may leave bytes of an older, longer name behind that.
 */
struct device {
	__u64 name[2];
	__u64 mask[2];
	__u64 ifindex;
};
#define WATCHED_DEVICES 4

/* The sides of a lab, in the order of watch.netns. */
#define CLIENT_SIDE 0
#define DUT_SIDE 1
#define SERVER_SIDE 2
#define SIDES 3

/* What user space asks a probe to watch.
 *
 * generation: grows with every window; 0 while nothing is watched. A start and an end form a pair only within one
 * generation.
 * open: new starts are accepted, and work is counted. At the end of a window it becomes 0 before the generation does,
 * so that what had begun can still end. lab: grows whenever the probe turns to another lab. group: the group of tasks
 * to watch (tasks.h).
 *
 * known_device and known_net are caches, by a slot of the address. Each holds the address itself. Its lowest three
 * bits, 0 in every address, have the index + 1, or 0 for an object of no interest. User space empties them before each
 * window, because the kernel reuses addresses.
 */
#define KNOWN 16
#define KNOWN_SLOT(address) (((address) >> 6 ^ (address) >> 12) & (KNOWN - 1))
#define KNOWN_INDEX 7ULL
struct watch {
	__u64 generation;
	__u64 open;
	__u64 lab;
	__u64 group;
	__u64 netns[SIDES];
	struct device device[WATCHED_DEVICES];
	__u64 known_device[KNOWN];
	__u64 known_net[KNOWN];
};
BPF_ARRAY(watch, struct watch, 1);

/* The configuration, or NULL while nothing is watched. */
static __always_inline struct watch *watched(void)
{
	int zero = 0;
	struct watch *cfg = watch.lookup(&zero);

	return cfg && cfg->generation ? cfg : NULL;
}

/* The configuration, or NULL while no new events are accepted. */
static __always_inline struct watch *watched_open(void)
{
	int zero = 0;
	struct watch *cfg = watch.lookup(&zero);

	return cfg && cfg->open ? cfg : NULL;
}

/* The index of a watched device, in the order in which the probe names them; -1 for any other device. */
static __always_inline int watched_device(const struct watch *cfg, const void *dev)
{
	__u64 *known = (__u64 *)&cfg->known_device[KNOWN_SLOT((__u64)dev)], found = *known, name[2];
	int i, index = -1;

	if ((found & ~KNOWN_INDEX) == (__u64)dev)
		return (int)(found & KNOWN_INDEX) - 1;
	if (bpf_probe_read_kernel(name, sizeof(name), dev + NET_DEVICE_NAME))
		return -1;
#pragma unroll
	for (i = 0; i < WATCHED_DEVICES; i++) {
		const struct device *device = &cfg->device[i];

		/* An unused entry has an empty mask, and must match no device. */
		if (index < 0 && device->mask[0] && (name[0] & device->mask[0]) == device->name[0] &&
		    (name[1] & device->mask[1]) == device->name[1])
			index = i;
	}
	*known = (__u64)dev | (index + 1);
	return index;
}

/* The side of the watched lab that a network namespace is, or -1. */
static __always_inline int side_of_net(const struct watch *cfg, const void *net)
{
	__u64 *known = (__u64 *)&cfg->known_net[KNOWN_SLOT((__u64)net)], found = *known;
	__u32 inode = 0;
	int i, side = -1;

	if ((found & ~KNOWN_INDEX) == (__u64)net)
		return (int)(found & KNOWN_INDEX) - 1;
	if (bpf_probe_read_kernel(&inode, sizeof(inode), net + NET_INODE))
		return -1;
#pragma unroll
	for (i = 0; i < SIDES; i++)
		if (side < 0 && inode == cfg->netns[i])
			side = i;
	*known = (__u64)net | (side + 1);
	return side;
}

/* The side of the watched lab that a socket is on, or -1. */
static __always_inline int side_of(const struct watch *cfg, const void *sk)
{
	const void *net = NULL;

	if (bpf_probe_read_kernel(&net, sizeof(net), sk + SOCK_NET) || !net)
		return -1;
	return side_of_net(cfg, net);
}

#endif
