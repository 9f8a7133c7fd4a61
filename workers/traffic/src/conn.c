// SPDX-License-Identifier: Apache-2.0
// The life of a connection: open, ask, be answered, be free again; and what happens when it fails.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker.h"

#define SPANS 16 // of an upload's body per system call

static void explain_failure(struct worker *w, const struct target *target, enum cause cause, int error)
{
	struct rlimit files;
	char hint[96] = "";
	if (w->failure[0])
		return; // the first one tells most
	if (cause == CAUSE_DESCRIPTORS && getrlimit(RLIMIT_NOFILE, &files) == 0)
		snprintf(hint, sizeof hint, "; the limit of open files is %llu", (unsigned long long)files.rlim_cur);
	if (cause == CAUSE_PORTS)
		snprintf(hint, sizeof hint, "; give more source addresses (source=) or --ports");
	snprintf(w->failure, sizeof w->failure, "target %s (%s): %s%s", target->label, target->text,
		 error ? strerror(error) : cause_names[cause], hint);
	if (!w->started)
		atomic_store(&w->plan->stop, true);
}

void conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd); // which takes it out of epoll, too
	c->fd = -1;
	c->state = CONN_FREE;
	c->generation++;
	c->deadline_ns = NEVER;
	c->sending = c->hung_up = false;
}

void conn_retry(struct conn *c, uint64_t at_ns)
{
	c->state = CONN_RETRY;
	c->deadline_ns = at_ns;
}

static void count_error(struct worker *w, struct conn *c, enum cause cause)
{
	// Without a request it is a failed reconnection, which belongs to no slice.
	struct stats *stats = c->active ? stats_of(w, c->slice) : &lane_of(w, c)->measured;
	counter_add(&stats->counters.errors[cause], 1);
	if (c->active)
		counter_add(&w->slices[c->slice].errors, 1);
	c->active = false;
}

static void fail(struct worker *w, struct conn *c, enum cause cause, int error, uint64_t now)
{
	bool never_stood = c->fd < 0 || c->state == CONN_CONNECTING;
	if (!w->started || cause == CAUSE_DESCRIPTORS || cause == CAUSE_PORTS)
		explain_failure(w, lane_of(w, c)->target, cause, error);
	count_error(w, c, cause);
	conn_close(c);
	// Never reopened at once: an event of the old descriptor may still wait in this batch.
	conn_retry(c, never_stood ? now + RETRY_NS : now);
}

void conn_failed(struct worker *w, struct conn *c, enum cause cause, uint64_t now)
{
	fail(w, c, cause, 0, now);
}

struct conn *conn_take(struct lane *lane)
{
	struct conn *c;
	while ((c = lane->free_head)) {
		lane->free_head = c->next_free;
		c->queued = false;
		if (!c->active && (c->state == CONN_IDLE || c->state == CONN_FREE))
			return c;
		// Closed by its peer while it waited: it comes back when it stands again.
	}
	return NULL;
}

static void put_free(struct lane *lane, struct conn *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->next_free = NULL;
	if (lane->free_head)
		lane->free_tail->next_free = c;
	else
		lane->free_head = c;
	lane->free_tail = c;
}

void conn_available(struct worker *w, struct conn *c, uint64_t now)
{
	struct lane *lane = lane_of(w, c);
	bool current = w->started && w->plan->slices[w->slice].target == c->target;
	if (current && lane->backlog) {
		const struct slice *slice = &w->plan->slices[w->slice];
		uint64_t intended = w->slice_start_ns + lane->send.next_ns - slice->active_ns;
		schedule_advance(&lane->send);
		lane->backlog--;
		conn_request(w, c, intended, now);
	} else {
		put_free(lane, c); // in a closed loop, loop_ask_free() asks again when this batch of answers is through
	}
}

static bool send_head_and_body(struct worker *w, struct conn *c, ssize_t *sent)
{
	const struct lane *lane = lane_of(w, c);
	struct iovec spans[SPANS + 1];
	int used = 0;
	uint64_t body_at = 0;
	if (c->out_done < lane->request_size)
		spans[used++] = (struct iovec){lane->request + c->out_done, lane->request_size - c->out_done};
	else
		body_at = c->out_done - lane->request_size;
	used += body_spans(&w->plan->upload, body_at, spans + used, SPANS);
	struct msghdr message = {.msg_iov = spans, .msg_iovlen = (size_t)used};
	*sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
	return *sent >= 0;
}

// Sends as much of the request as the socket takes; the rest follows when it is writable again.
static void flush_request(struct worker *w, struct conn *c, uint64_t now)
{
	struct lane *lane = lane_of(w, c);
	uint64_t whole = lane->request_size + w->plan->upload.length;
	while (c->out_done < whole) {
		ssize_t sent;
		bool ok;
		if (w->plan->upload.length) {
			ok = send_head_and_body(w, c, &sent);
		} else {
			sent = send(c->fd, lane->request + c->out_done, lane->request_size - c->out_done, MSG_NOSIGNAL);
			ok = sent >= 0;
		}
		if (!ok) {
			if (errno == EAGAIN) {
				c->sending = true;
				return;
			}
			fail(w, c, cause_of_errno(errno), errno, now);
			return;
		}
		c->out_done += (uint64_t)sent;
		counter_add(&stats_of(w, c->slice)->counters.bytes_sent, (uint64_t)sent);
		counter_add(&w->slices[c->slice].bytes_sent, (uint64_t)sent);
	}
	c->sending = false;
}

static void begin_request(struct worker *w, struct conn *c, uint64_t now)
{
	c->state = CONN_HEAD;
	c->stashed = 0;
	c->out_done = c->body_done = 0;
	c->corrupt = c->bad_status = c->chunked = c->until_close = false;
	c->keep_alive = true;
	c->token_ns = 0;
	if (w->plan->workload == TCP_RR) {
		c->state = CONN_BODY;
		c->body_left = w->plan->expected.length;
	}
	flush_request(w, c, now);
}

void conn_request(struct worker *w, struct conn *c, uint64_t intended_ns, uint64_t now)
{
	c->active = true;
	c->slice = w->slice;
	c->intended_ns = intended_ns;
	c->sent_ns = now;
	c->deadline_ns = now + w->plan->timeout_ns;
	if (w->plan->open_loop) {
		if (w->last_sent_ns)
			hist_record(&stats_of(w, c->slice)->timings[SEND_GAP], now - w->last_sent_ns);
		w->last_sent_ns = now;
	}
	counter_add(&stats_of(w, c->slice)->counters.sent, 1);
	counter_add(&w->slices[c->slice].sent, 1);
	if (w->plan->workload == UDP_RR)
		udp_send(w, c, intended_ns, now);
	else if (c->fd < 0)
		conn_open(w, c, now); // churn: the request follows when the connection stands
	else
		begin_request(w, c, now);
}

static void stands(struct worker *w, struct conn *c, uint64_t now)
{
	// A connection that churns belongs to its request's slice; one that stays is made before them all.
	struct stats *stats = c->active ? stats_of(w, c->slice) : &lane_of(w, c)->measured;
	counter_add(&stats->counters.connections, 1);
	// Datagrams have no connection to wait for: a "connect" of theirs would be a time of nothing.
	if (w->plan->workload != UDP_RR)
		hist_record(&stats->timings[CONNECT], now - c->connect_ns);
	c->state = CONN_IDLE;
	if (c->opening)
		w->opening--;
	c->opening = false;
	if (c->active) {
		begin_request(w, c, now);
		return;
	}
	c->deadline_ns = NEVER;
	conn_available(w, c, now);
}

void conn_open(struct worker *w, struct conn *c, uint64_t now)
{
	struct lane *lane = lane_of(w, c);
	bool udp = w->plan->workload == UDP_RR;
	int fd = -EIO;
	if (netns_enter(&w->place, lane->target->netns_fd))
		fd = target_connect(lane->target, udp ? SOCK_DGRAM : SOCK_STREAM, &lane->port_cursor,
				    (uint64_t)w->plan->cpus_count);
	else
		fd = -errno;
	if (fd < 0) {
		fail(w, c, cause_of_errno(-fd), -fd, now);
		return;
	}
	c->fd = fd;
	c->connect_ns = now;
	c->deadline_ns = now + w->plan->timeout_ns;
	c->state = udp ? CONN_IDLE : CONN_CONNECTING;
	// Edge-triggered and registered once: no epoll_ctl per request. Datagrams stay level-triggered, where one recv
	// per event suffices.
	struct epoll_event event = {.events = udp ? EPOLLIN : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		fail(w, c, cause_of_errno(errno), errno, now);
		return;
	}
	if (udp)
		stands(w, c, now);
}

void conn_done(struct worker *w, struct conn *c, uint64_t now)
{
	const struct plan *plan = w->plan;
	if (c->bad_status) {
		count_error(w, c, CAUSE_STATUS);
	} else if (c->corrupt) {
		count_error(w, c, CAUSE_CORRUPT);
	} else if (c->sending) {
		count_error(w, c, CAUSE_SHORT); // answered before it was asked in full
	} else {
		c->active = false;
		answer_count(w, c->slice, c->intended_ns, c->sent_ns, now);
	}
	c->deadline_ns = now + plan->timeout_ns;
	if (plan->workload == HTTP_CHURN && !c->hung_up) {
		// The origin closes first, so that the state of closed connections (TIME_WAIT) holds none of our ports.
		c->state = CONN_CLOSING;
	} else if (plan->workload == HTTP_CHURN) {
		conn_close(c);
		conn_available(w, c, now);
	} else if (!c->keep_alive || c->sending || c->corrupt) {
		conn_close(c);
		conn_open(w, c, now);
	} else {
		c->state = CONN_IDLE;
		c->deadline_ns = NEVER;
		conn_available(w, c, now);
	}
}

static void receive(struct worker *w, struct conn *c)
{
	const uint8_t generation = c->generation;
	while (c->generation == generation) {
		ssize_t got = recv(c->fd, w->buffer, RECEIVE_BYTES, 0);
		if (got < 0 && errno == EAGAIN)
			return;
		uint64_t now = w->last_ns = now_ns();
		if (got < 0) {
			fail(w, c, cause_of_errno(errno), errno, now);
		} else if (got == 0) {
			answer_end(w, c, now);
			return;
		} else {
			answer_bytes(w, c, (const char *)w->buffer, (size_t)got, now);
			// A short read emptied the socket: the next byte makes a new edge. After a hang-up no edge will
			// come.
			if (got < (ssize_t)RECEIVE_BYTES && !c->hung_up)
				return;
		}
	}
}

void conn_event(struct worker *w, struct conn *c, uint32_t events)
{
	if (c->fd < 0)
		return; // closed by an earlier event of this batch
	if (w->plan->workload == UDP_RR) {
		udp_event(w, c, events);
		return;
	}
	if (c->state == CONN_CONNECTING) {
		uint64_t now = w->last_ns = now_ns();
		int error = 0;
		socklen_t size = sizeof error;
		if (events & (EPOLLERR | EPOLLHUP))
			getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error) {
			fail(w, c, cause_of_errno(error), error, now);
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		stands(w, c, now);
		if (c->fd < 0)
			return;
	} else if (c->sending && events & EPOLLOUT) {
		const uint8_t generation = c->generation;
		flush_request(w, c, w->last_ns = now_ns());
		if (c->generation != generation)
			return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hung_up = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		receive(w, c);
}
