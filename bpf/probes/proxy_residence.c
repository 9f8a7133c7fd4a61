// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* proxy_residence: from the recv that took data off one of the proxy's sockets to the send that passes it on by
 * another. Both have the data in the same place of the proxy's memory, and nothing else can be there meanwhile: so
 * they are paired by that address, however many connections an event loop serves in one round.
 */
#include "buffers.h"

#define IPV4 2 /* AF_INET */
#define PEEK 2 /* MSG_PEEK */

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

/* Many times the connections that a level has, so that two rarely share a slot; where they do one pair is lost. */
#define SLOT_BITS 15
#define SLOTS (1 << SLOT_BITS)
/* Fibonacci hashing: addresses differ in some middle bits only. */
#define SLOT(key) (((key)*0x9e3779b97f4a7c15ULL) >> (64 - SLOT_BITS))

/* A socket's data that was received and is not sent on yet. */
struct unsent {
	u64 sock;
	u64 buffer;
	u64 role;
	struct start received;
};
BPF_ARRAY(unsent, struct unsent, SLOTS);

/* Whose data was put last to an address of a process. */
struct place {
	u64 buffer;
	u64 process;
	u64 sock;
};
BPF_ARRAY(places, struct place, SLOTS);

/* TCP of the DUT's namespace: a proxy talks to its master by other sockets, too. */
static inline int is_proxys(struct watch *watching, u64 sock)
{
	u16 family = 0;

	if (bpf_probe_read_kernel(&family, sizeof(family), (void *)sock + SOCK_FAMILY) || family != IPV4)
		return 0;
	return side_of(watching, (void *)sock) == DUT_SIDE;
}

RAW_TRACEPOINT_PROBE(sock_recv_length)
{
	u64 sock = ctx->args[0], buffer, process;
	struct watch *watching;
	struct stage *measured;
	struct unsent *mine;
	struct place *place;
	u32 ingress = 0;
	int zero = 0, slot, role;

	if ((int)ctx->args[1] <= 0 || ctx->args[2] & PEEK)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->open || !is_proxys(watching, sock))
		return 0;
	/* The side that the data came in by: the device of the socket's packets. Until one has met the socket while no
	 * call held it the kernel knows none (tcp_add_backlog drops the route); but a socket that was accepted knows by
	 * which device it was asked for (mc_index, tcp_v4_syn_recv_sock), and one that was not is the proxy's own.
	 */
	if (bpf_probe_read_kernel(&ingress, sizeof(ingress), (void *)sock + SOCK_RX_IFINDEX))
		return 0;
	if (!ingress && bpf_probe_read_kernel(&ingress, sizeof(ingress), (void *)sock + SOCK_ACCEPTED_IFINDEX))
		return 0;
	if (ingress == watching->device[0].ifindex)
		role = TO_ORIGIN;
	else if (ingress == watching->device[1].ifindex || !ingress)
		role = TO_CLIENT;
	else
		return 0;
	buffer = user_buffer();
	if (!buffer)
		return 0;

	slot = SLOT(sock);
	mine = unsent.lookup(&slot);
	if (!mine)
		return 0;
	/* More of the same, put behind what waits to be sent already: the oldest counts. */
	if (mine->sock == sock && mine->received.generation == watching->generation && mine->buffer < buffer &&
	    bpf_ktime_get_ns() - mine->received.time_ns < MAX_AGE_NS)
		return 0;
	process = bpf_get_current_pid_tgid() >> 32;
	slot = SLOT(buffer ^ process << 48);
	place = places.lookup(&slot);
	measured = stage.lookup(&role);
	if (!place || !measured || !begin(measured, watching, &mine->received))
		return 0;
	mine->sock = sock;
	mine->buffer = buffer;
	mine->role = role;
	place->buffer = buffer;
	place->process = process;
	place->sock = sock;
	return 0;
}

RAW_TRACEPOINT_PROBE(sock_send_length)
{
	u64 sock = ctx->args[0], buffer, process, now;
	struct watch *watching;
	struct stage *measured;
	struct unsent *other;
	struct place *place;
	struct sample sample = {};
	int zero = 0, slot;

	if ((int)ctx->args[1] <= 0)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !is_proxys(watching, sock))
		return 0;
	buffer = user_buffer();
	process = bpf_get_current_pid_tgid() >> 32;
	slot = SLOT(buffer ^ process << 48);
	place = places.lookup(&slot);
	if (!buffer || !place || place->buffer != buffer || place->process != process)
		return 0;
	/* Nobody's any more; or sent back where it came from, which is not passing it on. */
	if (!place->sock || place->sock == sock)
		return 0;
	slot = SLOT(place->sock);
	other = unsent.lookup(&slot);
	if (!other || other->sock != place->sock || other->buffer != buffer)
		return 0;
	slot = other->role;
	measured = stage.lookup(&slot);
	if (!measured)
		return 0;

	now = bpf_ktime_get_ns();
	if (record(measured, watching, &other->received, now)) {
		sample.time_ns = now;
		sample.value_ns = now - other->received.time_ns;
		sample.role = other->role;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}
	other->sock = 0;
	place->sock = 0;
	return 0;
}
