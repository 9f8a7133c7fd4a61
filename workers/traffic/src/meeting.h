// SPDX-License-Identifier: Apache-2.0
// How several generators, one per client of a lab, act as one: they map one file, in which the slices stand. So a slice
// starts for all at one instant, has drained when the last thread of the last client has, and its host's CPU time is
// read once. What a client does, it does as some of the threads of one generator: rates and connections divide alike.
#ifndef SHOWDOWN_MEETING_H
#define SHOWDOWN_MEETING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_MAX 8

struct plan;
struct args;

// At the beginning of the file; the slices follow.
struct meeting {
	_Atomic int present;		       // clients that are ready to start
	_Atomic int gone;		       // the client that failed, from 1 on; 0: none
	_Atomic uint32_t drained[CLIENTS_MAX]; // by each client: slices × threads
};

// Reads "I/N", from 1/1 to N/N.
bool meeting_read_client(struct plan *plan, struct args *args, const char *text);
// Memory for the slices: the meeting's, or zeroed memory of this process alone. NULL without any.
struct slice *meeting_slices(struct plan *plan, uint32_t count);
// Ready to start; returns when the start of the first slice is set, or with a failure. `able` is false when this client
// cannot: the others need not wait.
bool meeting_start(struct plan *plan, bool able, uint64_t *start_ns, char *failure, size_t size);
// A thread has drained a slice. True for the last of all clients' threads.
bool meeting_drained(struct plan *plan, struct slice *slice);
// This client has drained all slices; returns when all have, as the last one ends with the last client. False when
// another one must be given up.
bool meeting_end(struct plan *plan, char *failure, size_t size);
// This client ends before its time.
void meeting_leave(struct plan *plan);
// Whether, `waited_ns` after this client has drained a slice, another one must be given up; says which and why.
bool meeting_gives_up(const struct plan *plan, uint64_t waited_ns, char *failure, size_t size);

// Threads of all clients, and the number that one of ours has among them: neighbours in a schedule are different
// clients.
int plan_threads(const struct plan *plan);
uint64_t plan_thread(const struct plan *plan, int index);

#endif
