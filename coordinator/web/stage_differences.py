"""The difference of two datapaths' mean requests, as one plain sentence and a table of signed bars. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator.web.words import spelled
from domain.reports.explanation import Difference, StagePart
from domain.reports.report import MIN_PAIRS
from domain.values.names import datapath_of
from domain.values.texts import signed_us_text, time_text

BAR_WIDTH, BAR_HEIGHT = 160, 12
LEAST_SHARE = 0.01  # of the largest difference: smaller parts are in the table of every stage
_NOTABLE_SHARE = 0.05  # of the whole: a smaller part is not worth a sentence


@dataclass(frozen=True)
class DifferenceRow:
    """A stage whose difference is known, or the rest: in µs with its interval, and as a bar from the middle."""

    stage: str
    role: str
    us: str
    interval: str
    note: str
    x: float
    width: float
    is_more: bool


@dataclass(frozen=True)
class DifferenceTable:
    """One comparison: its sentence, and a row per part; none if nothing is known."""

    title: str
    sentence: str
    rows: tuple[DifferenceRow, ...]
    not_measured: tuple[str, ...]


def difference_table(found: Difference) -> DifferenceTable:
    """What is known of a difference."""
    title = f"{found.datapath} compared with {found.reference}, {spelled(found.workload)} at {found.level}"
    if found.pairs < MIN_PAIRS or not found.states_a_difference:
        return DifferenceTable(title, found.sentence, (), ())
    parts = sorted(_signed_stages(found), key=lambda one: -abs(one[0].us))
    largest = max(abs(part.us) for part in (found.mean_us, found.rest, *(part for part, _ in parts)))
    shown = [(part, only) for part, only in parts if part.is_known and abs(part.us) >= LEAST_SHARE * largest]
    rows = [*shown, (found.rest, "" if found.rest.is_known else "may be zero")]
    return DifferenceTable(
        title,
        _sentence(found, [part for part, _ in shown]),
        tuple(_row(part, note, largest, found.pairs) for part, note in rows),
        found.not_measured,
    )


def _signed_stages(found: Difference) -> Iterator[tuple[StagePart, str]]:
    """Every stage by what it adds to the difference, and which datapath alone has it."""
    yield from ((part, "") for part in found.parts)
    yield from ((part, f"only {found.datapath}") for part in found.only_datapath)
    yield from ((_negative(part), f"only {found.reference}") for part in found.only_reference)


def _negative(part: StagePart) -> StagePart:
    low, high = (None if end is None else -end for end in (part.high_us, part.low_us))
    return part.model_copy(update={"us": -part.us, "low_us": low, "high_us": high})


def _sentence(found: Difference, stages: list[StagePart]) -> str:
    """``tproxy takes 350 µs longer than direct. 86 % of that is proxy residence (to origin).``"""
    mean = found.mean_us
    if mean.is_known:
        how = "longer" if mean.us > 0 else "less"
        claim = f"A request of {found.datapath} takes {time_text(abs(mean.us))} {how} than one of {found.reference}."
    else:
        claim = f"A request of {found.datapath} may take as long as one of {found.reference}; some of its parts differ."
    copy = datapath_of(found.datapath) == datapath_of(found.reference)
    noise = " It is the same datapath twice, so any difference is noise." if copy else ""
    return claim + (_largest(mean, stages) if mean.is_known else "") + noise


def _largest(mean: StagePart, stages: list[StagePart]) -> str:
    """The stage that adds most to the difference, if it is worth a sentence."""
    top = next((part for part in stages if part.us * mean.us > 0), None)
    if top is None or top.us / mean.us < _NOTABLE_SHARE:
        return ""
    name = top.name.replace("_", " ")
    share = top.us / mean.us
    return f" {100 * share:.0f} % of that is {name}." if share < 1 else f" The largest part is {name}."


def _row(part: StagePart, note: str, largest: float, pairs: int) -> DifferenceRow:
    width = round(abs(part.us) / largest * BAR_WIDTH / 2, 1) if largest else 0.0
    ends = [signed_us_text(end) for end in (part.low_us, part.high_us) if end is not None]
    fewer = f"{part.blocks} of {pairs} pairs" if part.blocks != pairs else ""
    return DifferenceRow(
        stage=part.stage,
        role=part.role,
        us=signed_us_text(part.us),
        interval=f"[{', '.join(ends)}]" if ends else "",
        note=", ".join(one for one in (note, fewer) if one),
        x=round(BAR_WIDTH / 2 - (0 if part.us > 0 else width), 1),
        width=width,
        is_more=part.us > 0,
    )
