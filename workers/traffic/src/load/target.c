// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX 4096u // source ports tried per connect if some are in use: limits its time

bool netns_open(struct netns_place *place)
{
	place->home_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	place->current_fd = -1;
	return place->home_fd >= 0;
}

bool netns_enter(struct netns_place *place, int fd)
{
	if (place->current_fd == fd)
		return true;
	if (setns(fd < 0 ? place->home_fd : fd, CLONE_NEWNET) != 0)
		return false;
	place->current_fd = fd;
	return true;
}

// Binds to the cursor's source. Returns 0 or -errno.
static int bind_source(const struct target *target, int fd, uint64_t cursor)
{
	static const int on = 1;
	union address source;
	if (target->sources_count) {
		source = target->sources[target_source(target, cursor)];
		cursor /= (uint64_t)target->sources_count;
	} else {
		memset(&source, 0, sizeof source);
		source.any.sa_family = target->address.any.sa_family;
	}
	if (target->port_low) {
		uint64_t ports = (uint64_t)(target->port_high - target->port_low) + 1;
		address_set_port(&source, (uint16_t)(target->port_low + cursor % ports));
		// Connections to different targets may share a source port: connect() checks the whole 4-tuple.
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	} else {
		// connect() chooses the port, which must be unique for this peer only: 28k connections per target.
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	}
	return bind(fd, &source.any, address_size(&source)) == 0 ? 0 : -errno;
}

static int connect_once(const struct target *target, int type, uint64_t cursor)
{
	static const int on = 1;
	int fd = socket(target->address.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int failure = target->sources_count || target->port_low ? bind_source(target, fd, cursor) : 0;
	// Nagle's algorithm would delay the last segment of a longer request until the earlier ones are acknowledged.
	if (!failure && type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (!failure && connect(fd, &target->address.any, address_size(&target->address)) != 0 && errno != EINPROGRESS)
		failure = -errno;
	if (!failure)
		return fd;
	close(fd);
	return failure;
}

int target_connect(const struct target *target, int type, uint64_t *cursor, uint64_t stride)
{
	uint64_t sources = target->sources_count ? (uint64_t)target->sources_count : 1;
	uint64_t tuples = target->port_low ? sources * (uint64_t)(target->port_high - target->port_low + 1) : 1;
	uint64_t tries = (tuples + stride - 1) / stride;
	if (tries > TRIES_MAX)
		tries = TRIES_MAX;
	int fd;
	do {
		fd = connect_once(target, type, *cursor);
		*cursor += stride;
	} while ((fd == -EADDRINUSE || fd == -EADDRNOTAVAIL) && --tries);
	return fd;
}
