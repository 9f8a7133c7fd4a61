"""The files of a bundle as typed values, and the way back to what the analysis reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.trials.digest import block_digest
from coordinator.bundle.manifest import first_problem
from coordinator.bundle.refusal import Unreadable
from coordinator.scheduling.lifecycle import accepted_attempt
from coordinator.scheduling.records import AttemptRecord, SearchStep
from domain.campaigns.campaign import Campaign
from domain.probes.place import Place
from domain.service.jobs import MOST_ATTEMPTS
from domain.trials.block import PlannedBlock
from domain.trials.trial import BlockResult
from domain.values.bounds import MAX_TRIALS, MAX_VARIANTS, Index, When, Word
from domain.values.frozen import Frozen
from domain.values.names import BlockId, HostName, Label, Name

MOST_ATTEMPT_BYTES = 64 << 20  # a worker's report has at most a quarter of it
MOST_OTHER_BYTES = 256 << 20  # the report of the largest campaign has a tenth of it
_MOST_REASON = 100_000  # characters


class SearchFile(Frozen):
    """The place of an attempt in a search for a capacity, and the rates that it asked for."""

    chain: Index
    step: Index
    rates_per_s: dict[Label, int] = Field(max_length=MAX_TRIALS)
    ended: bool


class AttemptFile(Frozen):
    """One attempt of one block: its plan, and what its worker reported, with every trial and histogram."""

    block: Index
    block_id: BlockId
    workload: Word
    level: Word
    attempt: int = Field(ge=1, le=MOST_ATTEMPTS)
    host: HostName
    state: Word
    reason: str = Field(max_length=_MOST_REASON)
    claimed_at: When | None = None
    ended_at: When | None = None
    calibration: bool
    search: SearchFile | None = None
    plan: PlannedBlock
    result: BlockResult | None = None

    @property
    def name(self) -> str:
        """Its name in the bundle."""
        return f"attempts/{self.block:05d}-{self.attempt}.json"

    @property
    def encoded(self) -> bytes:
        """Its content."""
        return self.model_dump_json().encode() + b"\n"


_PLACES = TypeAdapter(Annotated[dict[Name, Place], Field(max_length=MAX_VARIANTS)])


def read_attempt(data: bytes, name: str) -> AttemptFile:
    """An attempt. Raises :class:`Unreadable`."""
    try:
        found = AttemptFile.model_validate_json(data)
    except ValidationError as error:
        raise Unreadable(f"{name} cannot be read by this version of Showdown: {first_problem(error)}") from error
    if found.name != name:
        raise Unreadable(f"{name} has the content of {found.name}")
    return found


def encode_path(path: StagePath) -> bytes:
    """The places of the stages on a request's path."""
    return _PLACES.dump_json(dict(sorted(path.places.items())), indent=1) + b"\n"


def read_path(data: bytes, name: str) -> StagePath:
    """The inverse of :func:`encode_path`. Raises :class:`Unreadable`."""
    try:
        return StagePath(_PLACES.validate_json(data))
    except ValidationError as error:
        raise Unreadable(f"{name} cannot be read by this version of Showdown: {first_problem(error)}") from error


def record_of(campaign: Campaign, file: AttemptFile) -> AttemptRecord:
    """An attempt with the digest of its trials, which is made here; not accepted yet."""
    search = file.search
    step = None if search is None else SearchStep(search.chain, search.step, search.rates_per_s, search.ended)
    return AttemptRecord(
        block_index=file.block,
        block_id=file.block_id,
        workload=file.workload,
        level=file.level,
        attempt=file.attempt,
        host=file.host,
        state=file.state,
        reason=file.reason,
        accepted=False,
        result=None,
        calibration=file.calibration,
        search=step,
        digest=None if file.result is None else block_digest(campaign, file.level, file.result, step),
    )


def with_accepted(records: Sequence[AttemptRecord]) -> list[AttemptRecord]:
    """The attempts by block and number, with the accepted one of each block marked."""
    return list(_marked(sorted(records, key=lambda one: (one.block_index, one.attempt))))


def _marked(records: Sequence[AttemptRecord]) -> Iterator[AttemptRecord]:
    for _, group in groupby(records, key=lambda one: one.block_index):
        of_block = list(group)
        accepted = accepted_attempt(
            (one.attempt, one.digest.is_sound if one.digest is not None else None) for one in of_block
        )
        for one in of_block:
            yield replace(one, accepted=one.attempt == accepted)


def campaign_of(record: Mapping[str, object], name: str) -> Campaign:
    """The campaign in a record. Raises :class:`Unreadable`."""
    try:
        return Campaign.model_validate(record.get("campaign"))
    except ValidationError as error:
        raise Unreadable(
            f"{name}: this version of Showdown cannot read the campaign: {first_problem(error)}"
        ) from error
