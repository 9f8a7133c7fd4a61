// SPDX-License-Identifier: Apache-2.0
// A relay for TCP: each client's connection is paired with one to its origin. Bytes go through a pipe by splice(2), or,
// where it is given socket maps, through an eBPF verdict program, and then the relay only opens and closes.
#ifndef SHOWDOWN_RELAY_H
#define SHOWDOWN_RELAY_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "page.h"

#define THREADS_MAX 256

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct options {
	union address listen, origin;
	bool has_origin;  // else whom the client asked for
	bool transparent; // keeps the client's address, and serves any destination
	int threads, backlog;
	uint32_t connections;
	int targets_fd, verdict_fd; // socket maps, or -1; see kernel.c
	const char *page;
};

// The side of a connection. A way leads from the end of the same number to the other end.
enum { CLIENT, ORIGIN, SIDES };

struct pipe {
	int read_fd, write_fd;
	struct pipe *next;
};

struct end {
	struct link *link;
	int fd;
	uint32_t interest; // what epoll is asked for
	bool watched;	   // whether epoll knows it
};

struct way {
	struct pipe *pipe; // only while it holds bytes
	size_t held;
	bool in_kernel;	  // the verdict program moves the bytes
	bool ended;	  // the source sends no more
	bool shut;	  // and the destination has been told
	uint64_t written; // by the kernel, as last seen after the end
};

struct link {
	struct end ends[SIDES];
	struct way ways[SIDES];
	struct worker *owner; // the only thread that touches it once it is being watched
	bool connecting, closed;
	bool draining; // waits for the kernel to finish a way that has ended
	uint64_t due_ns, pause_ns, progress_ns;
	struct link *next;	   // spare, or closed in this batch of events
	struct link *next_drained; // of the owner's draining ones
};

struct worker {
	struct relay *relay;
	struct tally *tally;
	pthread_t thread;
	int index, epoll_fd;
	bool accepting;
	uint64_t accept_again_ns;
	struct pipe *pipes;
	struct link *closed, *draining;
};

struct relay {
	struct options options;
	struct page *page;
	struct worker *workers;
	int listen_fd, stop_fd;
	pthread_mutex_t lock; // of the spare links
	struct link *links, *spare;
	_Atomic bool told_limit;
};

// loop.c
bool worker_open(struct worker *w, struct relay *relay, int index);
void *worker_run(void *worker);
void worker_close(struct worker *w);

// link.c
struct link *link_take(struct relay *relay);
void link_give_back(struct relay *relay, struct link *link);
void link_begin(struct worker *w, struct link *link, int client_fd, const union address *client);
void link_event(struct link *link, struct end *end, uint32_t events);
void link_settle(struct link *link); // passes on what has ended, and asks epoll for what is awaited
void link_close(struct link *link);
void link_reset(struct link *link);

// pipes.c
bool way_move(struct link *link, int side); // false: the link has been reset
void way_release(struct worker *w, struct way *way);
void pipes_free(struct worker *w);

// kernel.c
bool kernel_join(struct link *link); // false: with errno, and nothing joined
bool kernel_drained(struct link *link, int side);
void kernel_await(struct link *link);
uint64_t kernel_settle(struct worker *w, uint64_t now); // returns when to look again, or NEVER

// privilege.c
bool privileges_drop(const struct options *options);

socklen_t address_size(const union address *address);

#endif
