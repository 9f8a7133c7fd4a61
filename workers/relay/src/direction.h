// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_DIRECTION_H
#define SHOWDOWN_DIRECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pipe;

// The data that flows one way through a session, from a source socket to a target socket.
struct direction {
	struct pipe *pipe; // only while it holds bytes
	size_t held;	   // bytes in the pipe
	bool in_kernel;	   // the verdict program moves the bytes
	bool ended;	   // the source has sent its FIN
	bool shut;	   // the target has been shut down for writing
	uint64_t written;  // bytes that the kernel had written to the target when last read, once the source ended
};

#endif
