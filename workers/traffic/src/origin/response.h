// SPDX-License-Identifier: Apache-2.0
// HTTP responses of the origin.
#ifndef SHOWDOWN_RESPONSE_H
#define SHOWDOWN_RESPONSE_H

#include "origin_state.h"

// Sets the head of a response whose body has `length` bytes.
void response_set(struct peer *p, const char *status, const char *type, uint64_t length);
// Sets a response whose body fits into the peer's `out`, too.
void response_set_text(struct peer *p, const char *status, const char *text);
// Sets an error response, after which the connection is closed.
void response_refuse(struct server *s, struct peer *p, const char *status);
// Sets the response of a stream: its head now, tokens by the timer. False: no memory.
bool response_set_stream(struct server *s, struct peer *p, uint64_t cadence_ns);
// The response follows when the timer expires: `respond` sets it then.
void response_set_delayed(struct peer *p, void (*respond)(struct peer *p));
// Sets the head of a stream.
void response_set_stream_head(struct peer *p);
// Sends what is set. True: the whole of it was sent. Else the socket is full, or the peer was closed.
bool response_send(struct server *s, struct peer *p);
// Sends the tokens that are due. True: the stream has ended and its end is sent.
bool response_send_tokens(struct server *s, struct peer *p, uint64_t now);

#endif
