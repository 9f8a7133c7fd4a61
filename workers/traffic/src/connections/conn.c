// SPDX-License-Identifier: Apache-2.0
#include "conn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "record.h"

// Keeps the first failure's message. Before the first slice a failure ends the run.
static void explain_failure(struct worker *w, const struct target *target, enum cause cause, int error)
{
	struct rlimit files;
	char hint[160] = "";
	if (w->failure[0])
		return;
	if (cause == CAUSE_DESCRIPTORS && getrlimit(RLIMIT_NOFILE, &files) == 0)
		snprintf(hint, sizeof hint, "; the limit of open files is %" PRIu64, (uint64_t)files.rlim_cur);
	if (cause == CAUSE_PORTS)
		snprintf(hint, sizeof hint, "; give more source addresses (source=) or --ports");
	if (cause == CAUSE_TLS)
		snprintf(hint, sizeof hint, ": %s", w->hint);
	snprintf(w->failure, sizeof w->failure, "target %s (%s): %s%s", target->label, target->text,
		 error && cause != CAUSE_TLS ? strerror(error) : cause_names[cause], hint);
	if (!w->started)
		atomic_store(&w->plan->stop, true);
}

void conn_close(struct conn *c)
{
	if (c->tls)
		tls_end(c->tls);
	if (c->fd >= 0)
		close(c->fd); // which removes it from epoll
	c->fd = -1;
	c->state = CONN_FREE;
	c->generation++;
	c->deadline_ns = NEVER;
	c->sending = c->hung_up = c->used = false;
}

void conn_retry(struct conn *c, uint64_t at_ns)
{
	c->state = CONN_RETRY;
	c->deadline_ns = at_ns;
}

void conn_fail(struct worker *w, struct conn *c, enum cause cause, int error, uint64_t now)
{
	bool connecting = c->state == CONN_CONNECTING || c->state == CONN_HANDSHAKE;
	bool established = c->fd >= 0 && !connecting, used = c->used;
	if (!w->started || cause == CAUSE_DESCRIPTORS || cause == CAUSE_PORTS)
		explain_failure(w, target_of(w, c)->target, cause, error);
	if (!w->protocol->lost || !w->protocol->lost(w, c, cause))
		record_error(w, c, cause);
	conn_close(c);
	if (used && !w->protocol->per_request)
		conn_open(w, c, now);
	else
		conn_retry(c, established ? now : now + CONN_PAUSE_NS);
}

void conn_lost(struct worker *w, struct conn *c, uint64_t now)
{
	bool used = c->used;
	counter_add(&target_of(w, c)->measured.counters.closed_idle, 1);
	if (w->protocol->lost)
		w->protocol->lost(w, c, CAUSE_SHORT);
	conn_close(c);
	if (used)
		conn_open(w, c, now);
	else
		conn_retry(c, now);
}

struct conn *conn_take(struct target_state *target)
{
	struct conn *c;
	while ((c = target->free_head)) {
		target->free_head = c->next_free;
		c->queued = false;
		if (!c->active && (c->state == CONN_IDLE || c->state == CONN_FREE))
			return c;
		// The peer closed it meanwhile. It is put back once it is established again.
	}
	return NULL;
}

void conn_ready(struct worker *w, struct conn *c)
{
	struct target_state *target = target_of(w, c);
	if (c->queued)
		return;
	c->queued = true;
	c->next_free = NULL;
	if (target->free_head)
		target->free_tail->next_free = c;
	else
		target->free_head = c;
	target->free_tail = c;
}

void conn_request(struct worker *w, struct conn *c, uint64_t intended_ns, uint64_t now)
{
	c->active = true;
	c->slice = w->slice;
	c->intended_ns = intended_ns;
	c->sent_ns = now;
	c->deadline_ns = now + w->plan->timeout_ns;
	record_sent(w, c, now);
	if (c->state == CONN_FREE)
		conn_open(w, c, now);
	else
		w->protocol->request(w, c, now);
}

void conn_established(struct worker *w, struct conn *c, uint64_t now)
{
	counter_add(&stats_of_conn(w, c)->counters.connections, 1);
	c->state = CONN_IDLE;
	if (c->opening)
		w->opening--;
	c->opening = false;
	if (c->active) {
		w->protocol->request(w, c, now);
		return;
	}
	c->deadline_ns = NEVER;
	if (w->protocol->established)
		w->protocol->established(w, c, now);
	else
		conn_ready(w, c);
}

void conn_open(struct worker *w, struct conn *c, uint64_t now)
{
	struct target_state *target = target_of(w, c);
	const struct protocol *protocol = w->protocol;
	int fd = -1;
	if (netns_enter(&w->place, target->target->netns_fd))
		fd = target_connect(target->target, protocol->socket_type, &target->port_cursor,
				    (uint64_t)w->plan->cpus_count);
	else
		fd = -errno;
	if (fd < 0) {
		conn_fail(w, c, cause_of_errno(-fd), -fd, now);
		return;
	}
	c->fd = fd;
	// The cursor has moved on by one step behind the address that it found free.
	c->source = (uint8_t)target_source(target->target, target->port_cursor - (uint64_t)w->plan->cpus_count);
	c->connect_ns = now;
	c->deadline_ns = now + w->plan->timeout_ns;
	c->state = CONN_CONNECTING;
	struct epoll_event event = {.events = protocol->events, .data.u64 = conn_token(w, c)};
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		conn_fail(w, c, cause_of_errno(errno), errno, now);
	else if (protocol->opened)
		protocol->opened(w, c, now);
}

void conn_reuse(struct worker *w, struct conn *c, uint64_t now)
{
	c->used = true;
	if (c->keep_alive && c->hung_up) {
		conn_lost(w, c, now);
		return;
	}
	if (!c->keep_alive || c->sending || c->corrupt) {
		conn_close(c);
		conn_open(w, c, now);
		return;
	}
	c->state = CONN_IDLE;
	c->deadline_ns = NEVER;
	conn_ready(w, c);
}

void conn_timeout(struct worker *w, struct conn *c, uint64_t now)
{
	if (c->state == CONN_RETRY && !w->protocol->per_request) {
		conn_open(w, c, now);
	} else if (c->state == CONN_RETRY || c->state == CONN_CLOSING) {
		conn_close(c);
		conn_ready(w, c);
	} else {
		conn_fail(w, c, CAUSE_TIMEOUT, 0, now);
	}
}
