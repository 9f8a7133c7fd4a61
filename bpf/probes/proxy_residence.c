// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* proxy_residence: from the recv that takes data off one of the proxy's sockets to the send that passes it on by
 * another.
 *
 * Both calls name the same buffer in the proxy's memory, and it holds nothing else meanwhile. So that address pairs
 * them, however many connections an event loop serves in one round.
 */
#include "buffers.h"
#include "sockets.h"

#define FAMILY_IPV4 2  /* AF_INET */
#define FAMILY_IPV6 10 /* AF_INET6 */
#define PEEK 2	       /* MSG_PEEK */

/* A socket's data that was received and not sent on yet. There are many more slots than connections, so that two rarely
 * share one; where they do, one pair is lost.
 */
struct unsent {
	u64 sk;
	u64 buffer;
	u64 role;
	struct start received;
};
BPF_ARRAY(unsent, struct unsent, SOCKET_SLOTS);

/* The socket whose data a process put last into a buffer. */
struct place {
	u64 buffer;
	u64 process;
	u64 sk;
};
BPF_ARRAY(places, struct place, SOCKET_SLOTS);

static __always_inline struct unsent *unsent_slot(u64 sk)
{
	int slot = SOCKET_SLOT(sk);

	return unsent.lookup(&slot);
}

static __always_inline struct place *place_slot(u64 buffer, u64 process)
{
	int slot = HASH_SLOT(buffer ^ process << 48, SOCKET_SLOT_BITS);

	return places.lookup(&slot);
}

/* The address family of a TCP or UDP socket in the DUT's namespace, else 0: a proxy also has sockets to its master. */
static __always_inline u16 proxy_family(const struct watch *cfg, u64 sk)
{
	u16 family = 0;

	if (bpf_probe_read_kernel(&family, sizeof(family), (void *)sk + SOCK_FAMILY) ||
	    (family != FAMILY_IPV4 && family != FAMILY_IPV6))
		return 0;
	return side_of(cfg, (void *)sk) == DUT_SIDE ? family : 0;
}

/* The interface that an accepted socket's SYN came in by, 0 for a socket that connected. The kernel keeps it for IPv4
 * in inet_sock.mc_index (tcp_v4_syn_recv_sock), for IPv6 in ipv6_pinfo.mcast_oif (tcp_v6_syn_recv_sock).
 */
static __always_inline int accepted_ifindex(u64 sk, u16 family, u32 *ifindex)
{
	void *where = (void *)sk + SOCK_ACCEPTED_IFINDEX;

#ifdef SOCK_PINET6 /* not on a kernel without IPv6 */
	if (family == FAMILY_IPV6) {
		if (bpf_probe_read_kernel(&where, sizeof(where), (void *)sk + SOCK_PINET6) || !where)
			return -1;
		where += PINET6_ACCEPTED_IFINDEX;
	}
#endif
	return bpf_probe_read_kernel(ifindex, sizeof(*ifindex), where);
}

/* Which way the data of a socket goes, or -1: by the interface of its packets (sk_rx_dst_ifindex). The kernel sets that
 * when a packet finds the socket unlocked, as tcp_add_backlog drops the packet's route. Until then the interface of the
 * SYN counts, and a socket without one is the proxy's connection to the origin.
 */
static __always_inline int role_of(const struct watch *cfg, u64 sk, u16 family)
{
	u32 ingress = 0;

	if (bpf_probe_read_kernel(&ingress, sizeof(ingress), (void *)sk + SOCK_RX_IFINDEX))
		return -1;
	if (!ingress && accepted_ifindex(sk, family, &ingress))
		return -1;
	if (ingress == cfg->device[0].ifindex)
		return TO_ORIGIN;
	return ingress == cfg->device[1].ifindex || !ingress ? TO_CLIENT : -1;
}

static __always_inline void receive(const struct watch *cfg, u64 sk, int role, u64 buffer)
{
	u64 process = bpf_get_current_pid_tgid() >> 32;
	struct unsent *mine = unsent_slot(sk);
	struct place *place;
	struct stage *stat;

	if (!mine)
		return;
	/* The proxy appends to data that it has not sent yet: the oldest counts. */
	if (mine->sk == sk && mine->received.generation == cfg->generation && mine->buffer < buffer &&
	    bpf_ktime_get_ns() - mine->received.time_ns < MAX_AGE_NS)
		return;
	place = place_slot(buffer, process);
	stat = stage_of(role);
	if (!place || !stat || !begin(stat, cfg, &mine->received))
		return;
	mine->sk = sk;
	mine->buffer = buffer;
	mine->role = role;
	place->buffer = buffer;
	place->process = process;
	place->sk = sk;
}

RAW_TRACEPOINT_PROBE(sock_recv_length)
{
	u64 sk = ctx->args[0], buffer;
	struct watch *cfg;
	u16 family;
	int role;

	if ((int)ctx->args[1] <= 0 || ctx->args[2] & PEEK)
		return 0;
	cfg = watched_open();
	if (!cfg)
		return 0;
	family = proxy_family(cfg, sk);
	if (!family)
		return 0;
	role = role_of(cfg, sk, family);
	if (role < 0)
		return 0;
	buffer = user_buffer();
	if (buffer)
		receive(cfg, sk, role, buffer);
	return 0;
}

RAW_TRACEPOINT_PROBE(sock_send_length)
{
	u64 sk = ctx->args[0], buffer, process;
	struct watch *cfg;
	struct unsent *other;
	struct place *place;
	struct stage *stat;

	if ((int)ctx->args[1] <= 0)
		return 0;
	cfg = watched();
	if (!cfg || !proxy_family(cfg, sk))
		return 0;
	buffer = user_buffer();
	process = bpf_get_current_pid_tgid() >> 32;
	place = place_slot(buffer, process);
	if (!buffer || !place || place->buffer != buffer || place->process != process)
		return 0;
	/* Already sent; or sent back by the socket that it came from, which is not passing it on. */
	if (!place->sk || place->sk == sk)
		return 0;
	other = unsent_slot(place->sk);
	if (!other || other->sk != place->sk || other->buffer != buffer)
		return 0;
	stat = stage_of(other->role);
	if (!stat)
		return 0;
	end(stat, cfg, &other->received, bpf_ktime_get_ns(), other->role);
	other->sk = 0;
	place->sk = 0;
	return 0;
}
