/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Both programs of a datapath that forwards at tc ingress. The source that includes it defines forward() before:
 * it passes a packet on to a neighbour, or returns TC_ACT_SHOT.
 */
#ifndef SHOWDOWN_FORWARD_TC_H
#define SHOWDOWN_FORWARD_TC_H

#include "forward.h"

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;
	ip_header *ip;
	int action;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg)
		return TC_ACT_OK;
	if (read_segment(skb, &segment)) {
		if (!is_from_client(cfg, segment.ip, segment.tcp->dest))
			return TC_ACT_OK;
		if (is_syn(segment.tcp))
			count(CONNECTIONS, 1);
		ip = segment.ip;
	} else if (read_datagram(skb, &datagram) && is_from_client(cfg, datagram.ip, datagram.udp->dest)) {
		ip = datagram.ip;
	} else {
		return TC_ACT_OK;
	}
	action = forward(ip, &cfg->to_origin);
	if (action != TC_ACT_SHOT)
		count(PACKETS, 1);
	return action;
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;

	if (!cfg)
		return TC_ACT_OK;
	if (read_segment(skb, &segment)) {
		if (!is_from_origin(cfg, segment.ip, segment.tcp->source))
			return TC_ACT_OK;
		count(BYTES, payload_bytes(skb, &segment));
		return forward(segment.ip, &cfg->to_client);
	}
	if (!read_datagram(skb, &datagram) || !is_from_origin(cfg, datagram.ip, datagram.udp->source))
		return TC_ACT_OK;
	count(BYTES, datagram_bytes(skb));
	return forward(datagram.ip, &cfg->to_client);
}

#endif
