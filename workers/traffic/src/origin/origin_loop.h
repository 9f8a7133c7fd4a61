// SPDX-License-Identifier: Apache-2.0
// The origin's event loop: events, timers, and stalls on purpose. It knows no service.
#ifndef SHOWDOWN_ORIGIN_LOOP_H
#define SHOWDOWN_ORIGIN_LOOP_H

#include <stdatomic.h>

#include "origin_state.h"

// Set by signals.
extern _Atomic bool origin_stop, origin_status_requested;

// A thread's function; the argument is its struct server. Returns after origin_stop.
void *server_run(void *server);

#endif
