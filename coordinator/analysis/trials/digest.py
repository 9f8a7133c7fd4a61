"""The digest of a trial: its figures, each read from the histograms once. Pure."""

from array import array
from collections.abc import Iterable, Mapping
from math import nan

from coordinator.scheduling.digests import (
    COUNTED,
    FIELDS,
    FIGURE,
    LACKS_FIGURE,
    BlockDigest,
    Declared,
    DeclaredKey,
    Judged,
    Stages,
    Times,
    TrialDigest,
    TrialWords,
)
from coordinator.scheduling.records import AttemptRecord, SearchStep
from coordinator.scheduling.step_result import Aim, is_judged_by_slice, judge
from domain.campaigns.campaign import Campaign
from domain.hosts.noise_limits import MAX_SLICE_THROTTLED_SHARE, MAX_WATCHED_FOREIGN_SHARE, MAX_WATCHED_STEAL_SHARE
from domain.loads.load import CapacityLoad
from domain.loads.metric import SHARE_METRICS, Metric
from domain.probes.sample import is_matched
from domain.probes.watched import StageRole
from domain.trials.carried import is_delivered
from domain.trials.exceedance import percents_over
from domain.trials.trial import BlockResult, Finding, ProbeReading, SliceResult, TrialResult, Validity

MOST_FINDINGS = 20  # that the analysis reads of one trial; the trial has all
_PERCENTILES = (Metric.LATENCY_P50_US, Metric.LATENCY_P99_US, Metric.LATENCY_P999_US)


def with_digest(campaign: Campaign, attempt: AttemptRecord) -> AttemptRecord:
    """The attempt with its digest, if it has a result."""
    if attempt.digest is not None or attempt.result is None:
        return attempt
    return attempt.with_digest(block_digest(campaign, attempt.level, attempt.result, attempt.search))


def block_digest(campaign: Campaign, level: str, result: BlockResult, search: SearchStep | None) -> BlockDigest:
    """The digest of a result of a block at ``level``; of a step of a search with what each trial says."""
    trials = {one.datapath: trial_digest(one, _judged(campaign, level, one, search)) for one in result.trials}
    return BlockDigest(result.host, result.wall_s, result.fingerprint, trials, result.telemetry)


def trial_digest(trial: TrialResult, judged: Judged | None = None) -> TrialDigest:
    """The digest of one trial."""
    known = _counts(trial) | _figures(trial) | _surroundings(trial) | _watched(trial)
    return TrialDigest(
        TrialWords(
            *(trial.datapath, trial.function, trial.role, trial.workload, trial.level),
            *(tuple(trial.offloads.items()), trial.over),
        ),
        array("d", [nan if (value := known[name]) is None else value for name in FIELDS]),
        _few(trial.validity),
        stages=_stages(trial),
        judged=judged,
        declared=_declared(trial),
        times=Times(trial.latency, trial.service_time, trial.timings.get("schedule_lag"), trial.episodes),
    )


def _few(validity: Validity) -> tuple[Finding, ...]:
    """The findings in their order: the first of each reason, and further ones as long as there are few."""
    found = validity.findings
    if len(found) <= MOST_FINDINGS:
        return found
    first = {one.reason: one for one in reversed(found)}.values()
    return tuple(one for one in found if any(one is other for other in first))


def _declared(trial: TrialResult) -> Declared:
    keys = tuple(
        DeclaredKey(one.name, one.title, one.unit, one.added, one.signed, one.most, one.caution)
        for one in trial.figures
    )
    return Declared(keys, array("d", [one.value for one in trial.figures]))


def _judged(campaign: Campaign, level: str, trial: TrialResult, search: SearchStep | None) -> Judged | None:
    rate_per_s = search.rates_per_s.get(trial.datapath) if search is not None else None
    if rate_per_s is None:
        return None
    slo = campaign.levels.get(level)
    aim = Aim(slo, slo.arrival) if isinstance(slo, CapacityLoad) else Aim(None)
    found = judge(aim, rate_per_s, trial)
    return Judged(found.met, found.missed, found.why, found.again, is_judged_by_slice(trial))


def _counts(trial: TrialResult) -> dict[str, float | None]:
    return {
        "requests": trial.requests,
        "duration_s": trial.duration_s,
        "delivered": trial.delivered,
        "due": trial.due,
        "queued": trial.queued,
        "in_flight": trial.in_flight,
        "censored": trial.censored,
        "wall_s": trial.cpu.wall_s,
        "cpus": trial.cpu.cpus,
        "idle_s": trial.cpu.idle_s,
        "steal_s": trial.cpu.steal_s,
    }


def _figures(trial: TrialResult) -> dict[str, float | None]:
    times = {metric.value: _latency_us(trial, metric.percentile or 0) for metric in _PERCENTILES}
    limits_ms = [metric.over_ms or 0 for metric in SHARE_METRICS]
    over = percents_over(trial, limits_ms) or [None] * len(limits_ms)
    episodes = trial.episodes
    slow = [None if episodes is None else episodes.beyond(ms * 1e6) for ms in limits_ms]
    highest_per_s, to_its_end = _highest_carried(trial.slices)
    return {
        "requests_per_s": trial.requests_per_s,
        "cpu_us_per_request": trial.cpu_us_per_request,
        **times,
        **{metric.value: percent for metric, percent in zip(SHARE_METRICS, over, strict=True)},
        **{f"episodes_over_{ms}ms": count for ms, count in zip(limits_ms, slow, strict=True)},
        "has_latency": trial.latency is not None,
        "highest_carried_per_s": highest_per_s,
        "carried_to_its_end": to_its_end,
    }


def _latency_us(trial: TrialResult, percentile: float) -> float | None:
    """``None`` if no request lies beyond the percentile, because it would equal the maximum."""
    count = trial.latency.count if trial.latency is not None else 0
    return trial.latency_us(percentile) if count * (100 - percentile) >= 100 - 1e-6 else None


def _highest_carried(slices: Iterable[SliceResult]) -> tuple[float, bool]:
    """The rate up to which each slice was carried, as it was due in the slice, and whether that is all of them.

    Older slices do not say if they were carried.
    """
    counted = [one for one in slices if one.due and one.duration_s and not one.probed and not one.profiled]
    highest = 0.0
    for one in sorted(counted, key=lambda one: (one.due or 0) / one.duration_s):
        delivered = is_delivered(one.due or 0, one.answered_within, one.pending_middle)
        if not delivered or one.carried is False:
            return highest, False
        highest = (one.due or 0) / one.duration_s
    return highest, bool(counted)


def _surroundings(trial: TrialResult) -> dict[str, float | None]:
    found = trial.surroundings
    return {
        "tracked": None if found is None else found.tracked,
        "ballast_packets": None if found is None else found.ballast_packets,
    }


def _watched(trial: TrialResult) -> dict[str, float | None]:
    watched = [one for one in trial.slices if one.probed]
    watched_s = sum(one.duration_s for one in watched)
    wait_ns = trial.window_times.send_wait_ns if trial.window_times else None
    counted = trial.latency or trial.service_time
    is_evidence = trial.watched_requests and trial.probes
    return {
        "watched_rate_per_s": sum(one.requests for one in watched) / watched_s if watched_s else None,
        "is_disturbed": any(_is_noisy(one, trial.cpu.cpus) for one in watched),
        "watched_mean_us": _mean_us(trial) if is_evidence else None,
        "is_timed": trial.window_times is not None,
        "send_wait_us": None if wait_ns is None else wait_ns / 1000,
        "watched_requests": trial.watched_requests,
        "unwatched_mean_ns": counted.mean_ns if is_evidence and counted else None,
    }


def _mean_us(trial: TrialResult) -> float | None:
    if trial.window_times:
        return trial.window_times.mean_ns / 1000
    mean_ns = trial.watched_latency.mean_ns if trial.watched_latency is not None else None
    closed_loop = trial.latency is None
    pace = trial.watched_pace if closed_loop and trial.watched_pace else 1.0
    return None if mean_ns is None else mean_ns / 1000 / pace


def _is_noisy(one: SliceResult, cpus: int) -> bool:
    limits = {"steal_s": MAX_WATCHED_STEAL_SHARE, "foreign_s": MAX_WATCHED_FOREIGN_SHARE,
              "throttled_s": MAX_SLICE_THROTTLED_SHARE}  # fmt: skip
    return any((getattr(one, name) or 0.0) > limit * one.duration_s * cpus for name, limit in limits.items())


def _stages(trial: TrialResult) -> Stages | None:
    """``None`` where nothing was watched."""
    requests = trial.watched_requests
    if not trial.probes and not trial.work:
        return None
    readings: Mapping[StageRole, ProbeReading] = {
        StageRole(one.stage, one.role): one for one in trial.probes if one.applies
    }
    us = [(one.mean_ns or 0.0) * one.events / requests / 1000 if requests else 0.0 for one in readings.values()]
    return Stages(
        tuple(readings),
        array("d", us),
        bytes(_known(one) for one in readings.values()),
        tuple(trial.work),
        array("d", trial.work.values()),
    )


def _known(reading: ProbeReading) -> int:
    return (
        (FIGURE if _is_figure(reading) else 0)
        | (LACKS_FIGURE if _lacks_figure(reading) else 0)
        | (COUNTED if reading.count else 0)
    )


def _is_figure(reading: ProbeReading) -> bool:
    """Enough starts were matched, and the events are known; or the probe watched, and nothing began."""
    if reading.count:
        return reading.events > 0 and is_matched(reading.matched)
    return not _lacks_figure(reading)


def _lacks_figure(reading: ProbeReading) -> bool:
    """Something began, and was not measured well enough."""
    began = reading.count > 0 or reading.lost > 0 or reading.matched is not None
    return began and not (reading.count > 0 and reading.events > 0 and is_matched(reading.matched))
