"""Combined verdicts as English sentences, for which runs they hold, and what a reader must know besides. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from coordinator.analysis.inference.random_effects import LEAST_FOR_TAU
from coordinator.analysis.inference.weights import over_levels
from coordinator.analysis.judgement.sentences import claims_of, subject_of
from coordinator.analysis.runs.comparison import ALIKE_RATES
from domain.campaigns.campaign import Campaign
from domain.campaigns.margins import margin_of, margin_text
from domain.loads.load import load_text
from domain.reports.report import Interval
from domain.reports.verdict_words import VerdictWord
from domain.runs.combination import LEAST_RUNS, CombinedVerdict, Run
from domain.values.texts import counted, of_workload, p_text, percent_text, ratio_text


def sentence_of(found: CombinedVerdict, campaign: Campaign) -> str:
    """The verdict with its numbers."""
    where = _place(found, campaign)
    compared = f"{found.datapath} compared with {found.reference} {where}, {subject_of(found.metric)}"
    if found.estimate is None:
        return f"{compared}: no verdict, as {found.note}."
    numbers = f"{_numbers(found.estimate)} over {counted(len(found.runs), 'run')}"
    if found.prediction is not None:
        numbers += f"; one further run: [{_ends(found.prediction)}]"
    if found.between is not None:
        numbers += f"; standard deviation between runs: {_between(found)}"
    if found.verdict is VerdictWord.NONE:
        return f"{compared}: no verdict, as {found.note}: {numbers}."
    p = f"; p {p_text(found.p)}" if found.p is not None else ""
    return f"{_claim(found, campaign, where, compared)}: {numbers}{p}."


def scope_text(runs: Sequence[Run]) -> str:
    """Which runs, boots, hosts and times the verdicts are of."""
    boots = {boot for run in runs for boot in run.boots}
    hosts = sorted({host for run in runs for host in run.hosts})
    in_boots = f", {counted(len(boots), 'boot')}" if boots and all(run.boots for run in runs) else ""
    names = f" ({', '.join(hosts)})" if hosts else ""
    kernels = sorted({kernel for run in runs if (kernel := run.facts.get("kernel", "").partition(" ")[0])})
    linux = f", Linux {' and '.join(kernels)}" if kernels else ""
    return f"{counted(len(runs), 'run')}{in_boots}, {counted(len(hosts), 'host')}{names}{_times(runs)}{linux}"


def cautions_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """What the intervals do not include, or include less well than it seems."""
    return tuple(_cautions(runs))


def lack_of(asked: Sequence[str], known: Sequence[str], runs: int) -> str:
    """What is missing for a verdict over ``runs`` that have the levels ``known``; empty if nothing is."""
    if runs < LEAST_RUNS:
        return f"a verdict over runs needs {LEAST_RUNS} with enough pairs, and there {_are(runs)}"
    if not known:
        return "no level has enough pairs in every run"
    missing = [level for level in asked if level not in known]
    return f"without {', '.join(missing)}, which not every run has" if missing else ""


def _are(runs: int) -> str:
    return "is none" if not runs else "is one" if runs == 1 else f"are {runs}"


def _cautions(runs: Sequence[Run]) -> Iterator[str]:
    boots = {boot for run in runs for boot in run.boots}
    hosts = {host for run in runs for host in run.hosts}
    if len(runs) < LEAST_RUNS:
        yield f"A mean over runs needs {LEAST_RUNS} runs. Until then each run is shown alone."
    elif len(runs) < LEAST_FOR_TAU:
        yield f"With fewer than {LEAST_FOR_TAU} runs, the standard deviation between runs is a hint."
    if len(runs) > 1 and len(boots) == 1:
        yield (
            "All runs share one boot. What differs from boot to boot is in no interval: restart the host between runs."
        )
    elif boots and len(boots) < LEAST_RUNS <= len(runs):
        yield f"The runs are of {len(boots)} boots, so what differs from boot to boot is hardly in the intervals."
    if len(hosts) == 1 and len(runs) > 1:
        yield "All runs are of one host: the verdicts hold for this host."
    yield from _rates(runs)


def _rates(runs: Sequence[Run]) -> Iterator[str]:
    for cell in dict.fromkeys(name for run in runs for name in run.rates_per_s):
        rates = sorted(run.rates_per_s[cell] for run in runs if cell in run.rates_per_s)
        if rates[-1] > ALIKE_RATES * rates[0]:
            workload, level = cell.split(" ")
            yield (
                f"The share of capacity {level} of {workload} was {rates[0]:,} to {rates[-1]:,} requests/s: each run "
                "measured its own. Give the level a fixed rate to leave that out of the scatter."
            )


def _claim(found: CombinedVerdict, campaign: Campaign, where: str, compared: str) -> str:
    margin = margin_of(found.metric, campaign.margins, campaign.equivalence_margin)
    if found.verdict is VerdictWord.UNCLEAR:
        return f"{compared}: unclear"
    if found.verdict is VerdictWord.SAME:
        return f"{compared}: the same within ±{margin_text(found.metric, margin)}"
    if found.is_difference:
        return f"{compared}: {found.verdict.text}"
    _, better, worse = claims_of(found.metric)
    words = better if found.verdict is VerdictWord.BETTER else worse
    return f"{found.datapath} {words.format(found.reference)} {where}"


def _place(found: CombinedVerdict, campaign: Campaign) -> str:
    if len(found.levels) == 1:
        where = f"at {found.levels[0]} ({load_text(campaign.levels[found.levels[0]])})"
    else:
        where = over_levels(found.levels, found.weights)
    return where + of_workload(found.workload, campaign.workloads)


def _numbers(found: Interval) -> str:
    return ratio_text(found.value, found.low, found.high)


def _ends(found: Interval) -> str:
    return ratio_text(found.value, found.low, found.high).partition("[")[2].removesuffix("]")


def _between(found: CombinedVerdict) -> str:
    between = found.between or 0.0
    return f"{between:.2g} percentage points" if found.is_difference else percent_text(between)


def _times(runs: Sequence[Run]) -> str:
    began = [run.began_at for run in runs if run.began_at]
    if not began:
        return ""
    ended = max((run.ended_at for run in runs if run.ended_at), default=max(began))
    first, last = (datetime.fromisoformat(at).astimezone(UTC) for at in (min(began), ended))
    return f", {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
