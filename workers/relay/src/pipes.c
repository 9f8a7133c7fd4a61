// SPDX-License-Identifier: Apache-2.0
#include "pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stats_page.h"

#define SPLICE_BYTES (1u << 20) // more than a pipe holds
#define FEW_BYTES (1u << 14)	// a shorter read means that the source has most likely no more
#define ROUNDS 16		// per event, so that one busy connection does not starve the others

struct pipe {
	int read_fd, write_fd;
	struct pipe *next;
};

static struct pipe *pipe_take(struct pipe_pool *pool)
{
	struct pipe *pipe = pool->spare;
	int fds[2];
	if (pipe) {
		pool->spare = pipe->next;
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

void pipes_release(struct pipe_pool *pool, struct direction *direction)
{
	if (!direction->pipe)
		return;
	if (direction->held) {
		pipe_free(direction->pipe); // its bytes must never reach another session
	} else {
		direction->pipe->next = pool->spare;
		pool->spare = direction->pipe;
	}
	direction->pipe = NULL;
	direction->held = 0;
}

void pipes_free(struct pipe_pool *pool)
{
	while (pool->spare) {
		struct pipe *pipe = pool->spare;
		pool->spare = pipe->next;
		pipe_free(pipe);
	}
}

// Reads from the source into the empty pipe. Leaves it empty if the source has nothing now, or has ended.
static enum outcome fill(struct direction *direction, int source_fd)
{
	ssize_t got = splice(source_fd, NULL, direction->pipe->write_fd, NULL, SPLICE_BYTES,
			     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? OUTCOME_CONTINUE : OUTCOME_RESET;
	direction->held = (size_t)got;
	direction->ended = !got;
	return OUTCOME_CONTINUE;
}

// Writes the pipe's bytes to the target. Stops if the target accepts no more now.
static enum outcome drain(struct direction *direction, int target_fd, _Atomic uint64_t *moved_bytes)
{
	while (direction->held) {
		ssize_t put = splice(direction->pipe->read_fd, NULL, target_fd, NULL, direction->held,
				     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 && errno == EAGAIN ? OUTCOME_CONTINUE : OUTCOME_RESET;
		direction->held -= (size_t)put;
		counter_add(moved_bytes, (uint64_t)put);
	}
	return OUTCOME_CONTINUE;
}

enum outcome pipes_move(struct pipe_pool *pool, struct direction *direction, int source_fd, int target_fd,
			_Atomic uint64_t *moved_bytes)
{
	enum outcome outcome = OUTCOME_CONTINUE;
	if (!direction->pipe && !(direction->pipe = pipe_take(pool)))
		return OUTCOME_FAILED;
	for (int round = 0; round < ROUNDS; round++) {
		size_t filled = 0;
		if (!direction->held) {
			outcome = fill(direction, source_fd);
			filled = direction->held;
			if (!filled)
				break;
		}
		outcome = drain(direction, target_fd, moved_bytes);
		if (outcome != OUTCOME_CONTINUE || direction->held || (filled && filled < FEW_BYTES))
			break;
	}
	if (!direction->held)
		pipes_release(pool, direction);
	return outcome;
}
