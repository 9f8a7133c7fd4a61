// SPDX-License-Identifier: Apache-2.0
#include "origin.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define SYN_RETRIES 2 // the relay gives up an origin that does not answer after 7 s

static const int on = 1;

// Binds to the client's address. The kernel chooses the port later, when it knows the destination.
static bool bind_as_client(int fd, union address client)
{
	if (client.any.sa_family == AF_INET) {
		client.v4.sin_port = 0;
		if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) != 0)
			return false;
	} else {
		client.v6.sin6_port = 0;
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on) != 0)
			return false;
	}
	return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
	       bind(fd, &client.any, address_size(&client)) == 0;
}

static bool start_connecting(int fd, const union address *origin)
{
	int retries = SYN_RETRIES;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries);
	return connect(fd, &origin->any, address_size(origin)) == 0 || errno == EINPROGRESS;
}

int origin_connect(const struct relay_options *options, int client_fd, const union address *client)
{
	union address origin = options->origin;
	socklen_t size = sizeof origin;
	// TPROXY delivers the connection unchanged, so the client's socket is bound to the address of the origin.
	if (options->transparent && getsockname(client_fd, &origin.any, &size) != 0)
		return -1;
	int fd = socket(origin.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if ((options->transparent && !bind_as_client(fd, *client)) || !start_connecting(fd, &origin)) {
		close(fd);
		return -1;
	}
	return fd;
}
