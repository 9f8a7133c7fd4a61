// SPDX-License-Identifier: Apache-2.0
#include "answer.h"

#include "conn.h"
#include "record.h"

void answer_body(struct worker *w, struct conn *c, const char *data, size_t size, uint64_t now)
{
	const struct plan *plan = w->plan;
	bool compared = plan->check && !c->bad_status && !c->unchecked;
	if (compared && !c->corrupt && !body_matches(&plan->expected, c->body_done, data, size))
		c->corrupt = true;
	uint64_t before = c->body_done;
	c->body_done += size;
	if (w->protocol->body_grew && !c->bad_status)
		w->protocol->body_grew(w, c, before, now);
}

void answer_complete(struct worker *w, struct conn *c, size_t surplus, uint64_t now)
{
	const struct plan *plan = w->plan;
	if (plan->check && !c->bad_status && !c->unchecked && c->body_done != c->expected_bytes)
		c->corrupt = true;
	if (surplus && !w->protocol->per_request)
		c->corrupt = true; // these bytes answer no request
	if (c->bad_status) {
		record_error(w, c, CAUSE_STATUS);
	} else if (c->corrupt) {
		record_error(w, c, CAUSE_CORRUPT);
	} else if (c->sending) {
		record_error(w, c, CAUSE_SHORT); // answered before the whole request was sent
	} else {
		c->active = false;
		record_answer(w, c->slice, c->intended_ns, c->sent_ns, now);
	}
	c->deadline_ns = now + plan->timeout_ns;
	w->protocol->answered(w, c, now);
}

void answer_closed(struct worker *w, struct conn *c, uint64_t now)
{
	if (c->active && c->state == CONN_BODY && c->until_close) {
		c->hung_up = true;
		answer_complete(w, c, 0, now);
	} else if (c->active) {
		conn_fail(w, c, CAUSE_SHORT, 0, now);
	} else if (c->state == CONN_CLOSING) {
		conn_close(c);
		conn_ready(w, c);
	} else {
		conn_lost(w, c, now);
	}
}
