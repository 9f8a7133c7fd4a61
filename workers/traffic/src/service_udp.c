// SPDX-License-Identifier: Apache-2.0
// udp: echoes datagrams.
#include "peer.h"

#define DATAGRAMS_PER_EVENT 16 // before other sockets are served

static void accept_datagrams(struct server *s, struct peer *p)
{
	for (int i = 0; i < DATAGRAMS_PER_EVENT; i++) {
		union address from;
		socklen_t size = sizeof from;
		ssize_t got = recvfrom(p->fd, s->scratch, SCRATCH_BYTES, 0, &from.any, &size);
		if (got < 0)
			return;
		if (!peer_expected(s, &from))
			continue;
		s->served.datagrams++;
		s->served.bytes_received += (uint64_t)got;
		// If the send buffer is full the datagram is lost, as on a network.
		ssize_t sent = sendto(p->fd, s->scratch, (size_t)got, MSG_NOSIGNAL, &from.any, size);
		if (sent > 0)
			s->served.bytes_sent += (uint64_t)sent;
	}
}

static const struct service udp_echo = {
	.name = "udp",
	.help = "port of the UDP echo; 0: any free one",
	.socket_type = SOCK_DGRAM,
	.accept = accept_datagrams,
};
SERVICE(udp_echo);
