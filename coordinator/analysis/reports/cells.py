"""The figures of one cell: geometric means over the blocks that count, pooled percentiles, caveats. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from coordinator.analysis.inference.statistics import finite_exp, interval
from coordinator.analysis.judgement.carrying import carried_blocks, carried_up_to, overload_caveat, overloaded_trials
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.columns import answered_within, column, known, offloads_of, reasons_of, valid_of
from coordinator.analysis.trials.declared import declared_cautions
from coordinator.analysis.trials.exceedance import mean_shares
from coordinator.analysis.trials.load_shown import in_flight, load_cautions, load_shown
from coordinator.analysis.trials.pool import Pool, Read
from coordinator.analysis.trials.searched import is_left_open, reason_for_none, search_caveats, searched_capacity
from coordinator.analysis.trials.slow import with_episodes
from coordinator.scheduling.digests import TrialDigest
from domain.campaigns.campaign import Cell
from domain.campaigns.focus import focus_at
from domain.loads.load import CapacityLoad, ClosedLoad, OpenLoad
from domain.loads.metric import Metric, first_metric
from domain.reports.report import MIN_PAIRS, CellResult, Interval, Percentiles
from domain.trials.trial import Reason

_FIGURES = (Metric.REQUESTS_PER_S, Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.LATENCY_P99_US)
ENOUGH = 0.99  # of the scheduled requests; with fewer, an open level gets a caveat


def cell_result(data: CampaignResults, cell: Cell) -> CellResult:
    """The cell's figures over the blocks, or the searches, that its level's ratios come from."""
    if isinstance(data.campaign.levels[cell.level], CapacityLoad):
        return _capacity_result(data, cell)
    trials = data.trials(cell)
    valid, pool = valid_of(trials), data.pool(cell)
    first = first_metric(data.campaign.levels[cell.level])
    rate, cpu, p50, p99 = (figure_of(data, cell, metric) for metric in _FIGURES)
    load = _load_carried(data, cell, trials, pool)
    return CellResult(
        **_identity(data, cell, trials),
        requests_per_s=rate.value if rate else None,
        requests_per_s_low=rate.low if rate else None,
        requests_per_s_high=rate.high if rate else None,
        cpu_us_per_request=cpu.value if cpu else None,
        latency_p50_us=p50.value if p50 else None,
        latency_p50_us_low=p50.low if p50 else None,
        latency_p50_us_high=p50.high if p50 else None,
        latency_p99_us=p99.value if p99 else None,
        **mean_shares(data, cell),
        share_of_direct=_share_of_limit(data, cell, bool(valid)),
        pairs=len(data.figures(cell, first)),
        compared=_is_compared(data, cell, first),
        compared_in_focus=_compared_in_focus(data, cell, first),
        latency_us=with_episodes(_percentiles(pool.latency), pool, len(valid)),
        service_time_us=_percentiles(pool.service_time),
        valid_trials=len(valid),
        invalid_trials=len(trials) - len(valid),
        invalid_for=None if valid else _commonest(trials),
        **_surroundings(data, cell, valid, pool),
        **load,
        caveats=(
            *_left_out(data, cell, first),
            *_shortfall(data, cell, valid, pool, p99.value if p99 else None),
            *overload_caveat(load.get("overloaded"), load.get("carried_in")),
            *_mixed_offloads(valid),
            *declared_cautions(data, cell),
        ),
    )


def _identity(data: CampaignResults, cell: Cell, trials: Sequence[TrialDigest]) -> dict[str, Any]:
    """What the cell is; fields of :class:`domain.reports.report.CellResult`."""
    return {
        "datapath": cell.datapath,
        "function": data.function(cell.datapath),
        "role": data.role(cell.datapath),
        "workload": cell.workload,
        "level": cell.level,
        "load": data.load(cell.workload, cell.level),
        "arrival": getattr(data.campaign.levels[cell.level], "arrival", ""),
        "in_flight": in_flight(trials),
    }


def _capacity_result(data: CampaignResults, cell: Cell) -> CellResult:
    ended = [one[cell.datapath] for one in data.searches(cell) if one[cell.datapath].next_per_s is None]
    figures = [search.figure_per_s for search in ended if search.figure_per_s is not None]
    found = figure_of(data, cell, Metric.SLO_CAPACITY_PER_S)
    trials, pool = data.search_trials(cell), data.search_pool(cell)
    return CellResult(
        **_identity(data, cell, trials),
        slo_capacity_per_s=found.value if found else None,
        slo_capacity_per_s_low=found.low if found else None,
        slo_capacity_per_s_high=found.high if found else None,
        slo_search=searched_capacity(data, cell),
        share_of_direct=_share_of_limit(data, cell, bool(figures)),
        pairs=len(data.figures(cell, Metric.SLO_CAPACITY_PER_S)),
        compared=_is_compared(data, cell, Metric.SLO_CAPACITY_PER_S),
        valid_trials=len(figures),
        invalid_trials=len(ended) - len(figures),
        invalid_for=reason_for_none(ended),
        left_open=is_left_open(ended),
        **_surroundings(data, cell, trials, pool),
        caveats=(*search_caveats(ended), *load_cautions(trials, pool)),
    )


def _commonest(trials: Sequence[TrialDigest]) -> Reason | None:
    reasons = Counter(reason for found in reasons_of(trials) for reason in found)
    return max(reasons, key=lambda reason: reasons[reason], default=None)


def _surroundings(data: CampaignResults, cell: Cell, trials: Sequence[TrialDigest], pool: Pool) -> dict[str, Any]:
    """The condition of the cell, and its effect in ``trials``; validity makes it the same in all of them."""
    tracked, walked = (known(column(trials, name)) for name in ("tracked", "ballast_packets"))
    return {
        "condition": str(data.campaign.levels[cell.level].condition),
        "tracked": any(tracked) if tracked else None,
        "ballast_packets": int(sum(walked)) if walked else None,
        "offloads": dict(trials[-1].words.offloads) if trials else {},
        **load_shown(trials, pool.lag),
    }


def _load_carried(data: CampaignResults, cell: Cell, trials: Sequence[TrialDigest], pool: Pool) -> dict[str, Any]:
    """Whether an open level's load was carried, and what the overloaded trials were like."""
    load = data.campaign.levels[cell.level]
    if isinstance(load, ClosedLoad):
        return {}
    changes = isinstance(load, OpenLoad) and load.profile is not None
    return {
        "carried_in": carried_blocks(trials),
        "carried_up_to": carried_up_to(trials) if changes else None,
        "overloaded": overloaded_trials(trials, pool),
    }


def _mixed_offloads(trials: Sequence[TrialDigest]) -> tuple[str, ...]:
    """Offloads are the same within a block; a caveat says if hosts differ."""
    if len(set(map(frozenset, offloads_of(trials)))) < 2:
        return ()
    return ("its trials had different offloads: compare the results host by host",)


def _shortfall(
    data: CampaignResults, cell: Cell, trials: Sequence[TrialDigest], pool: Pool, p99_us: float | None
) -> tuple[str, ...]:
    """A caveat if an open level answered fewer requests in its slices than were due: its load was lower."""
    asked_per_s, seconds = data.asked_per_s(cell.workload, cell.level), sum(column(trials, "duration_s"))
    if asked_per_s is None or not seconds:
        return ()
    made_per_s = sum(answered_within(trials)) / seconds
    counts = zip(column(trials, "due"), column(trials, "duration_s"), strict=True)
    due = sum(due if due > 0 else round(asked_per_s * duration_s) for due, duration_s in counts)  # Poisson counts vary
    cautions = load_cautions(trials, pool, p99_us)
    if made_per_s * seconds >= ENOUGH * due:
        return cautions
    share = f"{100 * made_per_s * seconds / due:.1f} %"
    schedule = f"{due / seconds:,.0f}/s that were due"
    rest = "the others were under way as a slice ended, or never answered"
    return (f"answered {made_per_s:,.0f} requests/s within its slices, {share} of the {schedule}: {rest}", *cautions)


class Mean(NamedTuple):
    """A geometric mean, and its 95 % interval where there are pairs enough for one."""

    value: float
    low: float | None
    high: float | None


def figure_of(data: CampaignResults, cell: Cell, metric: Metric) -> Mean | None:
    """The cell's figure over the blocks that count: the ratio of two cells is the mean ratio of their pairs.

    The interval includes the host's drift from block to block, which cancels in ratios.
    """
    found = data.compared(cell.workload, cell.level, metric)
    if cell.datapath in found.labels:
        logs = found.log_column(cell.datapath)
    else:
        logs = [math.log(figure) for figure in data.figures(cell, metric)]
    if not logs:
        return None
    estimate = interval(logs) if len(logs) >= MIN_PAIRS else None
    low, high = (finite_exp(estimate.low), finite_exp(estimate.high)) if estimate else (None, None)
    return Mean(finite_exp(math.fsum(logs) / len(logs)), low, high)


def _is_compared(data: CampaignResults, cell: Cell, metric: Metric) -> bool:
    return cell.datapath in data.compared(cell.workload, cell.level, metric).labels


def _left_out(data: CampaignResults, cell: Cell, metric: Metric) -> tuple[str, ...]:
    """A caveat if the datapath lacked its figure in so many blocks that it is not compared with all others."""
    figures = data.figures(cell, metric)
    blocks = int((~data.alone(cell.workload, cell.level)).sum())
    if not figures or _is_compared(data, cell, metric):
        return ()
    focus = _compared_in_focus(data, cell, metric)
    others = f"is compared with {' and '.join(focus)} only, in blocks of the focus, too" if focus else "is not compared"
    return (f"valid in {len(figures)} of {blocks} blocks only: its figures are of those, and it {others}",)


def _compared_in_focus(data: CampaignResults, cell: Cell, metric: Metric) -> tuple[str, ...]:
    """The datapaths of the focus that a datapath is compared with though it lacks too many blocks of all datapaths."""
    if _is_compared(data, cell, metric):
        return ()
    place = cell.workload, cell.level, metric
    others = (label for label in focus_at(data.campaign, cell.level) if label != cell.datapath)
    pairs = {one: data.compared(*place, cell.datapath, one).pairs(cell.datapath, one) for one in others}
    return tuple(one for one, count in pairs.items() if count >= MIN_PAIRS)


def _share_of_limit(data: CampaignResults, cell: Cell, measured: bool) -> Interval | None:
    # An open level sets the rate, so a share of it means nothing; there the limit is compared like other datapaths.
    metric = first_metric(data.campaign.levels[cell.level])
    if data.limit is None or not metric.higher_is_better:
        return None
    if cell.datapath == data.limit:
        return Interval(value=1.0, low=1.0, high=1.0) if measured else None
    logs = data.log_ratios(cell, data.limit, metric)
    share = interval(logs)
    if share is None or share.count < MIN_PAIRS:
        return None
    return Interval(value=finite_exp(share.mean), low=finite_exp(share.low), high=finite_exp(share.high))


def _percentiles(found: Read | None) -> Percentiles | None:
    if found is None or found.p50_us is None or found.p99_us is None or found.p999_us is None:
        return None
    return Percentiles(p50=found.p50_us, p99=found.p99_us, p999=found.p999_us, count=found.count)
