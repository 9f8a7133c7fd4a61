"""Verdicts as English sentences, and the caveats that a reader must know. Pure."""

from coordinator.analysis.statistics import smallest_p
from domain.campaign import Campaign
from domain.names import FUNCTIONS, datapath_of
from domain.report import MIN_PAIRS, Metric, Verdict, VerdictWord

SIGNIFICANCE = 0.05
_UNITS = {
    Metric.REQUESTS_PER_S: "the requests/s",
    Metric.CPU_US_PER_REQUEST: "the CPU time per request",
    Metric.LATENCY_P50_US: "the p50 latency",
    Metric.LATENCY_P99_US: "the p99 latency",
    Metric.LATENCY_P999_US: "the p99.9 latency",
    Metric.SLO_CAPACITY_PER_S: "the rate within the SLO",
}
# With few blocks no p can pass Holm's adjustment. That is true of every sentence, so it is a caveat only.
OUT_OF_REACH = "could not have made it smaller"
_SUBJECTS = {metric: unit.removeprefix("the ") for metric, unit in _UNITS.items()} | {
    Metric.CPU_US_PER_REQUEST: "CPU per request"
}
# Phrases for an equivalent, a better and a worse datapath.
_RATE = ("is as fast as {}", "is faster than {}", "is slower than {}")
_CPU = (
    "costs as much CPU per request as {}",
    "costs less CPU per request than {}",
    "costs more CPU per request than {}",
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


def caveats_of(verdict: Verdict, functions: tuple[str, str], family: int, probe_tax: float = 0.0) -> tuple[str, ...]:
    """The caveats of a verdict; ``functions`` are the datapath's and the reference's.

    ``family`` is the number of comparisons in Holm's adjustment. ``probe_tax`` is the share of requests/s that watching
    cost, of the two datapaths the larger.
    """
    found = [_across_functions(*functions), _copy(verdict), _small(verdict), _below_the_tax(verdict, probe_tax)]
    found.append(_after_holm(verdict, family))
    return tuple(caveat for caveat in found if caveat)


def sentence_of(campaign: Campaign, verdict: Verdict, load: str) -> str:
    """The verdict in one sentence with ratio, interval, pairs and caveats; ``verdict.caveats`` is set already.

    ``load`` is the level as shown to users.
    """
    where = f"at {verdict.level} load ({load})"
    if len(campaign.workloads) > 1:
        where += f" of {verdict.workload}"
    pairs = f"{verdict.pairs} {'pair' if verdict.pairs == 1 else 'pairs'}"
    if not verdict.has_enough_pairs:
        of = "searches that found a rate" if verdict.metric is Metric.SLO_CAPACITY_PER_S else "valid trials"
        enough = " with enough requests" if verdict.metric.percentile is not None else ""
        return (
            f"{verdict.datapath} compared with {verdict.reference} {where}, {_SUBJECTS[verdict.metric]}: inconclusive, "
            f"only {pairs} of {of}{enough}; a verdict needs {MIN_PAIRS}."
        )
    interval = f"[{_number(verdict.low)}, {_number(verdict.high)}]"
    figures = f"{_number(verdict.ratio)} × {_UNITS[verdict.metric]} {interval}, {pairs}"
    notes = "".join(f"; note: {caveat}" for caveat in verdict.caveats if OUT_OF_REACH not in caveat)
    return f"{_claim(campaign, verdict, where)}: {figures}{notes}."


def _claim(campaign: Campaign, verdict: Verdict, where: str) -> str:
    one, other = verdict.datapath, verdict.reference
    alike, better, worse = (words.format(other) for words in _CLAIMS.get(verdict.metric, _LATENCY))
    if verdict.verdict is VerdictWord.EQUIVALENT:
        return f"{one} {alike} within ±{campaign.equivalence_margin * 100:g} % {where}"
    if verdict.verdict is VerdictWord.INCONCLUSIVE:
        effect = (verdict.smallest_effect or 0.0) * 100
        why = f"a difference below {effect:.2g} % would not have shown" if effect < 100 else "the data vary too much"
        return f"{one} compared with {other} {where}, {_SUBJECTS[verdict.metric]}: inconclusive, {why}"
    return f"{one} {better if verdict.verdict is VerdictWord.FASTER else worse} {where}"


def _across_functions(one: str, other: str) -> str:
    if one == other or "unknown" in (one, other):
        return ""
    first, second = sorted((FUNCTIONS.get(one, one), FUNCTIONS.get(other, other)))
    return f"{first} is not {second}"


def _copy(verdict: Verdict) -> str:
    same = datapath_of(verdict.datapath) == datapath_of(verdict.reference)
    return "A/A, the same datapath twice: any difference is noise" if same else ""


def _small(verdict: Verdict) -> str:
    if verdict.verdict is not VerdictWord.EQUIVALENT or _covers_1(verdict):
        return ""
    return "the difference is real but within the equivalence margin"


def _below_the_tax(verdict: Verdict, probe_tax: float) -> str:
    """Figures come from slices without probes, the explanation from slices that the probes slowed down."""
    if verdict.verdict not in (VerdictWord.FASTER, VerdictWord.SLOWER) or verdict.ratio is None or probe_tax <= 0:
        return ""
    # Compare ratios: express the tax as a ratio in both directions.
    if max(verdict.ratio, 1 / verdict.ratio) >= 1 / (1 - min(probe_tax, 0.99)):
        return ""
    return (
        f"the difference is smaller than the cost of watching ({probe_tax * 100:.2g} % of requests/s in the watched "
        "slices, which are not counted): the probes cannot explain it"
    )


def _after_holm(verdict: Verdict, family: int) -> str:
    if verdict.p is None or verdict.p < SIGNIFICANCE or _covers_1(verdict):
        return ""
    among = f"p after Holm's adjustment over {family} comparisons is {verdict.p:.2g}"
    if smallest_p(verdict.pairs) * family >= SIGNIFICANCE:
        return f"{among}; {verdict.pairs} pairs {OUT_OF_REACH} than {SIGNIFICANCE}"
    return among


def _covers_1(verdict: Verdict) -> bool:
    return verdict.low is None or verdict.high is None or verdict.low <= 1 <= verdict.high


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if 0.1 <= value < 1000 else f"{value:.3g}"
