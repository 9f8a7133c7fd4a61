// SPDX-License-Identifier: Apache-2.0
// The state of the origin, which answers in the lab. Each of its threads runs on one CPU and shares nothing with the
// others.
#ifndef SHOWDOWN_ORIGIN_STATE_H
#define SHOWDOWN_ORIGIN_STATE_H

#include <pthread.h>
#include <stdbool.h>

#include "address.h"
#include "body.h"
#include "hist.h"
#include "llm_model.h"
#include "parser.h"
#include "service.h"

#define ADDRESSES_MAX 128
#define CLIENTS_MAX 128
#define ORIGIN_CPUS_MAX 64
#define SCRATCH_BYTES (256u * 1024)
#define OUT_BYTES 512u
#define TIMER_NONE UINT32_MAX
#define PORT_NONE (-1)

struct origin_plan {
	int addresses_count;
	union address addresses[ADDRESSES_MAX];
	int ports[SERVICES_MAX]; // per service; PORT_NONE: it is not served; 0: any free port
	int cpus_count;
	int cpus[ORIGIN_CPUS_MAX];
	const char *netns;
	uint64_t service_ns;		   // each HTTP request occupies its thread for so long
	uint64_t delay_ns;		   // each HTTP request is answered so long after it was read
	uint64_t stall_ns, stall_every_ns; // frozen while monotonic time % stall_every < stall
	int clients_count;
	union address clients[CLIENTS_MAX]; // only these are served; none: everyone is
};

struct peer {
	int fd;
	const struct service *service;
	bool listening; // accepts connections or receives datagrams
	bool responding, uploading, streaming, chunked, echo, keep_alive, discarding;
	bool llm;			 // llm_origin.c
	void (*respond)(struct peer *p); // sets the response when the timer expires; NULL: it is set
	uint32_t interest;		 // the events that epoll reports
	union address address;
	uint64_t accepted; // by a listener; of datagrams: senders
	// HTTP: the request
	char in[HEAD_MAX];
	size_t in_used;
	uint64_t upload_left, upload_bytes;
	uint32_t upload_crc;
	struct chunks chunks;
	// HTTP: the response is `out`, then `body` from body_done on; or tokens
	char out[OUT_BYTES];
	size_t out_size, out_done;
	struct body body;
	uint64_t body_done;
	uint64_t asked_bytes; // of /bytes/N
	uint64_t token, tokens, token_bytes, token_done, cadence_ns;
	uint64_t plan_ns; // when the next token is planned
	struct llm_model llm_model;
	struct completion completion;
	uint32_t llm_asked; // the model that the request's head names
	uint32_t upstream;  // the place of the address that the client connected to, in the list of addresses
	uint8_t *senders;   // UDP: a bitmap of the ports that have sent, for each expected client
	// TCP echo: what the socket has not taken yet
	char *pending;
	size_t pending_size, pending_done;
	uint64_t due_ns; // when its timer expires
	uint32_t timer_at;
	struct peer *next;  // spare, or closed in this batch of events
	struct peer *older; // of all that were ever allocated
};

#define SERVED_COUNTERS(X)                                                                                             \
	X(connections)                                                                                                 \
	X(requests)                                                                                                    \
	X(datagrams)                                                                                                   \
	X(bad_requests)                                                                                                \
	X(wrong_clients) /* connections and datagrams of clients that are not expected */                              \
	X(checks)	 /* connections to the port for health checks */                                               \
	X(bytes_received)                                                                                              \
	X(bytes_sent)

// Requests by name: the model that their head names, or that they failed as the model of completions says.
enum { NAMED_FAILED = LLM_MODELS, NAMED };

struct served {
#define SERVED_FIELD(name) uint64_t name;
	SERVED_COUNTERS(SERVED_FIELD)
#undef SERVED_FIELD
};

struct server {
	const struct origin_plan *plan;
	int index, epoll_fd;
	pthread_t thread;
	struct peer *listeners; // one per service and address, in this order
	int listeners_count;
	struct peer *spare, *closed;
	struct peer *newest;  // keeps open peers reachable, which only epoll refers to, for the leak checker
	struct peer **timers; // a binary heap by due_ns
	uint32_t timers_count, timers_room;
	uint8_t *scratch;	    // SCRATCH_BYTES
	uint64_t occupied_until_ns; // with --service-us
	struct served served;
	uint64_t named[NAMED];
};

#endif
