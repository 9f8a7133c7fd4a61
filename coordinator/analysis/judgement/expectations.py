"""Which of a campaign's expectations hold, judged on intervals. Pure.

Ratios are those of the verdicts: means of log-ratios over the blocks that count. Figures are those of the table. A
check passes if its own 95 % interval satisfies the limit: a campaign that should not pass does so in at most 2.5 % of
cases, however many checks it has. A check fails if its interval for all checks together (Bonferroni) violates the
limit: a campaign that should pass has a failed check in at most 2.5 % of cases.

Shares of slow requests are means, as in the table; all other figures and all ratios are geometric means.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.analysis.inference.stage import AT_ITS_LOOK, Stage
from coordinator.analysis.inference.statistics import CONFIDENCE, Estimate, finite_exp, interval
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.missed_blocks import missed_blocks
from coordinator.scheduling.lifecycle import CampaignState
from domain.campaigns.campaign import Cell
from domain.campaigns.cells import cell_at
from domain.campaigns.expectation import Expectation, places_of, read_expectation
from domain.loads.metric import SHARE_METRICS, Metric
from domain.reports.gate import Check, Outcome
from domain.reports.report import MIN_PAIRS
from domain.values.texts import number_text

MISSED_SHARE = 0.5  # of a level's blocks; a datapath that missed its load in more of them does not carry it
_UNITS = {Metric.REQUESTS_PER_S: "/s", Metric.SLO_CAPACITY_PER_S: "/s", **dict.fromkeys(SHARE_METRICS, " %")}


@dataclass(frozen=True)
class _Judge:
    """The intervals of one check: its own, and that for all checks together; over all looks of the campaign."""

    stage: Stage
    family: int

    def estimate(self, expectation: Expectation, values: Sequence[float]) -> Estimate | None:
        """The mean; ``None`` with too few values. The width of ratios may have ended the campaign."""
        found = interval(values) if len(values) >= MIN_PAIRS else None
        return found if expectation.reference is None else self.stage.judged(found)

    def own(self, estimate: Estimate) -> tuple[float, float]:
        """95 % for this check alone."""
        return estimate.bounds(1 - self.stage.rate(1 - CONFIDENCE))

    def together(self, estimate: Estimate) -> tuple[float, float]:
        """95 % for all checks of the campaign (Bonferroni)."""
        return estimate.bounds(1 - self.stage.rate((1 - CONFIDENCE) / self.family))


@dataclass(frozen=True)
class _Place:
    """One check: an expectation at one place."""

    name: str
    expression: str
    expectation: Expectation
    workload: str
    level: str

    def cell(self, label: str) -> Cell:
        """A datapath's cell here."""
        return cell_at(label, self.workload, self.level)


def checks_of(
    data: CampaignResults, state: str = CampaignState.COMPLETE, stage: Stage = AT_ITS_LOOK
) -> tuple[Check, ...]:
    """Each expectation at each of its places.

    They are undecided unless the campaign's ``state`` is complete: an interval that is looked at until it fits lies.
    """
    places = list(_places(data))
    judge = _Judge(stage, len(places))
    return tuple(_check(data, place, judge, state) for place in places)


def _places(data: CampaignResults) -> Iterator[_Place]:
    campaign = data.campaign
    for name, text in campaign.expect.items():
        expectation = read_expectation(text)
        for workload, level in places_of(expectation, campaign.levels, campaign.workloads):
            yield _Place(name, text, expectation, workload, level)


def _check(data: CampaignResults, place: _Place, judge: _Judge, state: str) -> Check:
    expectation = place.expectation
    values = _values(data, place)
    estimate = judge.estimate(expectation, values)
    if state != CampaignState.COMPLETE:
        outcome, why = Outcome.UNDECIDED, f"the campaign is {state}, not complete"
    elif not_carried := _not_carried(data, place):
        outcome, why = not_carried
    elif estimate is None:
        outcome, why = Outcome.UNDECIDED, _too_few(data, place, len(values))
    else:
        outcome, why = _judged(expectation, estimate, judge)
    found: Mapping[str, Any] = _figures(expectation, estimate, judge) if estimate else {}
    where = place.level if len(data.campaign.workloads) == 1 else f"{place.level} of {place.workload}"
    figure = f"{_figure_text(expectation, found)}, {len(values)} {_pairs(expectation)}" if found else ""
    return Check(
        name=place.name,
        expression=place.expression,
        workload=place.workload,
        level=place.level,
        datapath=expectation.label,
        reference=expectation.reference,
        metric=expectation.metric,
        at_most=expectation.at_most,
        limit=expectation.limit,
        outcome=outcome,
        pairs=len(values),
        sentence=f"at {where} " + "; ".join(filter(None, (figure, why))),
        **found,
    )


def _values(data: CampaignResults, place: _Place) -> list[float]:
    """The logarithms of the ratio, or of the figure, in each block that counts; of shares, the figures."""
    expectation, cell = place.expectation, place.cell(place.expectation.label)
    if expectation.reference is not None:
        return data.log_ratios(cell, expectation.reference, expectation.metric)
    figures = data.figures(cell, expectation.metric)
    return figures if expectation.metric in SHARE_METRICS else [math.log(figure) for figure in figures]


def _judged(expectation: Expectation, estimate: Estimate, judge: _Judge) -> tuple[Outcome, str]:
    limit = expectation.limit if expectation.metric in SHARE_METRICS else math.log(expectation.limit)
    sign = 1.0 if expectation.at_most else -1.0
    low, high = sorted(sign * (end - limit) for end in judge.own(estimate))  # at most zero is asked for
    if high <= 0:
        return Outcome.PASS, ""
    if low <= 0:
        return Outcome.UNDECIDED, "the interval covers the limit"
    if min(sign * (end - limit) for end in judge.together(estimate)) <= 0:
        return Outcome.UNDECIDED, f"alone it misses the limit, but among {judge.family} checks that may be chance"
    return Outcome.FAIL, ""


def _figures(expectation: Expectation, estimate: Estimate, judge: _Judge) -> dict[str, float]:
    ends = {"value": estimate.mean}
    ends |= zip(("low", "high"), judge.own(estimate), strict=True)
    ends |= zip(("simultaneous_low", "simultaneous_high"), judge.together(estimate), strict=True)
    if expectation.metric in SHARE_METRICS:
        return {name: min(100.0, max(0.0, end)) for name, end in ends.items()}
    return {name: finite_exp(end) for name, end in ends.items()}


def _figure_text(expectation: Expectation, found: Mapping[str, float]) -> str:
    value, low, high = (number_text(found[name], found["low"], found["high"]) for name in ("value", "low", "high"))
    if expectation.reference is not None:
        return f"{value} × {expectation.reference} [{low}, {high}]"
    return f"{value}{_UNITS.get(expectation.metric, ' µs')} [{low}, {high}]"


def _pairs(expectation: Expectation) -> str:
    return "pairs" if expectation.reference is not None else _units(expectation)


def _not_carried(data: CampaignResults, place: _Place) -> tuple[Outcome, str] | None:
    """What follows if a datapath did not carry the load in some blocks: their figures are missing, not good."""
    expectation = place.expectation
    if expectation.metric in SHARE_METRICS:  # those of overloaded trials are known: what was not answered is slow
        return None
    for label in filter(None, (expectation.label, expectation.reference)):
        found = missed_blocks(data, place.cell(label))
        if not found.missed:
            continue
        why = f"{label} did not carry the load in {found.missed} of {found.blocks} blocks ({found.reason})"
        fails = label == expectation.label and expectation.wants_better
        if fails and found.blocks >= MIN_PAIRS and found.missed > MISSED_SHARE * found.blocks:
            return Outcome.FAIL, why
        return Outcome.UNDECIDED, why
    return None


def _too_few(data: CampaignResults, place: _Place, pairs: int) -> str:
    expectation = place.expectation
    if expectation.reference is not None:
        pair = expectation.label, expectation.reference
        labels = data.compared(place.workload, place.level, expectation.metric, *pair).labels
        missing = [label for label in pair if label not in labels]
        if labels and missing:
            return f"{missing[0]} has no figure in enough {_units(expectation)}, so it is not compared"
    few = f"only {pairs}" if pairs else "no"
    return f"{few} valid {_pairs(expectation)}; an interval needs {MIN_PAIRS}"


def _units(expectation: Expectation) -> str:
    return "searches" if expectation.metric is Metric.SLO_CAPACITY_PER_S else "blocks"
