"""What a campaign is expected to show, as text: ``"ebpf_sk_assign.cpu_us_per_request@half <= 1.05 * tproxy"``.

    expectation = figure ("<=" | ">=" | "<" | ">") limit
    figure      = datapath "." metric [place]  |  "capacity(" datapath ")" [place]
    limit       = number  |  [number "*"] (figure | datapath [place])
    place       = "@" level ["/" workload]  |  "@" workload

An interval never ends exactly at a limit, so ``<`` means ``<=``, and ``>`` means ``>=``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from domain.loads.load import AnyLoad
from domain.loads.metric import SHARE_METRICS, Metric, metrics_of, share_metrics_of
from domain.reports.report import MIN_PAIRS
from domain.values.bounds import text
from domain.values.hints import did_you_mean
from domain.values.names import Name, labels_of

MAX_EXPECTATIONS = 32
MAX_EXPRESSION = 200
UNNAMED = "expectation_"  # and a number: the name of a list's entry

_WORDS = {"p50_us": Metric.LATENCY_P50_US, "p99_us": Metric.LATENCY_P99_US}
_METRICS = {metric.value: metric for metric in Metric if metric is not Metric.LATENCY_P999_US} | _WORDS
_KNOWN = "requests_per_s, cpu_us_per_request, p50_us, p99_us, percent_over_5ms (1, 20), or capacity(datapath)"
_OPEN = "an open level, such as open(50%)"
_NEEDS = {
    Metric.REQUESTS_PER_S: "a closed level, such as closed(64): elsewhere the schedule sets the rate",
    **dict.fromkeys((Metric.LATENCY_P50_US, Metric.LATENCY_P99_US, *SHARE_METRICS), _OPEN),
    Metric.SLO_CAPACITY_PER_S: "a capacity level, such as capacity(p99<=5ms)",
    Metric.CPU_US_PER_REQUEST: "an open or a closed level",
}
_SPELLING = "write figures on the left; on the right a positive number, as 5000 or 1.05, or NUMBER * datapath"
_LABEL = r"[a-z][a-z0-9_]{0,31}(?:#[2-9])?"
_PLACE = r"(?:\s*@\s*([a-z0-9_]+(?:\s*/\s*[a-z0-9_]+)?))?"
_OPERATOR = re.compile(r"(<=|>=|<|>)")
_NUMBER = re.compile(r"\d+(?:_\d+)*(?:\.\d+)?(?:[eE]\d{1,2})?", re.ASCII)
_FIGURE = re.compile(rf"({_LABEL})\s*\.\s*([A-Za-z0-9_]+){_PLACE}", re.ASCII)
_CAPACITY = re.compile(rf"capacity\s*\(\s*({_LABEL})\s*\){_PLACE}", re.ASCII)
_BARE = re.compile(rf"({_LABEL}){_PLACE}", re.ASCII)


@dataclass(frozen=True)
class Expectation:
    """A figure of ``label``, or its ratio to that of ``reference``, is at most (or at least) ``limit``."""

    label: str
    reference: str | None
    metric: Metric
    at_most: bool
    limit: float
    place: tuple[str, ...] = ()  # level and workload, in either order; missing ones: each

    @property
    def wants_better(self) -> bool:
        """True if more of the limit's side is better for ``label``: a cost at most, or a rate at least."""
        return self.at_most != self.metric.higher_is_better


def read_expectation(text: str) -> Expectation:
    """One expectation. Raises :class:`ValueError` with the expression and the fix."""
    parts = [part.strip() for part in _OPERATOR.split(text)]
    if len(parts) != 3:
        raise _wrong(text, "write one comparison with <= or >=, as 'tproxy.p99_us@half <= 5000'")
    left, operator, right = parts
    label, metric, place = _figure(text, left)
    if metric is None:
        raise _wrong(text, f"{left!r} names no metric; write {label}.METRIC, with {_KNOWN}")
    factor, star, rest = (part.strip() for part in right.rpartition("*"))
    if not star and _NUMBER.fullmatch(right):
        return Expectation(label, None, metric, "<" in operator, _number(text, right), place)
    if metric in SHARE_METRICS:
        raise _wrong(text, f"{metric} is a share, which has no ratio; write a percentage on the right, as 0.5")
    reference, other, its_place = _figure(text, rest)
    if other not in (None, metric):
        raise _wrong(text, f"compares {metric} with {other}; write the same metric on both sides")
    if place and its_place and place != its_place:
        raise _wrong(text, "compares two places; a ratio is of pairs at one level, so name one place")
    if reference == label:
        raise _wrong(text, f"compares {label} with itself; name another datapath, or a number")
    limit = _number(text, factor) if star else 1.0
    return Expectation(label, reference, metric, "<" in operator, limit, place or its_place)


def places_of(
    expectation: Expectation, levels: Mapping[str, AnyLoad], workloads: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """(workload, level) of each check: without a place, every level that has the metric. Raises :class:`ValueError`."""
    metric = expectation.metric
    having = [level for level, load in levels.items() if metric in (*metrics_of(load), *share_metrics_of(load))]
    chosen_levels = [name for name in expectation.place if name in levels]
    chosen_workloads = [name for name in expectation.place if name in workloads and name not in levels]
    for name in expectation.place:
        if name not in levels and name not in workloads:
            raise ValueError(f"{name!r} is no level; choose from {', '.join(levels)}")
    if len(chosen_levels) > 1 or len(chosen_workloads) > 1:
        raise ValueError(f"names two places; write one level and one workload, as @{next(iter(levels))}/{workloads[0]}")
    if not having or any(level not in having for level in chosen_levels):
        where = f"{chosen_levels[0]} is {levels[chosen_levels[0]]}" if chosen_levels else "no level has it"
        others = f"; choose from {', '.join(having)}" if having else ""
        raise ValueError(f"{metric} needs {_NEEDS[metric]}; {where}{others}")
    return tuple((workload, level) for workload in chosen_workloads or workloads for level in chosen_levels or having)


def check_expectation(text: str, info: ValidationInfo) -> str:
    """Validates one entry against the fields before it. Without them, their own errors are enough."""
    expectation = read_expectation(text)
    fields = info.data
    if not {"datapaths", "levels", "workloads", "blocks"} <= fields.keys():
        return text
    labels = labels_of(fields["datapaths"])
    for label in filter(None, (expectation.label, expectation.reference)):
        if label not in labels:
            meant = did_you_mean(label, labels)
            raise _wrong(text, f"{label!r} is not among the datapaths{meant}; choose from {', '.join(labels)}")
    try:
        places_of(expectation, fields["levels"], fields["workloads"])
    except ValueError as error:
        raise _wrong(text, str(error)) from error
    if fields["blocks"] < MIN_PAIRS:
        raise _wrong(text, f"{fields['blocks']} blocks cannot decide it; an interval needs blocks >= {MIN_PAIRS}")
    return text


def named(value: Any) -> Any:
    """A list gets names: ``expectation_1``, ``expectation_2``, …"""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return {f"{UNNAMED}{number}": text for number, text in enumerate(value, start=1)}
    return value


Expression = Annotated[str, text(MAX_EXPRESSION), AfterValidator(check_expectation)]
Expectations = Annotated[
    dict[Name, Expression],
    Field(
        max_length=MAX_EXPECTATIONS,
        description="What must hold, by name, such as tproxy.p99_us@half <= 5000. A list gets names.",
    ),
    BeforeValidator(named),
]
"""A campaign's expectations by name; a field of this type must follow those that they name."""


def _figure(text: str, part: str) -> tuple[str, Metric | None, tuple[str, ...]]:
    """(label, metric, place); the metric of a bare datapath is ``None``."""
    if found := _CAPACITY.fullmatch(part):
        return found[1], Metric.SLO_CAPACITY_PER_S, _place(found[2])
    if found := _FIGURE.fullmatch(part):
        if found[2] not in _METRICS:
            raise _wrong(text, f"{found[2]!r} is no metric; write {_KNOWN}")
        return found[1], _METRICS[found[2]], _place(found[3])
    if found := _BARE.fullmatch(part):
        return found[1], None, _place(found[2])
    if part[:1].isdigit() or part[:1] in "-+.":
        raise _wrong(text, f"{part!r}: {_SPELLING}")
    raise _wrong(text, f"{part!r} is no figure; write datapath.metric@level or capacity(datapath)")


def _place(found: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in found.split("/")) if found else ()


def _number(text: str, part: str) -> float:
    value = float(part) if _NUMBER.fullmatch(part) else 0.0
    if value <= 0:
        raise _wrong(text, f"{part!r}: {_SPELLING}")
    return value


def _wrong(text: str, why: str) -> ValueError:
    return ValueError(f"{text!r}: {why}")
