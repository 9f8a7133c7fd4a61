// SPDX-License-Identifier: Apache-2.0
// Whether a thread stood still: it was neither running, nor waiting for a CPU, nor asleep as long as it had asked to
// be. A stopped process, a frozen cgroup, a page that came from a disk. In a closed loop nothing else tells: no request
// is late where none was due.
#ifndef SHOWDOWN_BEAT_H
#define SHOWDOWN_BEAT_H

#include <stdint.h>

// The thread's own accounts at its last beat. A thread beats at least every BEAT_NS as long as it runs as it should.
struct beat {
	int schedstat_fd; // -1: this kernel does not tell how long a thread waited for its CPU
	uint64_t at_ns, cpu_ns, run_queue_ns;
};

// By the thread itself.
void beat_begin(struct beat *beat);
// The time since the last beat in which the thread stood still; 0 where it did not, or too shortly to tell.
uint64_t beat_stood_ns(struct beat *beat, uint64_t now_ns, uint64_t expected_ns);
// How long the thread has waited for a CPU in its life; 0 where the kernel does not tell.
uint64_t beat_run_queue_ns(const struct beat *beat);
void beat_end(struct beat *beat);

#endif
