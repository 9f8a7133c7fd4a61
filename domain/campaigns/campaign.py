"""What a user submits: a campaign, its load levels and the cells they span.

TOML, JSON and the web form all become a :class:`Campaign` through :func:`read_campaign`. So all three share one set
of limits and one set of messages. The limits are part of the model.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from domain.campaigns.budget import Budget, Precision, check_budget
from domain.campaigns.expectation import Expectations
from domain.campaigns.focus import FocusLabels, FocusLevels, FocusSlices, check_focus
from domain.campaigns.leaving_out import LeaveOutMissing, LeftOut
from domain.campaigns.margins import Margins
from domain.campaigns.primary import MAX_PRIMARY, Entry, check_primary
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.condition import ConditionText
from domain.loads.crossing import MAX_LEVELS, check_levels, cross_product
from domain.loads.duration import DEFAULT_SLICE_S, MIN_OPEN_SLICE_S, slice_s_at, traffic_s
from domain.loads.load import MAX_CLIENTS, AnyLoad, CapacityLoad, ClosedLoad, LoadLevel, ShareLoad
from domain.loads.probed import ProbeLevels, check_probe_levels
from domain.loads.searched import CALIBRATION_STEPS, CHECK_STEPS, SEARCH_REQUESTS, search_blocks_of, shares_of
from domain.loads.workload import Values
from domain.values.bounds import MAX_TRIALS, text
from domain.values.frozen import Frozen
from domain.values.hints import advised, did_you_mean
from domain.values.names import CampaignName, HostName, Label, Name, labels_of
from domain.values.problems import InvalidInput, Problem, problems_of

MAX_BLOCKS = 2_880  # per campaign, over all workloads and levels
MAX_TRAFFIC_S = 24 * 3600  # per campaign; split a larger one
MAX_COPIES = 9  # of one datapath; labels end in #2 to #9
MAX_TEXT_BYTES = 16 << 10  # of a TOML campaign: the parser takes quadratic time over long dotted keys
CALIBRATION = "calibration"  # the level name of calibration blocks; no level of a campaign may have it
CALIBRATION_CONNECTIONS = 64  # used by a campaign that has no closed level
CALIBRATION_S = 2.0  # least traffic per datapath behind a capacity
_LISTS = ("workloads", "probes", "probe_levels", "hosts", "focus", "focus_levels")  # of names, each at most once


class Cell(Frozen):
    """One (datapath, workload, load level) of a campaign; ``level`` is the level's name."""

    datapath: Label
    workload: Name
    level: Name


class Campaign(Frozen):
    """Datapaths × workloads × load levels × blocks, on hosts, with probes.

    Durations are seconds of traffic. A trial is ``slices`` slices of ``slice_s`` on one datapath. A block is one trial
    of every datapath, with their slices interleaved.
    """

    name: CampaignName = Field(description="Letters, digits, '.', '_' and '-'; at most 64.")
    description: Annotated[str, text(500)] = ""
    datapaths: tuple[Name, ...] = Field(
        min_length=1, max_length=MAX_TRIALS, description="Name one twice for an A/A comparison."
    )
    reference: Label | None = Field(
        default=None, description="The datapath that the others are compared with; default: the first."
    )
    workloads: tuple[Name, ...] = Field(default=("http_keepalive",), min_length=1, max_length=8)
    parameters: dict[Name, Values] = Field(
        default={},
        max_length=8,
        description="By workload and parameter; a missing one takes the workload's default.",
    )
    conditions: dict[Name, ConditionText] = Field(
        default={},
        max_length=MAX_LEVELS,
        exclude=True,
        description="Every level runs under each condition, as half_plain, half_ruled. A stored campaign "
        "has them in its levels.",
    )
    levels: dict[Name, LoadLevel] = Field(
        min_length=1, max_length=MAX_LEVELS, description="By name, including those that conditions add."
    )
    blocks: int = Field(
        default=6,
        ge=1,
        le=200,
        strict=True,
        description=f"Blocks per workload and level; at a capacity(…) level, searches of up to {SEARCH_STEPS} blocks.",
    )
    slices: int = Field(
        default=10,
        ge=1,
        le=1000,
        strict=True,
        description="Counted slices per trial; probes watch one more slice, which is not counted.",
    )
    slice_s: float = Field(default=DEFAULT_SLICE_S, ge=0.1, le=60, description="Seconds of traffic in one slice.")
    open_slice_s: float = Field(
        default=1.0,
        ge=MIN_OPEN_SLICE_S,
        le=60,
        description="The same at open levels, unless slice_s is longer; in a search at least 20 times the limit.",
    )
    warm_up_s: float = Field(default=1.0, ge=0, le=60, description="Uncounted traffic per datapath and block.")
    clients: int = Field(
        default=1,
        ge=1,
        le=MAX_CLIENTS,
        strict=True,
        description="Clients per lab that load its datapath at once; rates and connections are their totals.",
    )
    probes: tuple[Name, ...] = Field(default=(), max_length=16)
    probe_levels: ProbeLevels = ()
    flame_graphs: bool = Field(
        default=False, strict=True, description="Sample on-CPU stacks in one more uncounted slice per trial."
    )
    hosts: tuple[HostName, ...] = Field(
        default=(), max_length=64, description="Worker hosts; default: every host that can run the campaign."
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**31,
        strict=True,
        description="Seed of the order of blocks and slices; 0 draws one and records it.",
    )
    equivalence_margin: float | None = Field(default=None, gt=0, le=0.5)
    margins: Margins = Field(default={})
    primary: tuple[Entry, ...] = Field(default=(), max_length=MAX_PRIMARY)
    precision: Precision = None
    budget: Budget = None
    focus: FocusLabels = ()
    focus_levels: FocusLevels = ()
    focus_slices: FocusSlices = None
    expect: Expectations = Field(default={})
    leave_out_missing: LeaveOutMissing = None
    left_out: LeftOut = Field(default={})

    @field_validator("description")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        # It is printed to terminals, which obey control characters.
        if any(not character.isprintable() and character not in "\n\t" for character in value):
            raise ValueError("must not contain control characters")
        return value

    @field_validator(*_LISTS, "datapaths", "primary", mode="before")
    @classmethod
    def _is_a_list(cls, value: Any) -> Any:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError("must be a list of names")
        return value

    @field_validator("datapaths")
    @classmethod
    def _with_few_copies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        most = max(value, key=value.count)
        if value.count(most) > MAX_COPIES:
            raise ValueError(f"{most} is named {value.count(most)} times; name it at most {MAX_COPIES} times")
        return value

    @field_validator(*_LISTS)
    @classmethod
    def _without_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({v for v in value if value.count(v) > 1})
        if repeated:
            raise ValueError(f"named twice: {', '.join(repeated)}; name each once")
        return value

    @field_validator("levels")
    @classmethod
    def _under_each_condition(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        levels = cross_product(value, info.data.get("conditions") or {})
        if CALIBRATION in levels:
            raise ValueError(f"{CALIBRATION!r} is reserved for the search for the capacity; choose another name")
        return levels

    @field_validator("slice_s", "open_slice_s", "warm_up_s", "equivalence_margin", "precision", mode="before")
    @classmethod
    def _is_a_number(cls, value: Any) -> Any:
        if isinstance(value, (bool, str)) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError("must be a number")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.__dict__["conditions"] = {}  # they are in the levels now, so a stored campaign reads back equal
        if self.reference is not None and self.reference not in self.labels:
            meant = did_you_mean(self.reference, self.labels)
            choose = f"choose one of {', '.join(self.labels)}"
            raise ValueError(f"reference: {self.reference!r} is not among the datapaths{meant}; {choose}")
        check_primary(self.primary, self.labels)
        if unused := next((workload for workload in self.parameters if workload not in self.workloads), None):
            advice = "add it to the workloads, or remove its parameters"
            raise ValueError(f"parameters.{unused}: the campaign does not run {unused}; {advice}")
        check_levels(self.levels, self.slices, self.clients)
        searches = " (a search of a capacity has up to as many as its steps)" if self.search_blocks else ""
        if (total := self.total_blocks) > MAX_BLOCKS:
            limit = f"the limit is {MAX_BLOCKS}: use fewer blocks, levels or workloads"
            raise ValueError(f"blocks: {total} blocks in total{searches}; {limit}")
        if self.traffic_s > MAX_TRAFFIC_S:
            limit = f"the limit is {MAX_TRAFFIC_S // 3600}; use fewer or shorter slices"
            raise ValueError(f"slices: {self.traffic_s / 3600:.1f} hours of traffic; {limit}")
        check_budget(self)
        check_focus(self)
        check_probe_levels(self)
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Each datapath's label, in the campaign's order; a second copy is ``name#2``."""
        return labels_of(self.datapaths)

    @property
    def reference_label(self) -> str:
        """The label that all others are compared with."""
        return self.reference or self.labels[0]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell: by workload, then by level, then by datapath."""
        places = product(self.workloads, self.levels, self.labels)
        return tuple(Cell(datapath=label, workload=workload, level=level) for workload, level, label in places)

    @property
    def search_blocks(self) -> int:
        """Blocks that are steps of a search for a capacity."""
        searched = [load for load in self.levels.values() if isinstance(load, CapacityLoad)]
        return len(self.workloads) * sum(search_blocks_of(load, self.blocks) for load in searched)

    @property
    def total_blocks(self) -> int:
        """Blocks over all workloads and levels, search steps included, calibration excluded."""
        fixed = sum(not isinstance(load, CapacityLoad) for load in self.levels.values())
        return len(self.workloads) * fixed * self.blocks + self.search_blocks

    @property
    def needs_calibration(self) -> bool:
        """True when a level depends on the capacity, which calibration must find first."""
        return any(isinstance(load, (ShareLoad, CapacityLoad)) for load in self.levels.values())

    @property
    def calibration_blocks(self) -> int:
        """Calibration blocks per host: per workload one in a closed loop, and with shares those of an open one."""
        searched = (CALIBRATION_STEPS + CHECK_STEPS) * bool(shares_of(self.levels))
        return len(self.workloads) * (1 + searched) if self.needs_calibration else 0

    @property
    def calibration_load(self) -> ClosedLoad:
        """The closed load of the calibration: the campaign's largest closed level, or a default."""
        closed = [load.connections for load in self.levels.values() if isinstance(load, ClosedLoad)]
        return ClosedLoad(connections=max(closed, default=CALIBRATION_CONNECTIONS))

    @property
    def calibration_slices(self) -> int:
        """Slices per datapath in a calibration block."""
        return max(self.slices, math.ceil(CALIBRATION_S / self.slice_s))

    def slice_s_at(self, load: AnyLoad) -> float:
        """Seconds of one slice at this level (domain/loads/duration.py)."""
        return slice_s_at(self, load)

    @property
    def lowest_searched_per_s(self) -> int:
        """The lowest rate a search step may ask for; at a lower one a trial has too few requests for a p99."""
        searched = [self.slice_s_at(load) for load in self.levels.values() if isinstance(load, CapacityLoad)]
        return math.ceil(SEARCH_REQUESTS / min(searched, default=self.open_slice_s))

    @property
    def traffic_s(self) -> float:
        """Seconds of traffic in the whole campaign, including warm-up and one host's calibration."""
        return traffic_s(self)


def read_campaign(data: Mapping[str, Any]) -> Campaign:
    """Validate a decoded campaign. Raises :class:`InvalidInput` with every problem found."""
    try:
        return Campaign.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(advised(p, data, Campaign.model_fields) for p in problems_of(error)) from error


def read_campaign_toml(text: str) -> Campaign:
    """Validate a campaign written as TOML. Raises :class:`InvalidInput`."""
    return read_campaign(toml_data(text))


def toml_data(text: str) -> Mapping[str, Any]:
    """A TOML text, decoded and not yet validated. Raises :class:`InvalidInput`."""
    if len(text.encode(errors="surrogatepass")) > MAX_TEXT_BYTES:
        raise InvalidInput([Problem(field="campaign", message=f"is longer than {MAX_TEXT_BYTES} bytes")])
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number with more digits than Python reads
        raise InvalidInput([Problem(field="campaign", message=f"is not TOML: {error}")]) from error
    except RecursionError:
        raise InvalidInput([Problem(field="campaign", message="is nested too deeply")]) from None
