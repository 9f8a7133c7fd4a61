// SPDX-License-Identifier: Apache-2.0
// The client side of HTTP/1.1, shared by the protocols that speak it.
#ifndef SHOWDOWN_HTTP_H
#define SHOWDOWN_HTTP_H

#include "load_options.h"
#include "state.h"

#define HTTP_ALPN "http/1.1"

// `prepare`: GET /bytes/N, answered by N bytes of the pattern.
bool http_prepare_download(struct load_options *options, struct args *args);
// Composes a request's head; `fields` are further header lines, each with its line end.
bool http_compose(const struct plan *plan, struct target_state *target, const char *method, const char *fields);
// `compose`: a GET without further fields.
bool http_compose_get(const struct plan *plan, struct target_state *target);

// Rows `request`, `received` and `announces_close` of struct protocol.
void http_request(struct worker *w, struct conn *c, uint64_t now);
void http_received(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now);
bool http_announces_close(const char *data, size_t size);

#endif
