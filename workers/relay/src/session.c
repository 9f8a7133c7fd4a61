// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "kernel.h"
#include "origin.h"

#define FIRST_PAUSE_NS (20 * NS_PER_US)
#define LAST_PAUSE_NS (10 * NS_PER_MS)
#define STUCK_NS (60 * NS_PER_S) // no byte written for this long after the source ended: the rest is lost

void session_close(struct session *session)
{
	struct worker *w = session->owner;
	if (!session->open)
		return;
	session->open = false;
	for (int i = 0; i < SIDES; i++) {
		pipes_release(&w->pipes, &session->directions[i]);
		if (session->sides[i].fd >= 0)
			close(session->sides[i].fd); // this also removes it from epoll
	}
	atomic_fetch_sub_explicit(&w->counters->current, 1, memory_order_relaxed);
	session->next = w->closed;
	w->closed = session;
}

static void reset(struct session *session)
{
	struct linger now = {.l_onoff = 1};
	for (int i = 0; i < SIDES; i++)
		if (session->sides[i].fd >= 0)
			setsockopt(session->sides[i].fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	counter_add(&session->owner->counters->resets, 1);
	session_close(session);
}

static void conclude(struct session *session, enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_CONTINUE:
		break;
	case OUTCOME_DONE:
		session_close(session);
		break;
	case OUTCOME_FAILED:
		counter_add(&session->owner->counters->failures, 1);
		reset(session);
		break;
	case OUTCOME_RESET:
		reset(session);
		break;
	}
}

static enum outcome watch(struct side *side, uint32_t interest)
{
	struct epoll_event event = {.events = interest, .data.ptr = side};
	int command = side->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (side->watched && interest == side->interest)
		return OUTCOME_CONTINUE;
	side->interest = interest;
	side->watched = true;
	return epoll_ctl(side->session->owner->epoll_fd, command, side->fd, &event) == 0 ? OUTCOME_CONTINUE
											 : OUTCOME_FAILED;
}

static void unwatch(struct side *side)
{
	if (side->watched)
		epoll_ctl(side->session->owner->epoll_fd, EPOLL_CTL_DEL, side->fd, NULL);
	side->watched = false;
}

// Returns the worker with the fewest sessions, preferring `w`, so that a few connections spread evenly.
static struct worker *least_busy(struct worker *w)
{
	struct relay *relay = w->relay;
	struct worker *best = w;
	uint64_t fewest = atomic_load_explicit(&w->counters->current, memory_order_relaxed);
	for (int i = 0; i < relay->options.threads; i++) {
		uint64_t current = atomic_load_explicit(&relay->workers[i].counters->current, memory_order_relaxed);
		if (current < fewest) {
			best = &relay->workers[i];
			fewest = current;
		}
	}
	return best;
}

static void set_owner(struct session *session, struct worker *w)
{
	if (session->owner)
		atomic_fetch_sub_explicit(&session->owner->counters->current, 1, memory_order_relaxed);
	session->owner = w;
	atomic_fetch_add_explicit(&w->counters->current, 1, memory_order_relaxed);
}

void session_open(struct worker *w, struct session *session, int client_fd, const union address *client)
{
	const int on = 1;
	*session = (struct session){.open = true, .connecting = true};
	session->sides[CLIENT] = (struct side){.session = session, .fd = client_fd};
	session->sides[ORIGIN] = (struct side){.session = session, .fd = -1};
	set_owner(session, least_busy(w));
	counter_add(&w->counters->accepted, 1);
	setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	int fd = session->sides[ORIGIN].fd = origin_connect(&w->relay->options, client_fd, client);
	// Until the connection is established, epoll watches the origin's side only. If watch() succeeds, the owner may
	// close the session at any moment, so this thread must not touch it again.
	if (fd >= 0 && watch(&session->sides[ORIGIN], EPOLLOUT) == OUTCOME_CONTINUE)
		return;
	// epoll does not know the session, so it still belongs to this thread.
	set_owner(session, w);
	conclude(session, OUTCOME_FAILED);
}

static enum outcome join_kernel(struct session *session)
{
	enum outcome outcome = OUTCOME_CONTINUE;
	for (int i = 0; i < SIDES && outcome == OUTCOME_CONTINUE; i++) {
		struct direction *direction = &session->directions[i];
		outcome = kernel_join(&session->owner->relay->options.maps, direction, session->sides[i].fd,
				      session->sides[!i].fd);
		if (direction->in_kernel)
			counter_add(&session->owner->counters->kernel_directions, 1);
	}
	for (int i = 0; i < SIDES && outcome == OUTCOME_CONTINUE; i++)
		if (session->directions[i].in_kernel)
			kernel_announce(session->sides[i].fd);
	return outcome;
}

static enum outcome finish_connect(struct session *session)
{
	int error = 0;
	socklen_t size = sizeof error;
	if (getsockopt(session->sides[ORIGIN].fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		return OUTCOME_FAILED;
	// An origin that accepts and resets before this thread looks is no failure of the relay.
	if (error)
		return error == ECONNRESET || error == EPIPE ? OUTCOME_RESET : OUTCOME_FAILED;
	session->connecting = false;
	return session->owner->relay->options.maps.verdict_fd >= 0 ? join_kernel(session) : OUTCOME_CONTINUE;
}

static void await_kernel(struct session *session)
{
	uint64_t now = now_ns();
	if (!session->draining) {
		session->draining = true;
		session->pause_ns = FIRST_PAUSE_NS;
		session->progress_ns = now;
		session->next_draining = session->owner->draining;
		session->owner->draining = session;
	} else if (session->pause_ns < LAST_PAUSE_NS) {
		session->pause_ns *= 2;
	}
	session->due_ns = now + session->pause_ns;
}

// Whether the target has all bytes of an ended direction, so that the end may be passed on.
static bool all_moved(struct session *session, int from)
{
	struct direction *direction = &session->directions[from];
	uint64_t written = direction->written;
	if (!direction->in_kernel)
		return !direction->held;
	if (kernel_drained(direction, session->sides[from].fd, session->sides[!from].fd))
		return true;
	await_kernel(session);
	if (direction->written > written)
		session->progress_ns = now_ns();
	return false;
}

static bool ended_but_not_shut(const struct direction *direction)
{
	return direction->ended && !direction->shut;
}

static enum outcome pass_on_ends(struct session *session)
{
	for (int i = 0; i < SIDES; i++) {
		struct direction *direction = &session->directions[i];
		if (!ended_but_not_shut(direction) || !all_moved(session, i))
			continue;
		direction->shut = true;
		if (shutdown(session->sides[!i].fd, SHUT_WR) != 0)
			return OUTCOME_RESET;
	}
	return session->directions[CLIENT].shut && session->directions[ORIGIN].shut ? OUTCOME_DONE : OUTCOME_CONTINUE;
}

static uint32_t needed_events(const struct direction *from, const struct direction *to)
{
	uint32_t events = 0;
	if (!from->ended && from->in_kernel)
		events |= EPOLLRDHUP; // not EPOLLIN: the program takes the data, and the relay would wake for nothing
	else if (!from->ended && !from->held)
		events |= EPOLLIN;
	if (to->held)
		events |= EPOLLOUT;
	return events;
}

static enum outcome watch_sides(struct session *session)
{
	enum outcome outcome = OUTCOME_CONTINUE;
	for (int i = 0; i < SIDES && outcome == OUTCOME_CONTINUE; i++) {
		uint32_t events = needed_events(&session->directions[i], &session->directions[!i]);
		if (!events && session->directions[!i].shut)
			unwatch(&session->sides[i]); // epoll would report the hang-up of a closed socket forever
		else
			outcome = watch(&session->sides[i], events);
	}
	return outcome;
}

static void advance(struct session *session, enum outcome outcome)
{
	if (outcome == OUTCOME_CONTINUE)
		outcome = pass_on_ends(session);
	if (outcome == OUTCOME_CONTINUE)
		outcome = watch_sides(session);
	conclude(session, outcome);
}

static enum outcome move(struct session *session, int from)
{
	struct counters *counters = session->owner->counters;
	return pipes_move(&session->owner->pipes, &session->directions[from], session->sides[from].fd,
			  session->sides[!from].fd,
			  from == CLIENT ? &counters->bytes_to_origin : &counters->bytes_to_client);
}

static enum outcome handle_events(struct session *session, int i, uint32_t events)
{
	struct direction *from = &session->directions[i], *to = &session->directions[!i];
	enum outcome outcome = OUTCOME_CONTINUE;
	// These are fatal: an error, or a hang-up though this side has not been shut down. If the relay does not read
	// this side now, only these events show them.
	uint32_t fatal = EPOLLERR | (to->shut ? 0 : EPOLLHUP);
	if ((events & fatal) && (from->ended || from->held || (from->in_kernel && (events & EPOLLERR))))
		return OUTCOME_RESET;
	if (from->in_kernel && (events & (EPOLLRDHUP | EPOLLHUP)))
		from->ended = true;
	else if (!from->in_kernel && !from->ended && !from->held && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		outcome = move(session, i);
	if (outcome == OUTCOME_CONTINUE && (events & EPOLLOUT) && to->held)
		outcome = move(session, !i);
	return outcome;
}

void session_event(struct side *side, uint32_t events)
{
	struct session *session = side->session;
	if (!session->open)
		return; // an earlier event of this batch closed it
	if (session->connecting)
		advance(session, finish_connect(session));
	else
		advance(session, handle_events(session, side == &session->sides[ORIGIN], events));
}

static bool awaits_kernel(const struct session *session)
{
	for (int i = 0; i < SIDES; i++)
		if (session->directions[i].in_kernel && ended_but_not_shut(&session->directions[i]))
			return true;
	return false;
}

uint64_t session_poll_draining(struct worker *w, uint64_t now)
{
	uint64_t soonest = NEVER;
	for (struct session **at = &w->draining; *at;) {
		struct session *session = *at;
		if (session->open && session->due_ns <= now)
			advance(session, now - session->progress_ns > STUCK_NS ? OUTCOME_FAILED : OUTCOME_CONTINUE);
		if (!session->open || !awaits_kernel(session)) {
			session->draining = false;
			*at = session->next_draining;
			continue;
		}
		if (session->due_ns < soonest)
			soonest = session->due_ns;
		at = &session->next_draining;
	}
	return soonest;
}
