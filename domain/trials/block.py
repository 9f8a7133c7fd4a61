"""A block: all datapaths of one workload and level, measured together on one host."""

from typing import Self

from pydantic import Field, model_validator

from domain.loads.condition import Condition
from domain.loads.load import MAX_CLIENTS, Load, LoadLevel, OpenLoad
from domain.loads.workload import Values
from domain.values.bounds import MAX_SLICES, MAX_TRIALS, Index
from domain.values.frozen import Frozen
from domain.values.names import HostName, Label, Name

MAX_ORDER = MAX_SLICES * MAX_TRIALS


class PlannedBlock(Frozen):
    """All datapaths of one (workload, level), measured together on one host; a share may not have its rate yet.

    ``order`` is the sequence of slices, by label. Every label occurs ``slices`` times. The ``probed`` slices follow,
    which probes watch, and then the ``profiled`` ones, in which stacks are sampled. No figure counts either.

    ``build`` is the order in which the labs are built. A lab's place in it determines its addresses and the names of
    its devices, and when its programs start.

    ``beside`` are the campaign's datapaths that this block leaves out. Its labs have the offloads that all datapaths of
    the campaign can have. So its figures and those of the other blocks are of the same thing.
    """

    index: Index
    workload: Name
    level: Name
    load: LoadLevel
    datapaths: tuple[Label, ...] = Field(max_length=MAX_TRIALS)
    order: tuple[Label, ...] = Field(max_length=MAX_ORDER)
    build: tuple[Label, ...] = Field(
        default=(), max_length=MAX_TRIALS, description="Empty in older plans: the order of the datapaths."
    )
    beside: tuple[Label, ...] = Field(
        default=(), max_length=MAX_TRIALS, description="Datapaths that only other blocks of the campaign measure."
    )
    probed: Index = 0
    profiled: Index = 0
    host: HostName
    clients: int = Field(default=1, ge=1, le=MAX_CLIENTS, description="Clients per lab that load it at once.")
    parameters: Values = Field(default={}, description="All parameters of the workload, by name.")
    calibration: bool = Field(default=False, description="True if it finds the capacity; it belongs to no cell.")
    chain: Index | None = Field(default=None, description="Capacity levels only: the search that it is a step of.")
    step: Index | None = Field(default=None, description="Its place in that search, from 0.")

    @property
    def build_order(self) -> tuple[Label, ...]:
        """The order in which the labs are built."""
        return self.build or self.datapaths


class Block(PlannedBlock):
    """A block as its worker gets it, with loads that a generator can make.

    ``loads`` has one load per datapath if a search asks each for another rate; ``load`` is then the highest.
    """

    load: Load
    loads: dict[Label, Load] = Field(default={}, max_length=MAX_TRIALS, description="Empty if all have the same load.")

    @property
    def condition(self) -> Condition:
        """The condition of this block's labs."""
        return self.load.condition

    @model_validator(mode="after")
    def _builds_every_datapath(self) -> Self:
        if sorted(self.build_order) != sorted(self.datapaths):
            raise ValueError("build: name each datapath of the block once")
        return self

    @model_validator(mode="after")
    def _has_a_load_for_every_datapath(self) -> Self:
        if self.loads and set(self.loads) != set(self.datapaths):
            raise ValueError("loads: name exactly the datapaths of the block")
        if not all(isinstance(load, OpenLoad) for load in self.loads.values()):
            raise ValueError("loads: only open loads may differ between datapaths")
        return self

    def rate_per_s(self, label: str) -> int | None:
        """The rate of this datapath; ``None`` if all datapaths have the same load."""
        own = self.loads.get(label)
        return own.rate_per_s if isinstance(own, OpenLoad) else None
