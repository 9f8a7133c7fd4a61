"""What stands beside a cell's figures about its load: the generator's part in the latency, and the CPUs in use."""

from collections.abc import Sequence
from typing import Any

from domain.carried import Carried, cautions
from domain.cpu_time import CpuTime
from domain.histogram import LatencyHistogram
from domain.trial import TrialResult


def load_shown(trials: Sequence[TrialResult]) -> dict[str, Any]:
    """Fields of a cell, over its valid trials."""
    cpu = _cpu(trials)
    return {
        "queued_share": Carried.sum_of(trials).queued_share,
        "lag_p99_us": _p99_us([trial.timings.get("schedule_lag") for trial in trials]),
        "cpus_used": cpu.busy_s / cpu.wall_s if cpu.wall_s else None,
        "cpus": cpu.cpus if cpu.wall_s else None,
    }


def load_cautions(trials: Sequence[TrialResult], latency_p99_us: float | None = None) -> tuple[str, ...]:
    """What a reader of the cell's latency must know about the generator, in sentences.

    ``latency_p99_us`` is the p99 that the cell shows; without one, the pooled p99 counts.
    """
    shown = load_shown(trials)
    p99_us = latency_p99_us or _p99_us([trial.latency for trial in trials])
    return cautions(shown["queued_share"], shown["lag_p99_us"], p99_us)


def _cpu(trials: Sequence[TrialResult]) -> CpuTime:
    total = CpuTime()
    for trial in trials:
        total = total.plus(trial.cpu)
    return total


def _p99_us(histograms: Sequence[LatencyHistogram | None]) -> float | None:
    known = [one for one in histograms if one is not None]
    value_ns = LatencyHistogram.merged(known).percentile_ns(99) if known else None
    return None if value_ns is None else value_ns / 1000
