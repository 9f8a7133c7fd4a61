// SPDX-License-Identifier: Apache-2.0
// A thread's event loop: it accepts clients and serves its sessions. Threads share the listener and the session pool.
#ifndef SHOWDOWN_WORKER_H
#define SHOWDOWN_WORKER_H

#include "relay.h"

bool worker_open(struct worker *w, struct relay *relay, struct counters *counters);
void *worker_run(void *worker); // until the relay's stop_fd is readable
void worker_close(struct worker *w);

#endif
