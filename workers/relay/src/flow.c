// SPDX-License-Identifier: Apache-2.0
#include "flow.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "datagram.h"
#include "relay.h"

#define DATAGRAMS_PER_EVENT 32u // before other sockets are served
#define LOOKS_PER_IDLE 4u	// so a flow ends at most a quarter of the time late

static const int on = 1;

// A socket between `own` and `peer`: datagrams from others do not reach it once it is connected. Returns -1 on failure.
static int open_socket(const union address *own, const union address *peer, bool transparent)
{
	int family = peer->any.sa_family;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	datagram_merge(fd);
	// Several flows share the address of a destination, or of a client.
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    (!transparent || datagram_make_transparent(fd, family)) &&
	    (!own || bind(fd, &own->any, address_size(own)) == 0) && connect(fd, &peer->any, address_size(peer)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool watch(struct worker *w, struct flow_side *side)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
	return side->fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, side->fd, &event) == 0;
}

static void close_sockets(struct flow *flow)
{
	for (int i = 0; i < SIDES; i++)
		if (flow->sides[i].fd >= 0)
			close(flow->sides[i].fd); // this also removes it from epoll
}

static struct flow *flow_open(struct worker *w, const union address *client, const union address *destination)
{
	const struct relay_options *o = &w->relay->options;
	struct flow *flow = flow_table_add(&w->relay->flows, client, destination);
	if (!flow) {
		counter_add(&w->counters->held_back, 1);
		return NULL;
	}
	const union address *origin = o->transparent ? destination : &o->origin;
	flow->sides[CLIENT] = (struct flow_side){flow, open_socket(destination, client, o->transparent)};
	flow->sides[ORIGIN] =
		(struct flow_side){flow, open_socket(o->transparent ? client : NULL, origin, o->transparent)};
	if (!watch(w, &flow->sides[CLIENT]) || !watch(w, &flow->sides[ORIGIN])) {
		close_sockets(flow);
		flow_table_remove(&w->relay->flows, flow);
		counter_add(&w->counters->failures, 1);
		return NULL;
	}
	flow->next_own = w->flows;
	w->flows = flow;
	counter_add(&w->counters->accepted, 1);
	counter_add(&w->counters->current, 1);
	return flow;
}

static void pass_on(struct worker *w, struct flow *flow, const struct datagram *datagram, int to)
{
	struct counters *counters = w->counters;
	uint64_t count = datagram_count(datagram);
	atomic_store_explicit(&flow->last_ns, w->now_ns, memory_order_relaxed);
	if (!datagram_send(flow->sides[to].fd, datagram)) {
		counter_add(&counters->lost_datagrams, count);
		return;
	}
	counter_add(to == ORIGIN ? &counters->datagrams_to_origin : &counters->datagrams_to_client, count);
	counter_add(to == ORIGIN ? &counters->bytes_to_origin : &counters->bytes_to_client, datagram->size);
}

// The lock is held while a datagram is sent: otherwise the flow's owner might close it meanwhile.
static void accept_one(struct worker *w, const struct datagram *datagram)
{
	struct flow_table *table = &w->relay->flows;
	pthread_mutex_lock(&table->lock);
	struct flow *flow = flow_table_find(table, &datagram->from, &datagram->destination);
	if (!flow)
		flow = flow_open(w, &datagram->from, &datagram->destination);
	if (flow)
		pass_on(w, flow, datagram, ORIGIN);
	pthread_mutex_unlock(&table->lock);
}

void flows_accept(struct worker *w)
{
	struct datagram datagram = {.data = w->buffer};
	for (unsigned i = 0; i < DATAGRAMS_PER_EVENT && datagram_receive(w->relay->listen_fd, &datagram); i++) {
		if (datagram.destination.any.sa_family == AF_UNSPEC)
			counter_add(&w->counters->failures, 1);
		else
			accept_one(w, &datagram);
	}
}

void flow_event(struct worker *w, struct flow_side *side)
{
	struct flow *flow = side->flow;
	int from = side == &flow->sides[CLIENT] ? CLIENT : ORIGIN;
	struct datagram datagram = {.data = w->buffer};
	for (unsigned i = 0; i < DATAGRAMS_PER_EVENT; i++) {
		if (!datagram_receive(side->fd, &datagram))
			return; // there is none, or the peer refused an earlier one by ICMP
		// Between bind() and connect() the kernel may have queued datagrams of other clients here.
		if (from == CLIENT && !address_same(&datagram.from, &flow->client))
			accept_one(w, &(struct datagram){datagram.data, datagram.size, datagram.segment_bytes,
							 datagram.from, flow->destination});
		else
			pass_on(w, flow, &datagram, from == CLIENT ? ORIGIN : CLIENT);
	}
}

static void end(struct worker *w, struct flow *flow)
{
	struct flow_table *table = &w->relay->flows;
	pthread_mutex_lock(&table->lock);
	close_sockets(flow);
	flow_table_remove(table, flow);
	pthread_mutex_unlock(&table->lock);
	atomic_fetch_sub_explicit(&w->counters->current, 1, memory_order_relaxed);
}

uint64_t flows_expire(struct worker *w, uint64_t now)
{
	uint64_t idle_ns = w->relay->options.idle_ns;
	if (!w->flows)
		return NEVER;
	if (now < w->expire_ns)
		return w->expire_ns;
	for (struct flow **at = &w->flows; *at;) {
		struct flow *flow = *at;
		uint64_t last_ns = atomic_load_explicit(&flow->last_ns, memory_order_relaxed);
		if (last_ns + idle_ns > now) {
			at = &flow->next_own;
			continue;
		}
		*at = flow->next_own;
		end(w, flow);
	}
	return w->expire_ns = now + idle_ns / LOOKS_PER_IDLE;
}

void flows_close(struct worker *w)
{
	while (w->flows) {
		struct flow *flow = w->flows;
		w->flows = flow->next_own;
		end(w, flow);
	}
}
