/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets with payload on their way through a lab, tracked by the address of their sk_buff. */
#ifndef SHOWDOWN_PACKETS_H
#define SHOWDOWN_PACKETS_H

#include "payload.h"
#include "stage.h"

/* A tracked packet is kept in an array, at a slot of its address: the locks of a hash map would cost more than all the
 * rest. The backlog bounds the packets that are under way at once (net.core.netdev_max_backlog, 1,000 per CPU). Two
 * that share a slot cost one pair, which lowers the match rate. A packet that never ends keeps its slot until the next
 * one.
 */
struct packet {
	__u64 skb;
	struct start start;
	__u64 device;
};
#define PACKET_SLOTS 8192
/* The kernel's sk_buffs are 256 bytes apart. */
#define PACKET_SLOT(skb) (((skb) >> 8) & (PACKET_SLOTS - 1))
BPF_ARRAY(packets, struct packet, PACKET_SLOTS);

static __always_inline struct packet *packet_slot(__u64 skb)
{
	int slot = PACKET_SLOT(skb);

	return packets.lookup(&slot);
}

/* Whether the slot holds this packet. `packet->skb = 0` ends its tracking. */
static __always_inline int is_tracked(const struct packet *packet, __u64 skb)
{
	return packet->skb == skb;
}

/* Track a packet from now on if it carries payload; `device` is the index of a watched device. */
static __always_inline void track(struct packet *packet, struct stage *stat, const struct watch *cfg, __u64 skb,
				  int device, int where)
{
	if (!cfg->open || !has_payload(skb, where) || !begin(stat, cfg, &packet->start))
		return;
	packet->skb = skb;
	packet->device = device;
}

/* The slot for a packet whose tracking may begin, or NULL. A packet that the slot holds with the same address ended
 * unseen: this one must not pair with its start.
 */
static __always_inline struct packet *cleared_slot(__u64 skb)
{
	struct packet *packet = packet_slot(skb);

	if (packet && is_tracked(packet, skb))
		packet->skb = 0;
	return packet;
}

/* Track a packet, for one in TRACK_EVERY, from its netif_receive_skb: the packet itself names its device. */
static __always_inline void track_received(const struct watch *cfg, __u64 skb)
{
	struct packet *packet = cleared_slot(skb);
	struct stage *stat = stage_of(0);
	const void *dev = NULL;
	int device;

	if (!packet || !stat || !cfg->open || !should_track(stat))
		return;
	if (bpf_probe_read_kernel(&dev, sizeof(dev), (void *)skb + SK_BUFF_DEV))
		return;
	device = watched_device(cfg, dev);
	if (device >= 0)
		track(packet, stat, cfg, skb, device, RECEIVED);
}

/* End the tracking of this packet now, in the one role of a stage without sides. */
static __always_inline void end_packet(const struct watch *cfg, struct packet *packet)
{
	struct stage *stat = stage_of(0);

	if (!stat)
		return;
	end(stat, cfg, &packet->start, bpf_ktime_get_ns(), 0);
	packet->skb = 0;
}

#endif
