"""How much CPU time the hypervisor, foreign processes and a CPU limit may take, as shares of the host's CPUs.

Trials and slices that exceed a limit are invalid (workers/runner). A watched slice that does explains nothing, and its
trial still counts (coordinator/analysis). The idle baseline is measured again.
"""

# Of the counted slices of a trial together, and of any one of them.
MAX_STEAL_SHARE, MAX_FOREIGN_SHARE = 0.05, 0.10
MAX_SLICE_STEAL_SHARE, MAX_SLICE_FOREIGN_SHARE = 0.20, 0.20
# A CPU limit of the worker's own cgroup stops generator, datapath and origin for tens of milliseconds at a time.
MAX_THROTTLED_SHARE, MAX_SLICE_THROTTLED_SHARE = 0.01, 0.05
# Of a watched slice, of 0.3 s at least: 10 % of two CPUs are six scheduler ticks of 10 ms.
MAX_WATCHED_STEAL_SHARE, MAX_WATCHED_FOREIGN_SHARE = 0.05, 0.10
# Of the idle baseline, which is subtracted from the CPU figures of open levels.
MAX_FOREIGN_IDLE_SHARE = 0.05
BASELINE_S = 0.5  # idle time before the first slice, with every lab built …
BASELINE_LOOKS = 4  # … repeated while other processes are busy


def baseline_looks(attempt: int) -> int:
    """How often an attempt measures its baseline at most: a second one 4 times as often as the first, a third 9 times.

    A block has only three attempts, and a process that is busy for seconds would spoil them all.
    """
    return BASELINE_LOOKS * attempt**2


def calm_wait_s(attempt: int) -> float:
    """How long an attempt waits at most until other processes are idle."""
    return BASELINE_S * baseline_looks(attempt)
