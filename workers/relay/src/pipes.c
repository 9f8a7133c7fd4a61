// SPDX-License-Identifier: Apache-2.0
// Moving bytes through a pipe. A way has a pipe only while it holds bytes: a few pipes serve thousands of connections.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay.h"

#define ASK_BYTES (1u << 20)  // more than a pipe takes
#define MUCH_BYTES (1u << 14) // less than this in one go: the source has most likely no more
#define ROUNDS 16	      // per event, so that one busy connection does not starve the others

static struct pipe *pipe_take(struct worker *w)
{
	struct pipe *pipe = w->pipes;
	int fds[2];
	if (pipe) {
		w->pipes = pipe->next;
		return pipe;
	}
	pipe = malloc(sizeof *pipe);
	if (!pipe)
		return NULL;
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
		free(pipe);
		return NULL;
	}
	*pipe = (struct pipe){.read_fd = fds[0], .write_fd = fds[1]};
	return pipe;
}

static void pipe_free(struct pipe *pipe)
{
	close(pipe->read_fd);
	close(pipe->write_fd);
	free(pipe);
}

void way_release(struct worker *w, struct way *way)
{
	if (!way->pipe)
		return;
	if (way->held) {
		pipe_free(way->pipe); // somebody else's bytes must never be found in it
	} else {
		way->pipe->next = w->pipes;
		w->pipes = way->pipe;
	}
	way->pipe = NULL;
	way->held = 0;
}

void pipes_free(struct worker *w)
{
	while (w->pipes) {
		struct pipe *pipe = w->pipes;
		w->pipes = pipe->next;
		pipe_free(pipe);
	}
}

// 1: something is in the pipe; 0: nothing to be had now, or nothing any more; -1: an error.
static int fill(struct link *link, int side, size_t *filled)
{
	struct way *way = &link->ways[side];
	ssize_t got = splice(link->ends[side].fd, NULL, way->pipe->write_fd, NULL, ASK_BYTES,
			     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	*filled = 0;
	if (got > 0) {
		way->held = *filled = (size_t)got;
		return 1;
	}
	if (got == 0) {
		way->ended = true;
		return 0;
	}
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static bool empty_into(struct link *link, int side)
{
	struct way *way = &link->ways[side];
	struct tally *tally = link->owner->tally;
	while (way->held) {
		ssize_t put = splice(way->pipe->read_fd, NULL, link->ends[!side].fd, NULL, way->held,
				     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 && errno == EAGAIN;
		way->held -= (size_t)put;
		tally_add(side == CLIENT ? &tally->bytes_to_origin : &tally->bytes_to_client, (uint64_t)put);
	}
	return true;
}

bool way_move(struct link *link, int side)
{
	struct way *way = &link->ways[side];
	bool fine = true;
	for (int round = 0; fine && round < ROUNDS; round++) {
		size_t filled = 0;
		if (!way->pipe && !(way->pipe = pipe_take(link->owner))) {
			tally_add(&link->owner->tally->failures, 1);
			fine = false;
			break;
		}
		if (!way->held) {
			int more = fill(link, side, &filled);
			fine = more >= 0;
			if (more <= 0)
				break;
		}
		fine = empty_into(link, side);
		if (way->held || (filled && filled < MUCH_BYTES))
			break;
	}
	if (!fine) {
		link_reset(link);
		return false;
	}
	if (!way->held)
		way_release(link->owner, way);
	return true;
}
