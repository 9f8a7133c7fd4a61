// SPDX-License-Identifier: Apache-2.0
// udp: echoes datagrams. What the kernel merged (UDP_GRO) goes back merged (UDP_SEGMENT).
#include <stdlib.h>

#include "datagram.h"
#include "peer.h"

#define DATAGRAMS_PER_EVENT 16 // before other sockets are served
#define BITMAP_BYTES (65536u / 8)

static size_t client_index(const struct origin_plan *plan, const union address *client)
{
	for (int i = 0; i < plan->clients_count; i++)
		if (address_same_host(client, &plan->clients[i]))
			return (size_t)i;
	return 0;
}

// Counts each sender once: an address and port of an expected client. Without memory nothing is counted.
static void count_sender(struct server *s, struct peer *p, const union address *sender)
{
	size_t clients = s->plan->clients_count ? (size_t)s->plan->clients_count : 1;
	if (!p->senders && !(p->senders = calloc(clients, BITMAP_BYTES)))
		return;
	uint16_t port = address_port(sender);
	uint8_t *byte = &p->senders[client_index(s->plan, sender) * BITMAP_BYTES + port / 8];
	uint8_t bit = (uint8_t)(1u << port % 8);
	if (!(*byte & bit))
		counter_add(&p->accepted, 1);
	*byte |= bit;
}

static void accept_datagrams(struct server *s, struct peer *p)
{
	struct datagram datagram = {.data = s->scratch};
	for (int i = 0; i < DATAGRAMS_PER_EVENT && datagram_receive(p->fd, &datagram); i++) {
		if (!peer_expected(s, &datagram.from))
			continue;
		count_sender(s, p, &datagram.from);
		s->served.datagrams += datagram_count(&datagram);
		s->served.bytes_received += datagram.size;
		// If the send buffer is full the datagram is lost, as on a network.
		if (datagram_answer(p->fd, &datagram))
			s->served.bytes_sent += datagram.size;
	}
}

static const struct service udp_echo = {
	.name = "udp",
	.help = "port of the UDP echo; 0: any free one",
	.socket_type = SOCK_DGRAM,
	.accept = accept_datagrams,
};
SERVICE(udp_echo);
