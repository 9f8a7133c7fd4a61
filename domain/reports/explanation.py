"""Where requests spent their time, by kernel stage, and by which stages two datapaths differ."""

from pydantic import Field

from domain.values.frozen import Frozen
from domain.values.names import Label, Name

RESOLUTION_US = 0.05  # smaller times are printed as 0.0


class StagePart(Frozen):
    """A kernel stage's part of a request's time, in µs: a mean over blocks, with an interval from five blocks on."""

    stage: str
    role: str = Field(default="", description="A side of the lab or a kind of task, or empty.")
    us: float
    low_us: float | None = None
    high_us: float | None = None
    blocks: int = Field(default=0, ge=0, description="Blocks in which the stage has a figure, in each datapath.")

    @property
    def name(self) -> str:
        """The stage, with its role if it has one."""
        return f"{self.stage} ({self.role})" if self.role else self.stage

    @property
    def is_known(self) -> bool:
        """True if the interval excludes zero."""
        if self.low_us is None or self.high_us is None or abs(self.us) < RESOLUTION_US:
            return False
        return self.low_us > 0 or self.high_us < 0


class Decomposition(Frozen):
    """One cell's mean request by kernel stage: ``mean_us`` = sum of ``parts`` + ``unattributed_us``, the rest.

    It covers the requests sent while probes were attached, in the blocks that all compared datapaths of the level
    share. ``unwatched_us`` is the mean of the counted slices of the same trials, without probes. A negative rest means
    that stages overlapped. At open levels the first part is ``send_wait``: the wait from the intended to the actual
    send, which is no kernel stage. Intervals are of each figure alone, at 95 %.
    """

    datapath: Label
    workload: Name
    level: Name
    trials: int = Field(ge=1)
    mean_us: float
    parts: tuple[StagePart, ...]
    unattributed_us: float
    unattributed_low_us: float | None = None
    unattributed_high_us: float | None = None
    unwatched_us: float | None = Field(default=None, description="Mean of the counted requests of the same trials.")
    work_per_request: dict[str, float] = Field(default={}, description="The kernel's work, events per request by kind.")
    left_out: tuple[str, ...] = Field(default=(), description="Stages not measured: their time is in the rest.")
    compared: bool = Field(default=True, description="False if too few blocks are shared with the other datapaths.")
    disturbed: int = Field(default=0, ge=0, description="Valid trials not used: host noise in their watched slices.")


class Difference(Frozen):
    """Two datapaths' mean requests, datapath − reference, by kernel stage, from the blocks of their decompositions.

    ``mean_us`` = sum of ``parts`` + sum of ``only_datapath`` − sum of ``only_reference`` + ``rest``. All intervals are
    at 95 % together: in 95 % of sentences, every interval holds the truth.
    """

    datapath: Label
    reference: Label
    workload: Name
    level: Name
    pairs: int = Field(ge=0)
    mean_us: StagePart = Field(description="The whole difference.")
    parts: tuple[StagePart, ...] = Field(description="Stages that are measured in both.")
    only_datapath: tuple[StagePart, ...] = Field(default=(), description="Stages that the reference does not have.")
    only_reference: tuple[StagePart, ...] = Field(default=(), description="Stages that the datapath does not have.")
    not_measured: tuple[str, ...] = Field(default=(), description="Stages without figures in one of the two.")
    rest: StagePart = Field(description="What no stage that is measured explains.")
    sentence: str = ""

    @property
    def stages(self) -> tuple[StagePart, ...]:
        """Every part that the sentence may name as a stage."""
        return (*self.parts, *self.only_datapath, *self.only_reference)

    @property
    def states_a_difference(self) -> bool:
        """True if the sentence states a difference as known."""
        return any(part.is_known for part in (self.mean_us, *self.stages, self.rest))
