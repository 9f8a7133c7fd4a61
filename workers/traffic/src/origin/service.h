// SPDX-License-Identifier: Apache-2.0
// A service of the origin is a row of functions. Each service_NAME.c defines one and registers it with SERVICE(); no
// other file lists or names the services.
#ifndef SHOWDOWN_SERVICE_H
#define SHOWDOWN_SERVICE_H

#include <stddef.h>
#include <stdint.h>

struct peer;
struct server;

struct service {
	const char *name; // of its option, and in the output
	const char *help;
	int socket_type; // SOCK_STREAM or SOCK_DGRAM
	// The listening socket, or that of datagrams, is readable.
	void (*accept)(struct server *s, struct peer *listener);
	// Of accepted connections; NULL with datagrams.
	void (*readable)(struct server *s, struct peer *p);
	void (*writable)(struct server *s, struct peer *p);
	// The peer's timer has expired (timers.h); NULL: the service sets none.
	void (*due)(struct server *s, struct peer *p, uint64_t now);
	// Frees what the service allocated for the peer; may be NULL.
	void (*close)(struct peer *p);
};

// The linker collects the pointers of all rows in one array.
#define SERVICE(row)                                                                                                   \
	static const struct service *const registered_##row __attribute__((used, section("services"))) = &(row)

#define SERVICES_MAX 8

// Returns NULL if there are fewer rows.
const struct service *service_at(size_t index);

#endif
