"""Verdicts as English sentences, and the caveats that a reader must know. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.analysis.inference.weights import over_levels
from coordinator.analysis.inference.word_interval import ratio_and_interval, word_interval
from coordinator.analysis.judgement.questions import SIGNIFICANCE
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.exceedance import points_text, share_claim
from coordinator.analysis.trials.slow import lack_of_slow
from domain.campaigns.margins import margin_text
from domain.loads.metric import SHARE_METRICS, Metric
from domain.reports.report import MIN_PAIRS, Family, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.values.names import FUNCTIONS, datapath_of
from domain.values.texts import counted, fit_text, of_workload, p_text

_UNITS = {
    Metric.REQUESTS_PER_S: "the requests/s",
    Metric.CPU_US_PER_REQUEST: "the whole host's CPU time per request",
    Metric.LATENCY_P50_US: "the p50 latency",
    Metric.LATENCY_P99_US: "the p99 latency",
    Metric.LATENCY_P999_US: "the p99.9 latency",
    Metric.SLO_CAPACITY_PER_S: "the rate within the SLO",
}
_SUBJECTS = {metric: unit.removeprefix("the ") for metric, unit in _UNITS.items()} | {
    Metric.CPU_US_PER_REQUEST: "CPU per request",
    **{metric: f"requests that take over {metric.over_ms} ms" for metric in SHARE_METRICS},
}
# Phrases for an equivalent, a better and a worse datapath.
_RATE = ("is as fast as {}", "is faster than {}", "is slower than {}")
_CPU = (
    "costs the host as much CPU per request as {}",
    "costs the host less CPU per request than {}",
    "costs the host more CPU per request than {}",
)
_LATENCY = ("answers as fast as {}", "answers faster than {}", "answers slower than {}")
_CAPACITY = (
    "carries as much within the SLO as {}",
    "carries more within the SLO than {}",
    "carries less within the SLO than {}",
)
_CLAIMS = {
    Metric.REQUESTS_PER_S: _RATE,
    Metric.CPU_US_PER_REQUEST: _CPU,
    Metric.SLO_CAPACITY_PER_S: _CAPACITY,
}


def subject_of(metric: Metric) -> str:
    """What a sentence is about that compares by this metric."""
    return _SUBJECTS[metric]


def claims_of(metric: Metric) -> tuple[str, str, str]:
    """Phrases for an equivalent, a better and a worse datapath, with a place for the other one."""
    return _CLAIMS.get(metric, _LATENCY)


@dataclass(frozen=True)
class Context:
    """What sentences need besides their verdict: the sizes of the families, and what watching costs by label."""

    data: CampaignResults
    primary: int
    exploratory: int
    taxes: Mapping[str, float]
    no_word: str = ""  # why there is none before the next look


def sentence_of(context: Context, verdict: Verdict, levels_differ_p: float | None = None) -> Verdict:
    """The verdict with its caveats and its sentence.

    ``levels_differ_p`` is set for a pooled estimate whose levels differ: it is shown, and its levels are judged.
    """
    found = [_copy(verdict), _small(verdict), _below_the_tax(verdict, context.taxes)]
    caveats = tuple(caveat for caveat in found if caveat)
    sentence = _text(context, verdict, caveats, levels_differ_p)
    return verdict.model_copy(update={"caveats": caveats, "sentence": sentence})


def _text(context: Context, verdict: Verdict, caveats: Sequence[str], levels_differ_p: float | None) -> str:
    where = place_of(context.data, verdict.workload, verdict.pooled_over or (verdict.level,), verdict.weights)
    compared = f"{verdict.datapath} compared with {verdict.reference} {where}, {_SUBJECTS[verdict.metric]}"
    if not verdict.has_enough_pairs:
        return f"{compared}: {_waiting(verdict)}."
    shares = verdict.metric.over_ms is not None
    figures = f"{points_text(verdict) if shares else _figures(verdict)}, {_pairs(verdict)}"
    if verdict.family is Family.SHOWN:
        return f"{compared}: {_why_shown(context, verdict, levels_differ_p)}: {figures}."
    if context.no_word:
        return f"{compared}: {context.no_word}: {figures}."
    prefix = "exploratory: " if verdict.family is Family.EXPLORATORY else ""
    notes = "".join(f"; note: {caveat}" for caveat in caveats)
    if shares:
        claim = f"{share_claim(verdict, where, context.data.margin(verdict.metric))}, {_pairs(verdict)}"
    else:
        claim = f"{_claim(context, verdict, where, compared)}: {figures}"
    return f"{prefix}{claim}, {_p(context, verdict)}{notes}."


def _pairs(verdict: Verdict) -> str:
    """How many there are; those of blocks without the other datapaths are named."""
    alone = f" ({verdict.focused_pairs} in blocks of the focus alone)" if verdict.focused_pairs else ""
    return f"{verdict.pairs} pairs{alone}"


def place_of(data: CampaignResults, workload: str, levels: tuple[str, ...], weights: Sequence[float] = ()) -> str:
    """Where a comparison holds: a level with its load, or the levels that it is pooled over."""
    alone = f"at {levels[0]} ({data.load(workload, levels[0])})" if len(levels) == 1 else ""
    return (alone or over_levels(levels, weights)) + of_workload(workload, data.campaign.workloads)


def _waiting(verdict: Verdict) -> str:
    of = "searches that found a rate" if verdict.metric is Metric.SLO_CAPACITY_PER_S else "valid trials"
    enough = " (a percentile also needs enough requests)" if verdict.metric.percentile is not None else ""
    return f"too few pairs, only {counted(verdict.pairs, 'pair')} of {of}{enough}; a verdict needs {MIN_PAIRS}"


def _why_shown(context: Context, verdict: Verdict, levels_differ_p: float | None) -> str:
    one, other = verdict.datapath, verdict.reference
    functions = [context.data.function(label) for label in (one, other)]
    if functions[0] != functions[1]:
        first, second = sorted(FUNCTIONS.get(function, function) for function in functions)
        return f"no verdict, as {first} is not {second} and has a price instead"
    if levels_differ_p is not None:
        return f"no pooled verdict, as the levels differ (p {p_text(levels_differ_p)}) and are judged one by one"
    if lack := lack_of_slow(context.data, verdict.workload, verdict.level, verdict.metric, (one, other)):
        return f"no verdict, as {lack}"
    return "no verdict, as it repeats requests/s: their product is the number of busy CPUs"


def _claim(context: Context, verdict: Verdict, where: str, compared: str) -> str:
    one, other = verdict.datapath, verdict.reference
    alike, better, worse = (words.format(other) for words in claims_of(verdict.metric))
    if verdict.verdict is VerdictWord.SAME:
        return f"{one} {alike} within ±{margin_text(verdict.metric, context.data.margin(verdict.metric))} {where}"
    if verdict.verdict is VerdictWord.UNCLEAR:
        return f"{compared}: unclear, the data fit anything from {fit_text(*word_interval(verdict))}"
    return f"{one} {better if verdict.verdict is VerdictWord.BETTER else worse} {where}"


def _figures(verdict: Verdict) -> str:
    value, bounds = ratio_and_interval(verdict)
    return f"{value} × {_UNITS[verdict.metric]} {bounds}"


def _p(context: Context, verdict: Verdict) -> str:
    p = p_text(verdict.p if verdict.p is not None else 1.0)
    if verdict.family is Family.PRIMARY:
        return f"p {p} among {counted(context.primary, 'primary comparison')}"
    return f"p {p} among {counted(context.exploratory, 'exploratory comparison')}"


def _copy(verdict: Verdict) -> str:
    same = datapath_of(verdict.datapath) == datapath_of(verdict.reference)
    return "A/A, the same datapath twice: any difference is noise" if same else ""


def _small(verdict: Verdict) -> str:
    low, high = word_interval(verdict)
    same = 1 if verdict.metric.over_ms is None else 0
    if verdict.verdict is not VerdictWord.SAME or low <= same <= high or verdict.p is None or verdict.p >= SIGNIFICANCE:
        return ""
    return "the difference is real but within the equivalence margin"


def _below_the_tax(verdict: Verdict, taxes: Mapping[str, float]) -> str:
    """Figures come from slices without probes, the explanation from slices that the probes slowed down.

    The tax is one of requests/s in closed loops, so it says nothing about other metrics.
    """
    if not taxes:
        return ""
    tax = max((taxes.get(label, 0.0) for label in (verdict.datapath, verdict.reference)), default=0.0)
    decided = verdict.verdict in (VerdictWord.BETTER, VerdictWord.WORSE)
    if not decided or verdict.metric is not Metric.REQUESTS_PER_S or not verdict.ratio or tax <= 0:
        return ""
    # Compare ratios: express the tax as a ratio in both directions.
    if max(verdict.ratio, 1 / verdict.ratio) >= 1 / (1 - min(tax, 0.99)):
        return ""
    return (
        f"the difference is smaller than the cost of watching ({tax * 100:.2g} % of requests/s in the watched "
        "slices, which are not counted): the probes cannot explain it"
    )
