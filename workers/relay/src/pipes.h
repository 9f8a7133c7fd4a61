// SPDX-License-Identifier: Apache-2.0
// Moves bytes from socket to pipe to socket with splice(2). A direction has a pipe only while it holds bytes, so a few
// pipes serve thousands of connections.
#ifndef SHOWDOWN_PIPES_H
#define SHOWDOWN_PIPES_H

#include "direction.h"
#include "outcome.h"

// The unused pipes of one thread.
struct pipe_pool {
	struct pipe *spare;
};

// Moves what the source has and the target accepts, and adds the bytes that reached the target to `moved_bytes`.
enum outcome pipes_move(struct pipe_pool *pool, struct direction *direction, int source_fd, int target_fd,
			_Atomic uint64_t *moved_bytes);
void pipes_release(struct pipe_pool *pool, struct direction *direction);
void pipes_free(struct pipe_pool *pool);

#endif
