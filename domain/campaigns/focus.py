"""Which datapaths, at which levels, a campaign's added blocks measure: ``focus = ["tproxy", "ebpf_sk_assign"]``.

The planned blocks measure all datapaths. What the budget has left after them then goes to the campaign's main question:
blocks of two datapaths are shorter than blocks of four, so there are more pairs. The choice is part of the campaign. So
it is made before the first figure, and no result decides what is measured.
"""

from collections.abc import Mapping
from typing import Annotated, Protocol

from pydantic import Field

from domain.campaigns.budget import is_adaptive
from domain.loads.crossing import MAX_LEVELS, check_known, check_levels, check_measured, measured_levels
from domain.loads.load import AnyLoad
from domain.values.bounds import MAX_TRIALS
from domain.values.names import Label, Name

FocusLabels = Annotated[
    tuple[Label, ...],
    Field(max_length=MAX_TRIALS, description="Datapaths that the added blocks measure; default: all of the campaign."),
]
FocusLevels = Annotated[
    tuple[Name, ...],
    Field(max_length=MAX_LEVELS, description="Levels of these blocks; default: every level but capacities."),
]
FocusSlices = Annotated[
    int | None,
    Field(ge=1, le=1000, strict=True, description="Counted slices per trial of these blocks; default: slices."),
]


class Focusing(Protocol):
    """The fields of a campaign that its added blocks depend on."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def levels(self) -> Mapping[str, AnyLoad]: ...
    @property
    def focus(self) -> tuple[str, ...]: ...
    @property
    def focus_levels(self) -> tuple[str, ...]: ...
    @property
    def focus_slices(self) -> int | None: ...
    @property
    def blocks(self) -> int: ...
    @property
    def slices(self) -> int: ...
    @property
    def clients(self) -> int: ...
    @property
    def traffic_s(self) -> float: ...
    @property
    def precision(self) -> float | None: ...
    @property
    def budget(self) -> str | None: ...


def added_levels(campaign: Focusing) -> tuple[str, ...]:
    """The levels of added blocks; searches for a capacity are not repeated."""
    measured = measured_levels(campaign.levels)
    return tuple(level for level in measured if not campaign.focus_levels or level in campaign.focus_levels)


def focus_at(campaign: Focusing, level: str) -> tuple[str, ...]:
    """The datapaths of a level's added blocks, in the campaign's order, if these leave some out; empty otherwise."""
    if not campaign.focus:
        return ()  # asked thousands of times for a report
    labels = added_labels(campaign)
    return labels if len(labels) < len(campaign.labels) and level in added_levels(campaign) else ()


def added_labels(campaign: Focusing) -> tuple[str, ...]:
    """The datapaths of added blocks, in the campaign's order."""
    return tuple(label for label in campaign.labels if not campaign.focus or label in campaign.focus)


def added_slices(campaign: Focusing) -> int:
    """Counted slices per trial of a focused block."""
    return campaign.slices if campaign.focus_slices is None else campaign.focus_slices


def per_level(campaign: Focusing) -> str:
    """What the blocks of a look are counted by: the other levels have only the planned ones."""
    return "per focused level" if campaign.focus else "per level"


def check_focus(campaign: Focusing) -> None:
    """Raises :class:`ValueError` if the added blocks cannot be as the campaign says."""
    if not campaign.focus:
        unused = "focus_levels" if campaign.focus_levels else "focus_slices" if campaign.focus_slices else ""
        if unused:
            raise ValueError(f"{unused}: the campaign has no focus; name its datapaths, or remove {unused}")
        return
    if len(campaign.focus) < 2:
        raise ValueError("focus: name two datapaths or more, as their ratio is what it is for")
    check_known("focus", campaign.focus, campaign.labels, "datapaths")
    if not is_adaptive(campaign):
        raise ValueError("focus: it is about the added blocks; give the campaign a budget or a precision")
    check_measured("focus_levels", campaign.focus_levels, campaign.levels, "searches are not repeated")
    levels = added_levels(campaign)
    if not levels:
        raise ValueError("focus: every level is a capacity, and searches are not repeated")
    check_levels({level: campaign.levels[level] for level in levels}, added_slices(campaign), campaign.clients)
