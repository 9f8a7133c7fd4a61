// SPDX-License-Identifier: Apache-2.0
// Receives and sends datagrams. Several of one flow may come as one buffer (UDP_GRO) and leave as one (UDP_SEGMENT).
#ifndef SHOWDOWN_DATAGRAM_H
#define SHOWDOWN_DATAGRAM_H

#include "address.h"

#define DATAGRAM_BYTES 65536u // more than any datagram, or any that were merged

struct datagram {
	uint8_t *data; // of DATAGRAM_BYTES
	size_t size;
	size_t segment_bytes; // of each datagram in `data`, but the last may be shorter; 0: there is one
	union address from;
	union address destination; // where the client sent it; AF_UNSPEC: the kernel does not say
};

// Makes a socket accept any destination and bind to any address. Needs CAP_NET_RAW.
bool datagram_make_transparent(int fd, int family);
// Makes a socket report where datagrams were sent to.
bool datagram_report_destinations(int fd, int family);
// Lets the kernel merge datagrams, where it can.
void datagram_merge(int fd);
// False: there is none (EAGAIN), or the socket has an error, which is cleared; see errno.
bool datagram_receive(int fd, struct datagram *datagram);
// Sends to the connected peer. False: the datagrams are lost; see errno.
bool datagram_send(int fd, const struct datagram *datagram);
// The same to where it came from, on an unconnected socket.
bool datagram_answer(int fd, const struct datagram *datagram);
uint64_t datagram_count(const struct datagram *datagram);

#endif
