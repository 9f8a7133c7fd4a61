// SPDX-License-Identifier: Apache-2.0
// A workload is a row of functions: the only code that knows what its requests and answers look like. Each
// protocol_NAME.c defines one row and registers it with PROTOCOL(); no other file lists or names the workloads.
#ifndef SHOWDOWN_PROTOCOL_H
#define SHOWDOWN_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "options.h"
#include "stats.h"

struct conn;
struct load_options;
struct plan;
struct target_state;
struct worker;

struct protocol {
	const char *name;    // of --workload
	uint64_t body_bytes; // default of --body-bytes
	int socket_type;     // SOCK_STREAM or SOCK_DGRAM
	uint32_t events;     // registered with epoll once per socket, so that no request needs an epoll_ctl()
	bool per_request;    // each request has its own connection: none is opened before the first slice
	bool may_lose;	     // an answer that is outstanding at the end of the run counts as lost
	const char *alpn;    // what TLS is to negotiate (RFC 7301); NULL: nothing

	// Options of this workload alone; they are listed by --help and accepted with every workload.
	const struct option_row *options;
	size_t options_count;
	void *option_values;

	// Counts by name, which the last line reports for each target, its warm-up included; of target_state.named.
	const char *const *names;
	size_t names_count;

	// Once, before threads start: completes the plan (bodies, path). False after args_refuse().
	bool (*prepare)(struct load_options *options, struct args *args);
	// Once per thread and target: allocates the request's bytes. False: no memory.
	bool (*compose)(const struct plan *plan, struct target_state *target);
	// Sets the connection's own request, upload and expected body; NULL: all requests are the target's.
	void (*compose_one)(struct worker *w, struct conn *c);
	// Once per thread; may be NULL. False: no memory.
	bool (*init)(struct worker *w);

	// The socket exists. NULL: `event` notices when the connection is established.
	void (*opened)(struct worker *w, struct conn *c, uint64_t now);
	// Sends the request that conn_request() has set up, on an established connection.
	void (*request)(struct worker *w, struct conn *c, uint64_t now);
	// epoll reported events of the connection's socket.
	void (*event)(struct worker *w, struct conn *c, uint32_t events);
	// The connection's deadline has passed.
	void (*timeout)(struct worker *w, struct conn *c, uint64_t now);

	// Stream sockets only, called by tcp.c and answer.c. Bytes arrived for an active request:
	void (*received)(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now);
	// Whether the final answer may have this status; NULL: it must be 200.
	bool (*takes_status)(struct worker *w, struct conn *c, int status);
	// Bytes arrived without a request: whether they only announce that the peer closes. NULL: never.
	bool (*announces_close)(const char *data, size_t size);
	// The answer's body grew from `before` to c->body_done bytes; may be NULL.
	void (*body_grew)(struct worker *w, struct conn *c, uint64_t before, uint64_t now);
	// The answer is complete and counted: reuses or closes the connection.
	void (*answered)(struct worker *w, struct conn *c, uint64_t now);

	// Multiplexed protocols only, whose requests are carried by streams. The conns of a worker are its connections,
	// and behind them, in the same order, so many streams of each. NULL: a connection carries one request.
	uint32_t (*streams)(void);
	// The connection is established; its streams may be given requests.
	void (*established)(struct worker *w, struct conn *c, uint64_t now);
	// The connection will be closed: its streams' requests fail. Returns whether there were any.
	bool (*lost)(struct worker *w, struct conn *c, enum cause cause);
	// The socket takes bytes again, which the connection (`sending`) had left.
	void (*writable)(struct worker *w, struct conn *c, uint64_t now);
	// Sends what is left to be sent on the connections in w->unsent, before the thread sleeps.
	void (*flush)(struct worker *w);
};

// The linker collects the pointers of all rows in one array.
#define PROTOCOL(row)                                                                                                  \
	static const struct protocol *const registered_##row __attribute__((used, section("protocols"))) = &(row)

// A row by its position in the array, or by its name. NULL: there is no such row.
const struct protocol *protocol_at(size_t index);
const struct protocol *protocol_find(const char *name);

#endif
