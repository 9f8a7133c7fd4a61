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
