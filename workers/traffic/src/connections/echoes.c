// SPDX-License-Identifier: Apache-2.0
#include "echoes.h"

#include <string.h>

// Moves the window of seen answers on to `sequence`, which is newer than all before.
static void move_window(struct echoes *echoes, uint64_t sequence)
{
	uint64_t steps = sequence - echoes->newest;
	if (steps >= ECHOES_WINDOW)
		memset(echoes->seen, 0, sizeof echoes->seen);
	for (uint64_t i = 1; i < steps && steps < ECHOES_WINDOW; i++) {
		uint64_t at = (echoes->newest + i) % ECHOES_WINDOW;
		echoes->seen[at / 64] &= ~(1ull << at % 64);
	}
	echoes->newest = sequence;
}

enum echo echoes_note(struct echoes *echoes, uint64_t sequence)
{
	uint64_t *word = &echoes->seen[sequence % ECHOES_WINDOW / 64], bit = 1ull << sequence % 64;
	if (sequence > echoes->newest) {
		move_window(echoes, sequence);
		*word |= bit;
		return ECHO_IN_ORDER;
	}
	if (echoes->newest - sequence >= ECHOES_WINDOW)
		return ECHO_REORDERED;
	if (*word & bit)
		return ECHO_DUPLICATE;
	*word |= bit;
	return ECHO_REORDERED;
}

bool echoes_complete(struct echoes *echoes, uint64_t flight, uint64_t datagrams)
{
	uint64_t number = flight + 1; // 0 is none
	struct flight *known = &echoes->flights[number % ECHOES_FLIGHTS];
	if (known->number < number)
		*known = (struct flight){.number = number};
	return known->number == number && ++known->back == datagrams;
}
