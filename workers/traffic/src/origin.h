// SPDX-License-Identifier: Apache-2.0
// The server that answers in the lab: HTTP, a TCP echo and a UDP echo, one thread per CPU, nothing shared between them.
#ifndef SHOWDOWN_ORIGIN_H
#define SHOWDOWN_ORIGIN_H

#include <pthread.h>
#include <stdatomic.h>

#include "body.h"
#include "parser.h"
#include "plan.h"
#include "target.h"

#define ADDRESSES_MAX 8
#define SCRATCH_BYTES (256u * 1024)
#define OUT_BYTES 512u
#define HEAP_NONE UINT32_MAX

enum service { SERVE_HTTP, SERVE_TCP, SERVE_UDP, SERVICES };
extern const char *const service_names[SERVICES];

struct origin_plan {
	int addresses_count;
	union address addresses[ADDRESSES_MAX];
	bool serves[SERVICES];
	uint16_t ports[SERVICES];
	int cpus_count;
	int cpus[CPUS_MAX];
	char netns[256];
	uint64_t stall_ns, stall_every_ns; // frozen while monotonic time % stall_every < stall
	int clients_count;
	union address clients[ADDRESSES_MAX]; // the only ones that are served; none: everybody
};

enum peer_kind { PEER_LISTENER, PEER_DATAGRAMS, PEER_HTTP, PEER_ECHO };

struct peer {
	int fd;
	uint8_t kind, service;
	bool responding, uploading, streaming, chunked, echo, keep_alive, discarding;
	uint32_t interest; // what epoll is asked for
	union address address;
	uint64_t accepted; // by a listener
	// Request
	char in[HEAD_MAX];
	size_t in_used;
	uint64_t upload_left, upload_bytes;
	uint32_t upload_crc;
	struct chunks chunks;
	// Response: `out`, then `body` from body_done on; or tokens
	char out[OUT_BYTES];
	size_t out_size, out_done;
	struct body body;
	uint64_t body_done;
	uint64_t token, tokens, token_bytes, token_done, cadence_ns, due_ns;
	uint32_t heap_at;
	// What the echo could not send yet
	char *pending;
	size_t pending_size, pending_done;
	struct peer *next;  // free list, and the list of those to be freed after this batch of events
	struct peer *older; // of all that were ever made
};

struct served {
	uint64_t connections, requests, bytes_received, bytes_sent, datagrams, bad_requests, wrong_clients;
};

struct server {
	const struct origin_plan *plan;
	int index, epoll_fd;
	pthread_t thread;
	struct peer *listeners; // and datagram sockets: one per address and service
	int listeners_count;
	struct peer *spare, *closed, *newest;
	struct peer **heap; // of streams, by due_ns
	uint32_t heap_count, heap_room;
	uint8_t *scratch;
	struct served served;
	char failure[160];
};

extern _Atomic bool origin_stop, origin_asked;

// origin.c
void origin_tell_status(void);
bool origin_expects(struct server *s, const union address *client); // counts whoever else comes

// origin_loop.c
void *server_run(void *server);
void peer_want(struct server *s, struct peer *p, uint32_t events);
void peer_close(struct server *s, struct peer *p);
bool heap_push(struct server *s, struct peer *p);
void heap_remove(struct server *s, struct peer *p);

// origin_http.c
void http_readable(struct server *s, struct peer *p);
void http_writable(struct server *s, struct peer *p);
void http_tokens(struct server *s, struct peer *p, uint64_t now); // sends the tokens that are due

// origin_echo.c
void echo_readable(struct server *s, struct peer *p);
void echo_writable(struct server *s, struct peer *p);
void datagrams_readable(struct server *s, struct peer *p);

#endif
