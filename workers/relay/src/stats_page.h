// SPDX-License-Identifier: Apache-2.0
// The relay's counters in a shared memory-mapped file. Others can read it while the relay runs and after it exits.
// workers/relay/stats_page.py reads it. test_relay_layout.py compares both by field name and offset.
#ifndef SHOWDOWN_STATS_PAGE_H
#define SHOWDOWN_STATS_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define STATS_PAGE_MAGIC 0x79616c6572776473ull // "sdwrelay"
#define STATS_PAGE_VERSION 2u
#define CACHE_LINE 64

enum stats_page_state { STATS_PAGE_STARTING, STATS_PAGE_SERVING, STATS_PAGE_ENDED };

// One per thread, each in cache lines that no other thread writes often. What a UDP relay counts is said behind "UDP".
struct counters {
	_Alignas(CACHE_LINE) _Atomic uint64_t accepted; // connections from clients; UDP: flows
	_Atomic uint64_t current;			// sessions open now; UDP: flows
	_Atomic uint64_t bytes_to_origin;		// moved by the relay itself, not by the kernel
	_Atomic uint64_t bytes_to_client;
	_Atomic uint64_t kernel_directions; // directions handed to the kernel: up to two per session
	_Atomic uint64_t resets;	    // sessions that ended with a reset
	_Atomic uint64_t failures;	    // sessions that the relay could not serve; UDP: flows
	// times that the thread stopped accepting, for lack of sessions or memory; UDP: datagrams dropped, as all flows
	// were in use
	_Atomic uint64_t held_back;
	_Atomic uint64_t datagrams_to_origin;
	_Atomic uint64_t datagrams_to_client;
	_Atomic uint64_t lost_datagrams; // that a socket did not take
};

struct stats_page {
	uint64_t magic, version, threads;
	_Atomic uint64_t state;
	uint64_t unused[4];
	struct counters counters[];
};

_Static_assert(sizeof(struct counters) == 2 * CACHE_LINE, "two cache lines per thread");
_Static_assert(sizeof(struct stats_page) == CACHE_LINE, "the header fills one cache line");

// For a counter that only one thread writes: needs no locked instruction.
static inline void counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, now + amount, memory_order_relaxed);
}

#endif
