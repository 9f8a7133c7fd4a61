// SPDX-License-Identifier: Apache-2.0
// One client's connection and its origin's: from the client's arrival to the last byte, half-closes and resets
// included.
#include <errno.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "relay.h"

#define SYN_RETRIES 2 // 7 s until an origin that does not answer is given up

static const int on = 1;

struct link *link_take(struct relay *relay)
{
	struct link *link;
	pthread_mutex_lock(&relay->lock);
	link = relay->spare;
	if (link)
		relay->spare = link->next;
	pthread_mutex_unlock(&relay->lock);
	return link;
}

void link_give_back(struct relay *relay, struct link *link)
{
	pthread_mutex_lock(&relay->lock);
	link->next = relay->spare;
	relay->spare = link;
	pthread_mutex_unlock(&relay->lock);
}

static void end_close(struct end *end)
{
	if (end->fd >= 0)
		close(end->fd); // epoll forgets it as well
	end->fd = -1;
	end->watched = false;
}

void link_close(struct link *link)
{
	struct worker *w = link->owner;
	if (link->closed)
		return;
	link->closed = true;
	for (int side = 0; side < SIDES; side++) {
		way_release(w, &link->ways[side]);
		end_close(&link->ends[side]);
	}
	atomic_fetch_sub_explicit(&w->tally->current, 1, memory_order_relaxed);
	link->next = w->closed;
	w->closed = link;
}

void link_reset(struct link *link)
{
	struct linger now = {.l_onoff = 1};
	if (link->closed)
		return;
	for (int side = 0; side < SIDES; side++)
		if (link->ends[side].fd >= 0)
			setsockopt(link->ends[side].fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	tally_add(&link->owner->tally->resets, 1);
	link_close(link);
}

static void link_fail(struct link *link)
{
	tally_add(&link->owner->tally->failures, 1);
	link_reset(link);
}

static bool watch(struct link *link, struct end *end, uint32_t interest)
{
	struct epoll_event event = {.events = interest, .data.ptr = end};
	int command = end->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (end->watched && interest == end->interest)
		return true;
	end->interest = interest;
	end->watched = true;
	return epoll_ctl(link->owner->epoll_fd, command, end->fd, &event) == 0;
}

static void unwatch(struct link *link, struct end *end)
{
	if (end->watched)
		epoll_ctl(link->owner->epoll_fd, EPOLL_CTL_DEL, end->fd, NULL);
	end->watched = false;
}

// The thread with the fewest connections; of equals the one that asks. A few connections are spread evenly.
static struct worker *least_busy(struct worker *w)
{
	struct relay *relay = w->relay;
	struct worker *best = w;
	uint64_t fewest = atomic_load_explicit(&w->tally->current, memory_order_relaxed);
	for (int i = 0; i < relay->options.threads; i++) {
		uint64_t current = atomic_load_explicit(&relay->workers[i].tally->current, memory_order_relaxed);
		if (current < fewest) {
			best = &relay->workers[i];
			fewest = current;
		}
	}
	return best;
}

// The new connection bears the client's address, and a port that the kernel chooses when it knows the destination.
static bool borrow_address(int fd, union address client)
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

static bool connect_origin(struct link *link, const union address *client)
{
	const struct options *options = &link->owner->relay->options;
	union address origin = options->origin;
	socklen_t size = sizeof origin;
	int retries = SYN_RETRIES, fd;
	if (!options->has_origin && getsockname(link->ends[CLIENT].fd, &origin.any, &size) != 0)
		return false;
	fd = socket(origin.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	link->ends[ORIGIN].fd = fd;
	if (fd < 0 || (options->transparent && !borrow_address(fd, *client)))
		return false;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries);
	return connect(fd, &origin.any, address_size(&origin)) == 0 || errno == EINPROGRESS;
}

void link_begin(struct worker *w, struct link *link, int client_fd, const union address *client)
{
	memset(link, 0, sizeof *link);
	link->owner = least_busy(w);
	link->connecting = true;
	link->ends[CLIENT] = (struct end){.link = link, .fd = client_fd};
	link->ends[ORIGIN] = (struct end){.link = link, .fd = -1};
	tally_add(&w->tally->accepted, 1);
	atomic_fetch_add_explicit(&link->owner->tally->current, 1, memory_order_relaxed);
	setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (!connect_origin(link, client)) {
		// Not yet watched, so still ours: it is counted and closed where it came in.
		atomic_fetch_sub_explicit(&link->owner->tally->current, 1, memory_order_relaxed);
		link->owner = w;
		atomic_fetch_add_explicit(&w->tally->current, 1, memory_order_relaxed);
		link_fail(link);
		return;
	}
	// From here on it is the owner's. Only the origin's end is watched before there is a connection: so there is
	// nothing left to do here that could meet the owner closing it.
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = &link->ends[ORIGIN]};
	link->ends[ORIGIN].watched = true;
	link->ends[ORIGIN].interest = EPOLLOUT;
	epoll_ctl(link->owner->epoll_fd, EPOLL_CTL_ADD, link->ends[ORIGIN].fd, &event);
}

static void connected(struct link *link)
{
	int error = 0;
	socklen_t size = sizeof error;
	if (getsockopt(link->ends[ORIGIN].fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error) {
		link_fail(link);
		return;
	}
	link->connecting = false;
	if (link->owner->relay->options.verdict_fd >= 0 && !kernel_join(link)) {
		link_fail(link);
		return;
	}
	link_settle(link);
}

// Whether a way that has ended may be passed on now.
static bool all_moved(struct link *link, int side)
{
	const struct way *way = &link->ways[side];
	if (!way->in_kernel)
		return !way->held;
	if (kernel_drained(link, side))
		return true;
	kernel_await(link);
	return false;
}

static bool pass_on_ends(struct link *link)
{
	for (int side = 0; side < SIDES; side++) {
		struct way *way = &link->ways[side];
		if (!way->ended || way->shut || !all_moved(link, side))
			continue;
		way->shut = true;
		if (shutdown(link->ends[!side].fd, SHUT_WR) != 0) {
			link_reset(link);
			return false;
		}
	}
	return true;
}

static uint32_t awaited(const struct link *link, int side)
{
	const struct way *from = &link->ways[side], *to = &link->ways[!side];
	uint32_t interest = 0;
	if (!from->ended && from->in_kernel)
		interest |= EPOLLRDHUP; // not EPOLLIN: what comes in is the program's, and would wake us for nothing
	else if (!from->ended && !from->held)
		interest |= EPOLLIN;
	if (to->held)
		interest |= EPOLLOUT;
	return interest;
}

void link_settle(struct link *link)
{
	if (link->closed || !pass_on_ends(link))
		return;
	if (link->ways[CLIENT].shut && link->ways[ORIGIN].shut) {
		link_close(link);
		return;
	}
	for (int side = 0; side < SIDES; side++) {
		uint32_t interest = awaited(link, side);
		if (!interest && link->ways[!side].shut) {
			// Both its directions may be shut: epoll would tell the hang-up again and again.
			unwatch(link, &link->ends[side]);
		} else if (!watch(link, &link->ends[side], interest)) {
			link_fail(link);
			return;
		}
	}
}

void link_event(struct link *link, struct end *end, uint32_t events)
{
	int side = end == &link->ends[ORIGIN];
	struct way *from = &link->ways[side], *to = &link->ways[!side];
	if (link->closed)
		return; // by an earlier event of this batch
	if (link->connecting) {
		connected(link);
		return;
	}
	// Reading would not show these: an error, or a hang-up though this end has not been told that all was said.
	uint32_t fatal = EPOLLERR | (to->shut ? 0 : EPOLLHUP);
	if ((events & fatal) && (from->ended || from->held || (from->in_kernel && (events & EPOLLERR)))) {
		link_reset(link);
		return;
	}
	if (from->in_kernel && (events & (EPOLLRDHUP | EPOLLHUP)))
		from->ended = true;
	else if (!from->in_kernel && !from->ended && !from->held && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
		 !way_move(link, side))
		return;
	if ((events & EPOLLOUT) && to->held && !way_move(link, !side))
		return;
	link_settle(link);
}
