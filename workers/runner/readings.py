"""Turns what the probes saw of a trial into the readings of its result. Pure."""

from domain.probes.sample import StageHistogram, is_matched
from domain.probes.watched import StageRole, Watched
from domain.trials.trial import ProbeReading


def readings(watched: Watched) -> tuple[ProbeReading, ...]:
    """A reading for every stage and role, including those that do not apply to the datapath."""
    measured = [_reading(key, histogram, watched.events.get(key, 0.0)) for key, histogram in watched.stages.items()]
    absent = [
        ProbeReading(stage=stage, count=0, sum_ns=0, applies=False, why_absent=why)
        for stage, why in sorted(watched.absent.items())
    ]
    return (*measured, *absent)


def _reading(key: StageRole, histogram: StageHistogram, events: float) -> ProbeReading:
    trusted = is_matched(histogram.matched)
    return ProbeReading(
        stage=key.stage,
        role=key.role,
        events=events,
        count=histogram.count,
        sum_ns=histogram.sum_ns,
        p50_ns=histogram.percentile_ns(50) if trusted else None,
        p99_ns=histogram.percentile_ns(99) if trusted else None,
        max_ns=histogram.max_ns,
        matched=histogram.matched,
        lost=histogram.lost,
    )
