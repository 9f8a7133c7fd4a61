"""At which levels a campaign's probes watch: ``probe_levels = ["half", "connections_64"]``.

A watched slice takes as long as a counted one. Where no probe watches, the time goes to more blocks.
"""

from collections.abc import Mapping
from typing import Annotated, Protocol

from pydantic import Field

from domain.loads.crossing import MAX_LEVELS, check_measured, measured_levels
from domain.loads.load import AnyLoad
from domain.values.names import Name

ProbeLevels = Annotated[
    tuple[Name, ...],
    Field(max_length=MAX_LEVELS, description="Levels at which the probes watch; default: every level but capacities."),
]


class Probing(Protocol):
    """The fields of a campaign that its watched slices depend on."""

    @property
    def levels(self) -> Mapping[str, AnyLoad]: ...
    @property
    def probes(self) -> tuple[str, ...]: ...
    @property
    def probe_levels(self) -> tuple[str, ...]: ...


def watched_levels(campaign: Probing) -> tuple[str, ...]:
    """The levels at which each trial has a slice that probes watch, in the campaign's order."""
    if not campaign.probes:
        return ()
    measured = measured_levels(campaign.levels)
    return tuple(level for level in measured if not campaign.probe_levels or level in campaign.probe_levels)


def check_probe_levels(campaign: Probing) -> None:
    """Raises :class:`ValueError` if the probes cannot watch at the levels that the campaign names."""
    if not campaign.probe_levels:
        return
    if not campaign.probes:
        raise ValueError("probe_levels: the campaign has no probes; name some, or remove probe_levels")
    check_measured("probe_levels", campaign.probe_levels, campaign.levels, "no probe watches a search")
