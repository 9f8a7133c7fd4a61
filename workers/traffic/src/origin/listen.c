// SPDX-License-Identifier: Apache-2.0
#include "listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "datagram.h"

#define BACKLOG 4096

// Sets the options of a listening socket, binds it and listens.
static bool prepare_socket(int fd, int type, const union address *address)
{
	static const int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (address->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // accepted sockets inherit it
	else
		datagram_merge(fd);
	return bind(fd, &address->any, address_size(address)) == 0 && (type != SOCK_STREAM || listen(fd, BACKLOG) == 0);
}

static bool open_listener(struct server *s, const struct service *service, union address address, int *port)
{
	struct peer *p = &s->listeners[s->listeners_count];
	socklen_t size = sizeof address;
	address_set_port(&address, (uint16_t)*port);
	p->fd = socket(address.any.sa_family, service->socket_type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return false;
	s->listeners_count++;
	p->service = service;
	p->listening = true;
	p->timer_at = TIMER_NONE;
	if (!prepare_socket(p->fd, service->socket_type, &address) || getsockname(p->fd, &address.any, &size) != 0)
		return false;
	*port = address_port(&address);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, p->fd, &event) == 0;
}

bool server_open(struct server *s, struct origin_plan *plan, struct args *args)
{
	const struct service *service;
	s->plan = plan;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->scratch = malloc(SCRATCH_BYTES);
	s->listeners = calloc((size_t)plan->addresses_count * SERVICES_MAX, sizeof *s->listeners);
	if (s->epoll_fd < 0 || !s->scratch || !s->listeners)
		return args_refuse(args, "no memory or no descriptors");
	for (size_t i = 0; (service = service_at(i)); i++) {
		for (int j = 0; plan->ports[i] != PORT_NONE && j < plan->addresses_count; j++) {
			if (open_listener(s, service, plan->addresses[j], &plan->ports[i]))
				continue;
			char text[ADDRESS_TEXT_BYTES];
			address_text(&plan->addresses[j], text, sizeof text);
			return args_refuse(args, "cannot serve %s on %s, port %d: %s", service->name, text,
					   plan->ports[i], strerror(errno));
		}
	}
	return true;
}
