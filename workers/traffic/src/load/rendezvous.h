// SPDX-License-Identifier: Apache-2.0
// Several generators, one per client of a lab, act as one. They map one file, which holds the slices. So a slice starts
// at the same instant for all, it has drained when the last thread of the last client has drained, and the host's CPU
// time is read once. A client does the work of some of the threads of one big generator: rates and connections divide
// in the same way.
#ifndef SHOWDOWN_RENDEZVOUS_H
#define SHOWDOWN_RENDEZVOUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_MAX 8

struct plan;
struct slice;

// At the beginning of the file; the slices follow.
struct rendezvous {
	_Atomic int ready;		       // clients that are ready to start
	_Atomic int failed;		       // the client that failed, counted from 1; 0: none
	_Atomic uint32_t drained[CLIENTS_MAX]; // by each client: slices × threads
};

// Memory for the slices: in the shared file, or zeroed memory of this process if there is one client. NULL on failure.
struct slice *rendezvous_slices(struct plan *plan, uint32_t count);
// This client is ready. Returns when the start of the first slice is set, or false with a failure. `able` is false if
// this client cannot start: the others end, too.
bool rendezvous_start(struct plan *plan, bool able, uint64_t *start_ns, char *failure, size_t size);
// A thread of this client has drained a slice. True for the last thread of all clients.
bool rendezvous_drained(struct plan *plan, struct slice *slice);
// This client has drained all slices. Returns when all clients have, or false if another one failed.
bool rendezvous_end(struct plan *plan, char *failure, size_t size);
// This client ends early.
void rendezvous_leave(struct plan *plan);
// Whether another client has failed, or has taken too long, `waited_ns` after this one drained a slice.
bool rendezvous_timed_out(const struct plan *plan, uint64_t waited_ns, char *failure, size_t size);

#endif
