// SPDX-License-Identifier: Apache-2.0
// The body of a request to the origin.
#ifndef SHOWDOWN_UPLOAD_H
#define SHOWDOWN_UPLOAD_H

#include "origin_state.h"

// A request begins; its head is `head`.
void upload_begin(struct peer *p, const struct request_head *head);
// Takes bytes of the body; returns how many. Once the body is complete, `uploading` ends and /echo is answered.
size_t upload_take(struct server *s, struct peer *p, const uint8_t *data, size_t size);

#endif
