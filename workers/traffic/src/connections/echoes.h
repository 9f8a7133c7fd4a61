// SPDX-License-Identifier: Apache-2.0
// Which datagrams of a connection have come back, of udp_rr.
#ifndef SHOWDOWN_ECHOES_H
#define SHOWDOWN_ECHOES_H

#include <stdbool.h>
#include <stdint.h>

#define ECHOES_WINDOW 1024u // duplicates are detected among this many answers before the newest
#define ECHOES_FLIGHTS 256u // that may be incomplete at once

struct flight {
	uint64_t number, back; // how many of its datagrams came back
};

// One per connection.
struct echoes {
	uint64_t next, newest; // sequences start at 1
	uint64_t seen[ECHOES_WINDOW / 64];
	struct flight flights[ECHOES_FLIGHTS];
};

enum echo { ECHO_IN_ORDER, ECHO_REORDERED, ECHO_DUPLICATE };

// Notes an answer. One that is too old for the window counts as reordered each time.
enum echo echoes_note(struct echoes *echoes, uint64_t sequence);
// Whether this answer was the last one of its flight. A flight that is too old for the ring never becomes whole.
bool echoes_complete(struct echoes *echoes, uint64_t flight, uint64_t datagrams);

#endif
