"""The words of a comparison of campaigns, the intervals that agree with them, and what these do not include. Pure.

All cells of all sides are one family. Benjamini and Hochberg (1995) find R of its m cells. The intervals of
confidence 1 − R·rate/m exclude "no change" in exactly these cells (Benjamini and Yekutieli
2005, JASA 100:71). With R = 0 the confidence is as for one: then all intervals hold the truth together with 95 %.

A cell whose interval is within the margin is "same", as for verdicts. That is wrong only if the truth is beyond the
margin. Then its probability is at most R·rate/2m. Let m₀ cells have no difference, so that "same" cannot be wrong of
them. Of the words, at most rate·m₀/m are a wrong "better" or "worse", and at most rate·(m − m₀)/2m are a wrong "same".
So at most ``rate`` of all words are wrong. That holds for independent cells, as does the proof of both authors.
"""

import math
from collections.abc import Sequence

from coordinator.analysis.inference.statistics import Estimate, benjamini_hochberg, finite_exp
from domain.reports.report import Interval
from domain.reports.verdict_words import VerdictWord
from domain.runs.comparison import Compared
from domain.values.texts import listed

FALSE_RATE = 0.05  # of the words, at most so many are wrong (Benjamini and Hochberg 1995)
_ONE_EACH = (
    "With one campaign on each side, the intervals hold for these {runs} runs. They do not include what differs from "
    "boot to boot and from hour to hour; for that, give several campaigns of each side."
)
_HOSTS = (
    "The sides are hosts of the same campaigns. They measured in the same hours, but no block ran on two of them, so "
    "the figures are not paired; ratios to the reference do not depend on how fast a host is. What differs between the "
    "hosts is everything that is listed, not one fact alone: exchange it between the hosts and measure again."
)
_SHARED = (
    "All sides are compared with one baseline, whose error is in all of their ratios: if it was slow by chance, each "
    "side seems faster, so words that agree are not independent of one another. To compare two other sides, make one "
    "of them the baseline."
)

Row = tuple[Compared, Estimate | None]
"""A cell, and the logarithm of its ratio if it has one."""


def judged_together(rows: Sequence[Row]) -> tuple[list[Compared], float | None]:
    """The cells with adjusted p, word and adjusted interval, and the confidence of these intervals."""
    ps = [found.p for _, found in rows if found is not None]
    if not ps:
        return [cell for cell, _ in rows], None
    adjusted = benjamini_hochberg(ps)
    findings = sum(p <= FALSE_RATE for p in adjusted)
    confidence = 1 - max(findings, 1) * FALSE_RATE / len(ps)
    following = iter(adjusted)
    return [
        cell if found is None else _judged(cell, found, next(following), confidence) for cell, found in rows
    ], confidence


def _judged(cell: Compared, found: Estimate, p: float, confidence: float) -> Compared:
    word = _word(cell, found, p, confidence)
    return cell.model_copy(update={"p": p, "change": word, "adjusted": ratio_of(found, confidence)})


def _word(cell: Compared, found: Estimate, p: float, confidence: float) -> VerdictWord:
    """Equivalence is looked at first: a difference that is proven to be below the margin does not matter."""
    low, high = found.bounds(confidence)
    limit = math.log1p(cell.margin) if cell.margin is not None else 0.0
    if cell.margin is not None and -limit <= low and high <= limit:
        return VerdictWord.SAME
    if p > FALSE_RATE:
        return VerdictWord.UNCLEAR
    return VerdictWord.BETTER if (found.mean > 0) == cell.metric.higher_is_better else VerdictWord.WORSE


def ratio_of(found: Estimate, confidence: float) -> Interval:
    """The ratio of which this is the logarithm, with its interval."""
    low, high = found.bounds(confidence)
    return Interval(value=finite_exp(found.mean), low=finite_exp(low), high=finite_exp(high))


def caution_of(hosts: Sequence[bool], single: Sequence[bool]) -> str:
    """What the intervals do not include; for each other side, whether it has hosts of the baseline's campaigns, and
    whether it and the baseline are one campaign each.
    """
    several = len(hosts) > 1
    ones = [one and not of_hosts for one, of_hosts in zip(single, hosts, strict=True)]
    runs = "two" if not several else str(len(hosts) + 1) if all(ones) else ""
    parts = [_of(hosts, _HOSTS), _of(ones, _ONE_EACH.format(runs=runs).replace("  ", " ")), _SHARED * several]
    return " ".join(filter(None, parts))


def _of(concerned: Sequence[bool], text: str) -> str:
    """The text with the numbers of the sides that it is about; without, if it is about all of them or none."""
    numbers = [str(number) for number, one in enumerate(concerned, start=1) if one]
    if not numbers or len(numbers) == len(concerned):
        return text if numbers else ""
    return f"Side{'s' if len(numbers) > 1 else ''} {listed(numbers)}: {text}"
