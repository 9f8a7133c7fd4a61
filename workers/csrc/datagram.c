// SPDX-License-Identifier: Apache-2.0
#include "datagram.h"

#include <errno.h>
#include <linux/udp.h>
#include <string.h>

#ifndef SOL_UDP
#define SOL_UDP 17
#endif

#define CONTROL_BYTES 128 // room for both control messages that may come

static const int on = 1;

bool datagram_make_transparent(int fd, int family)
{
	return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) == 0
				 : setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on) == 0;
}

bool datagram_report_destinations(int fd, int family)
{
	return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof on) == 0
				 : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &on, sizeof on) == 0;
}

void datagram_merge(int fd)
{
	setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on); // before Linux 5.0 there is no such option
}

static void read_control(struct msghdr *message, struct datagram *datagram)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		int segment_bytes;
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment_bytes, CMSG_DATA(c), sizeof segment_bytes);
			datagram->segment_bytes = segment_bytes > 0 ? (size_t)segment_bytes : 0;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_ORIGDSTADDR) {
			memcpy(&datagram->destination.v4, CMSG_DATA(c), sizeof datagram->destination.v4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR) {
			memcpy(&datagram->destination.v6, CMSG_DATA(c), sizeof datagram->destination.v6);
		}
	}
}

bool datagram_receive(int fd, struct datagram *datagram)
{
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES];
	struct iovec data = {datagram->data, DATAGRAM_BYTES};
	struct msghdr message = {.msg_name = &datagram->from,
				 .msg_namelen = sizeof datagram->from,
				 .msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof control};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
	if (got < 0)
		return false;
	datagram->size = (size_t)got;
	datagram->segment_bytes = 0;
	datagram->destination.any.sa_family = AF_UNSPEC;
	read_control(&message, datagram);
	return true;
}

static ssize_t send_to(int fd, const struct datagram *datagram, const union address *peer)
{
	union {
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr header;
	} control;
	struct iovec data = {datagram->data, datagram->size};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
	if (peer) {
		message.msg_name = (void *)peer;
		message.msg_namelen = address_size(peer);
	}
	if (datagram_count(datagram) > 1) {
		uint16_t segment_bytes = (uint16_t)datagram->segment_bytes;
		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof segment_bytes);
		memcpy(CMSG_DATA(c), &segment_bytes, sizeof segment_bytes);
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool datagram_send(int fd, const struct datagram *datagram)
{
	if (send_to(fd, datagram, NULL) >= 0)
		return true;
	// An ICMP error of an earlier datagram: it is reported once, and this one was not sent.
	return errno == ECONNREFUSED && send_to(fd, datagram, NULL) >= 0;
}

bool datagram_answer(int fd, const struct datagram *datagram)
{
	return send_to(fd, datagram, &datagram->from) >= 0;
}

uint64_t datagram_count(const struct datagram *datagram)
{
	size_t segment_bytes = datagram->segment_bytes;
	return segment_bytes && datagram->size > segment_bytes ? (datagram->size + segment_bytes - 1) / segment_bytes
							       : 1;
}
