"""What stands beside a cell's figures about its load: the generator's part in the latency, and the CPUs in use."""

from collections.abc import Sequence
from typing import Any

from coordinator.analysis.trials.columns import column, known, sum_known
from coordinator.analysis.trials.pool import Pool, Read
from coordinator.scheduling.digests import TrialDigest
from domain.hosts.cpu_time import CpuTime
from domain.trials.carried import cautions


def load_shown(trials: Sequence[TrialDigest], lag: Read | None) -> dict[str, Any]:
    """Fields of a cell, over its valid trials; ``lag`` is their pooled lag."""
    return {"queued_share": _queued_share(trials), "lag_p99_us": lag.p99_us if lag else None, **cpus_shown(trials)}


def in_flight(trials: Sequence[TrialDigest]) -> int | None:
    """The most requests in flight in any trial, valid or not; ``None`` in a closed loop and of older results."""
    limits = known(column(trials, "in_flight"))
    return int(max(limits)) if limits else None


def cpus_shown(trials: Sequence[TrialDigest]) -> dict[str, Any]:
    """How many CPUs were busy on average, and of how many."""
    cpu = _cpu(trials)
    return {
        "cpus_used": cpu.busy_s / cpu.wall_s if cpu.wall_s else None,
        "cpus": cpu.cpus if cpu.wall_s else None,
    }


def load_cautions(trials: Sequence[TrialDigest], pool: Pool, latency_p99_us: float | None = None) -> tuple[str, ...]:
    """What a reader of the cell's latency must know about the generator, in sentences.

    ``latency_p99_us`` is the p99 that the cell shows; without one, the pooled p99 counts.
    """
    p99_us = latency_p99_us or (pool.latency.p99_us if pool.latency else None)
    return cautions(_queued_share(trials), pool.lag.p99_us if pool.lag else None, p99_us)


def _queued_share(trials: Sequence[TrialDigest]) -> float | None:
    """Unknown if one trial does not say it."""
    queued, due = (sum_known(column(trials, name)) for name in ("queued", "due"))
    return queued / due if queued is not None and due else None


def _cpu(trials: Sequence[TrialDigest]) -> CpuTime:
    wall_s, idle_s, steal_s = (sum(column(trials, name)) for name in ("wall_s", "idle_s", "steal_s"))
    return CpuTime(wall_s=wall_s, cpus=int(max(column(trials, "cpus"), default=1)), idle_s=idle_s, steal_s=steal_s)
