// SPDX-License-Identifier: Apache-2.0
// What the relay tells of itself: a file that it maps, and that others read while it runs and after it has ended.
// workers/datapaths/lib/relay.py knows the same layout.
#ifndef SHOWDOWN_PAGE_H
#define SHOWDOWN_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define PAGE_MAGIC 0x79616c6572776473ull // "sdwrelay"
#define PAGE_VERSION 1u
#define CACHE_LINE 64

enum page_state { PAGE_STARTING, PAGE_SERVING, PAGE_ENDED };

// One per thread, alone in its cache line.
struct tally {
	_Alignas(CACHE_LINE) _Atomic uint64_t accepted; // connections
	_Atomic uint64_t current;			// of them, open now
	_Atomic uint64_t bytes_to_origin;		// that the relay moved itself
	_Atomic uint64_t bytes_to_client;
	_Atomic uint64_t kernel_ways; // directions that the kernel splices: up to two per connection
	_Atomic uint64_t resets;      // connections that ended with a reset
	_Atomic uint64_t failures;    // connections that could not be served
	_Atomic uint64_t held_back;   // times that it stopped accepting: all connections were in use
};

struct page {
	uint64_t magic, version, threads;
	_Atomic uint64_t state;
	uint64_t unused[4];
	struct tally tallies[];
};

_Static_assert(sizeof(struct tally) == CACHE_LINE, "the layout is known elsewhere");
_Static_assert(sizeof(struct page) == CACHE_LINE, "the layout is known elsewhere");

// Of counters that one thread alone writes: no locked instruction.
static inline void tally_add(_Atomic uint64_t *counter, uint64_t amount)
{
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, now + amount, memory_order_relaxed);
}

#endif
