// SPDX-License-Identifier: Apache-2.0
// Flows of datagrams. The listener gets the first datagrams of a client; then the kernel finds the flow's own socket,
// which is bound to the address that the client asked for and connected to the client. Its answers come from there.
#ifndef SHOWDOWN_FLOW_H
#define SHOWDOWN_FLOW_H

#include <stdint.h>

struct flow_side;
struct relay;
struct worker;

// The listener is readable: opens flows, and sends their first datagrams.
void flows_accept(struct worker *w);
// epoll reported events of a side's socket.
void flow_event(struct worker *w, struct flow_side *side);
// Closes the thread's flows that were idle for too long. Returns when to call it again, or NEVER.
uint64_t flows_expire(struct worker *w, uint64_t now);
void flows_close(struct worker *w);

#endif
