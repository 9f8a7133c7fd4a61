// SPDX-License-Identifier: Apache-2.0
#include "timers.h"

#include <stdlib.h>

static void place(struct server *s, uint32_t at, struct peer *p)
{
	s->timers[at] = p;
	p->timer_at = at;
}

// Moves the peer at `at` up or down to where the heap's order wants it.
static void sift(struct server *s, uint32_t at)
{
	struct peer *p = s->timers[at];
	while (at && s->timers[(at - 1) / 2]->due_ns > p->due_ns) {
		place(s, at, s->timers[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child + 1 < s->timers_count && s->timers[child + 1]->due_ns < s->timers[child]->due_ns)
			child++;
		if (child >= s->timers_count || s->timers[child]->due_ns >= p->due_ns)
			break;
		place(s, at, s->timers[child]);
		at = child;
	}
	place(s, at, p);
}

bool timer_add(struct server *s, struct peer *p)
{
	if (s->timers_count == s->timers_room) {
		uint32_t room = s->timers_room ? 2 * s->timers_room : 256;
		struct peer **timers = realloc(s->timers, room * sizeof(struct peer *));
		if (!timers)
			return false;
		s->timers = timers;
		s->timers_room = room;
	}
	place(s, s->timers_count++, p);
	sift(s, p->timer_at);
	return true;
}

void timer_remove(struct server *s, struct peer *p)
{
	uint32_t at = p->timer_at;
	if (at == TIMER_NONE)
		return;
	p->timer_at = TIMER_NONE;
	struct peer *last = s->timers[--s->timers_count];
	if (last == p)
		return;
	place(s, at, last);
	sift(s, at);
}

struct peer *timer_first(const struct server *s)
{
	return s->timers_count ? s->timers[0] : NULL;
}
