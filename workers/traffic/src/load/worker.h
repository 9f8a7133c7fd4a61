// SPDX-License-Identifier: Apache-2.0
// A thread of the generator, from its memory to the end of its last slice.
#ifndef SHOWDOWN_WORKER_H
#define SHOWDOWN_WORKER_H

#include "state.h"

// Allocates what thread `index` needs. False: no memory.
bool worker_init(struct worker *w, struct plan *plan, int index);
// The thread's function; the argument is its struct worker.
void *worker_run(void *worker);

#endif
