"""The difference of two datapaths' mean requests as a sentence, which states only what its intervals prove. Pure."""

from collections.abc import Sequence

from domain.reports.explanation import Difference, StagePart
from domain.reports.report import MIN_PAIRS
from domain.values.names import datapath_of
from domain.values.texts import counted

SHOWN_SHARE = 0.01  # of the largest difference: smaller parts are in the table, not in the sentence


def explanation(difference: Difference, load: str) -> str:
    """The difference in one sentence; ``load`` is the level as shown to users."""
    one, other, pairs = difference.datapath, difference.reference, difference.pairs
    where = f"at {difference.level} ({load}) of {difference.workload}"
    if pairs < MIN_PAIRS:
        few = f"only {counted(pairs, 'pair')} of watched trials; a difference needs {MIN_PAIRS}"
        return f"{one} compared with {other} {where}: no stage's difference is known, {few}."
    if not difference.states_a_difference:
        mean = f"the mean watched request differs by {_signed(difference.mean_us)} µs, which may be zero"
        words = ["no stage's difference is known, not even its sign", mean, *_not_measured(difference)]
        return f"{one} compared with {other} {where}, {pairs} pairs: {'; '.join(words)}."
    return f"{_claim(difference, where)}: {'; '.join(_reasons(difference))}.{_copy(one, other)}"


def _claim(difference: Difference, where: str) -> str:
    one, other, mean, pairs = difference.datapath, difference.reference, difference.mean_us, difference.pairs
    if mean.is_known:
        claim = f"takes {_figures(mean)} µs longer" if mean.us > 0 else f"takes {_figures(_negative(mean))} µs less"
        return f"A mean watched request of {one} {claim} than one of {other} {where}, {pairs} pairs"
    differs = f"differs from one of {other} by {_signed(mean)} µs, which may be zero"
    return f"A mean watched request of {one} {differs}, {where}, {pairs} pairs. Of its parts"


def _reasons(difference: Difference) -> list[str]:
    """What is known of the stages, by size; then what is not, and the rest."""
    parts = (difference.mean_us, *difference.stages, difference.rest)
    least = SHOWN_SHARE * max(abs(part.us) for part in parts if part.is_known)
    in_both = [_stage(part, difference.pairs) for part in _by_size(difference.parts, least)]
    words = [", ".join(in_both)] if in_both else []
    for label, only in (
        (difference.datapath, difference.only_datapath),
        (difference.reference, difference.only_reference),
    ):
        found = [_stage(part, difference.pairs, signed=False) for part in _by_size(only, least)]
        words += [f"only {label} has {', '.join(found)}"] if found else []
    words = words or ["no stage's difference is known"]
    words += _unknown_stages(difference, least)
    return [*words, *_not_measured(difference), f"the rest, which no stage explains, {_signed(difference.rest)}"]


def _unknown_stages(difference: Difference, least: float) -> list[str]:
    """What the stages whose difference is not known come to, if one of them is as large as those that are named."""
    signed = (*difference.parts, *difference.only_datapath, *map(_negative, difference.only_reference))
    unknown = [part for part in signed if not part.is_known]
    largest = max(unknown, key=lambda part: abs(part.us), default=None)
    if largest is None or abs(largest.us) < least:
        return []
    if len(unknown) == 1:
        return [f"not known to differ: {largest.name} {_signed(largest)}"]
    together = sum(part.us for part in unknown)
    text = f"{'+' if together >= 0 else ''}{_microseconds(together)}"
    largest_text = f"the largest of them {largest.name} {_signed(largest)}"
    return [f"{len(unknown)} stages that are not known to differ, {text} together, {largest_text}"]


def _by_size(parts: Sequence[StagePart], least: float) -> list[StagePart]:
    known = (part for part in parts if part.is_known and abs(part.us) >= least)
    return sorted(known, key=lambda part: -abs(part.us))


def _stage(part: StagePart, pairs: int, *, signed: bool = True) -> str:
    """``run_queue (proxy) +120 [100, 140]``, and of how many pairs if it is not all."""
    fewer = f" of {part.blocks} pairs" if part.blocks != pairs else ""
    return f"{part.name} {_signed(part) if signed else _figures(part)}{fewer}"


def _not_measured(difference: Difference) -> list[str]:
    stages = ", ".join(difference.not_measured)
    return [f"not measured in both: {stages}"] if stages else []


def _copy(one: str, other: str) -> str:
    same = datapath_of(one) == datapath_of(other)
    return " Note: this is an A/A comparison of a datapath with itself, so any difference is noise." if same else ""


def _negative(part: StagePart) -> StagePart:
    low, high = (None if end is None else -end for end in (part.high_us, part.low_us))
    return part.model_copy(update={"us": -part.us, "low_us": low, "high_us": high})


def _signed(part: StagePart) -> str:
    return ("+" if part.us >= 0 else "") + _figures(part)


def _figures(part: StagePart) -> str:
    """The value with its interval."""
    ends = ", ".join(_microseconds(end) for end in (part.low_us, part.high_us) if end is not None)
    return f"{_microseconds(part.us)} [{ends}]" if ends else _microseconds(part.us)


def _microseconds(us: float) -> str:
    text = f"{us:,.0f}" if abs(us) >= 9.95 else f"{us:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")
