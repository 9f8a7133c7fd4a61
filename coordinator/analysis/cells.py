"""The figures of one cell from its trials: geometric means, merged percentiles and caveats. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from coordinator.analysis.campaign_results import CampaignResults
from coordinator.analysis.load_shown import load_cautions, load_shown
from coordinator.analysis.statistics import Estimate, finite_exp, interval
from domain.campaign import Cell
from domain.histogram import LatencyHistogram
from domain.load import CapacityLoad
from domain.report import CellResult, Interval, Metric, Percentiles, metrics_of
from domain.trial import Reason, TrialResult

ENOUGH = 0.99  # of the scheduled requests; with fewer, an open level gets a caveat


def cell_result(data: CampaignResults, cell: Cell) -> CellResult:
    """The cell's figures over all its valid trials, or over its searches."""
    if isinstance(data.campaign.levels[cell.level], CapacityLoad):
        return _capacity_result(data, cell)
    trials = data.trials(cell)
    valid = [trial for trial in trials if trial.validity.valid]
    rate = _geometric_mean(data, valid, Metric.REQUESTS_PER_S, data.seed("rate", *cell.model_dump().values()))
    cpu = _geometric_mean(data, valid, Metric.CPU_US_PER_REQUEST, data.seed("cpu", *cell.model_dump().values()))
    known = rate is not None and rate.count > 1
    return CellResult(
        datapath=cell.datapath,
        function=data.function(cell.datapath),
        role=data.role(cell.datapath),
        workload=cell.workload,
        level=cell.level,
        load=data.load(cell.workload, cell.level),
        requests_per_s=finite_exp(rate.mean) if rate else None,
        requests_per_s_low=finite_exp(rate.low) if rate and known else None,
        requests_per_s_high=finite_exp(rate.high) if rate and known else None,
        cpu_us_per_request=finite_exp(cpu.mean) if cpu else None,
        share_of_direct=_share_of_limit(data, cell, bool(valid)),
        latency_us=_percentiles(trial.latency for trial in valid),
        service_time_us=_percentiles(trial.service_time for trial in valid),
        valid_trials=len(valid),
        invalid_trials=len(trials) - len(valid),
        invalid_for=None if valid else _commonest(trials),
        **_surroundings(data, cell, valid),
        caveats=(*_shortfall(data, cell, valid), *_mixed_offloads(valid)),
    )


def _capacity_result(data: CampaignResults, cell: Cell) -> CellResult:
    ended = [one[cell.datapath] for one in data.searches(cell) if one[cell.datapath].next_per_s is None]
    figures = [bracket.figure_per_s for bracket in ended if bracket.figure_per_s is not None]
    found = _of_logs([math.log(figure) for figure in figures], data.seed("slo", *cell.model_dump().values()))
    known = found is not None and found.count > 1
    whys = Counter(bracket.why_none for bracket in ended if bracket.figure_per_s is None)
    return CellResult(
        datapath=cell.datapath,
        function=data.function(cell.datapath),
        role=data.role(cell.datapath),
        workload=cell.workload,
        level=cell.level,
        load=data.load(cell.workload, cell.level),
        slo_capacity_per_s=finite_exp(found.mean) if found else None,
        slo_capacity_per_s_low=finite_exp(found.low) if found and known else None,
        slo_capacity_per_s_high=finite_exp(found.high) if found and known else None,
        share_of_direct=_share_of_limit(data, cell, bool(figures)),
        valid_trials=len(figures),
        invalid_trials=len(ended) - len(figures),
        **_surroundings(data, cell, data.search_trials(cell)),
        caveats=tuple(f"{times} of {len(ended)} searches found no rate: {why}" for why, times in whys.items()),
    )


def _commonest(trials: Sequence[TrialResult]) -> Reason | None:
    reasons = Counter(reason for trial in trials for reason in trial.validity.reasons)
    return max(reasons, key=lambda reason: reasons[reason], default=None)


def _surroundings(data: CampaignResults, cell: Cell, trials: Sequence[TrialResult]) -> dict[str, Any]:
    """The condition of the cell, and its effect in ``trials``; validity makes it the same in all of them."""
    shown = [trial.surroundings for trial in trials if trial.surroundings is not None]
    walked = [one.ballast_packets for one in shown if one.ballast_packets is not None]
    return {
        "condition": str(data.campaign.levels[cell.level].condition),
        "tracked": any(one.tracked for one in shown) if shown else None,
        "ballast_packets": sum(walked) if walked else None,
        "offloads": trials[-1].offloads if trials else {},
        **load_shown(trials),
    }


def _mixed_offloads(trials: Sequence[TrialResult]) -> tuple[str, ...]:
    """Offloads are the same within a block; a caveat says if hosts differ."""
    if all(trial.offloads == trials[0].offloads for trial in trials):
        return ()
    return ("its trials had different offloads: compare the results host by host",)


def _shortfall(data: CampaignResults, cell: Cell, trials: Sequence[TrialResult]) -> tuple[str, ...]:
    """A caveat if an open level answered fewer requests in its slices than were due: its load was lower."""
    asked_per_s, seconds = data.asked_per_s(cell.workload, cell.level), sum(trial.duration_s for trial in trials)
    if asked_per_s is None or not seconds:
        return ()
    made_per_s = sum(trial.answered_within for trial in trials) / seconds
    due = sum(trial.due or round(asked_per_s * trial.duration_s) for trial in trials)  # Poisson counts vary
    cautions = load_cautions(trials)
    if made_per_s * seconds >= ENOUGH * due:
        return cautions
    share = f"{100 * made_per_s * seconds / due:.1f} %"
    schedule = f"{asked_per_s:,}/s of its schedule"
    return (f"answered {made_per_s:,.0f} requests/s within its slices, {share} of the {schedule}", *cautions)


def _geometric_mean(
    data: CampaignResults, trials: Iterable[TrialResult], metric: Metric, seed: Sequence[int]
) -> Estimate | None:
    """Mean of logarithms over trials, so that the ratio of two cells equals the mean ratio of their pairs."""
    return _of_logs([math.log(value) for trial in trials if (value := data.figure(trial, metric)) is not None], seed)


def _of_logs(logs: Sequence[float], seed: Sequence[int]) -> Estimate | None:
    if len(logs) == 1:
        return Estimate(logs[0], logs[0], logs[0], 1)
    return interval(logs, seed)


def _share_of_limit(data: CampaignResults, cell: Cell, measured: bool) -> Interval | None:
    # An open level sets the rate, so a share of it means nothing; there the limit is compared like other datapaths.
    metric = metrics_of(data.campaign.levels[cell.level])[0]
    if data.limit is None or not metric.higher_is_better:
        return None
    if cell.datapath == data.limit:
        return Interval(value=1.0, low=1.0, high=1.0) if measured else None
    logs = data.log_ratios(cell, data.limit, metric)
    share = interval(logs, data.seed("share", *cell.model_dump().values()))
    if share is None:
        return None
    return Interval(value=finite_exp(share.mean), low=finite_exp(share.low), high=finite_exp(share.high))


def _percentiles(histograms: Iterable[LatencyHistogram | None]) -> Percentiles | None:
    merged = LatencyHistogram.merged(h for h in histograms if h is not None)
    p50, p99, p999 = (merged.percentile_ns(percentile) for percentile in (50, 99, 99.9))
    if p50 is None or p99 is None or p999 is None:
        return None
    return Percentiles(p50=p50 / 1000, p99=p99 / 1000, p999=p999 / 1000, count=merged.count)
