"""What a campaign's calibration found: the capacities that shares refer to, and where searches begin. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import Field

from domain.loads.searched import OpenCapacities
from domain.values.frozen import Frozen
from domain.values.names import Label, Name


class SearchStart(NamedTuple):
    """A capacity that is known roughly; ``in_open_loop`` says that it is an open loop's, and so more exact."""

    per_s: float
    in_open_loop: bool


class Calibration(Frozen):
    """The capacity that one workload's shares refer to, as the campaign's calibration blocks found it.

    Either ``requests_per_s``, ``datapath``, ``host`` and ``rates_per_s`` are known, or ``failure`` says why not.
    """

    load: str = Field(description="The closed load of the calibration.")
    requests_per_s: float | None = Field(
        default=None,
        description="Of the slowest datapath on the slowest host: the lower bound of its open-loop capacity. Without "
        "open_loop, its closed-loop capacity.",
    )
    open_loop: OpenCapacities | None = Field(default=None, description="None without shares, and in older results.")
    datapath: Label | None = None
    host: str | None = None
    rates_per_s: dict[Name, int] = Field(default={}, description="By level: the rate of each share.")
    capacities_per_s: dict[Label, float] = Field(
        default={},
        description="By datapath, on its fastest host: the start of the search for a capacity within an SLO.",
    )
    failure: str = ""

    @property
    def search_starts(self) -> dict[Label, SearchStart]:
        """Around which rate the search for each datapath's capacity begins: the one of an open loop, if it is known."""
        known = self.open_loop.highest_per_s if self.open_loop is not None else {}
        return {
            label: SearchStart(known.get(label, per_s), in_open_loop=label in known)
            for label, per_s in self.capacities_per_s.items()
        }


def calibrations_of(record: Mapping[str, Any]) -> dict[Name, Calibration]:
    """Those in a campaign's record, by workload; none without shares and searches.

    Fields that only a newer coordinator knows are ignored: the record is read only to show it.
    """
    found = (record.get("calibration") or {}).items()
    return {workload: Calibration.model_validate(one, extra="ignore") for workload, one in found}
