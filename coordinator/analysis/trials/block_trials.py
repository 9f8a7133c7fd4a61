"""The trials of one block as they are stored: a table of numbers, and words that most blocks share. Pure.

A report reads tens of thousands of trials. So it takes their numbers as columns, and a digest is made only for a trial
that is asked for.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coordinator.analysis.trials.outcome import said_by_reasons
from coordinator.scheduling.digests import (
    FIELDS,
    Declared,
    DeclaredKey,
    Judged,
    Stages,
    TrialDigest,
    TrialWords,
    kinds_of,
)
from domain.probes.watched import StageRole
from domain.trials.trial import Finding, Reason
from domain.values.names import datapath_of

Numbers = NDArray[np.float64]
Flags = NDArray[np.int8]


class TrialOutcome(NamedTuple):
    """What the reasons against a trial make of it; a row of :data:`Flags`."""

    valid: bool
    has_outcome: bool  # nothing is against it but what the datapath itself did
    carried: int  # 1: the load was carried, 0: it was not, -1: the trial does not say


class TrialShape(NamedTuple):
    """One trial without its numbers."""

    words: TrialWords
    findings: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    keys: tuple[StageRole, ...] | None
    kinds: tuple[str, ...]
    judged: Judged | None
    declared: tuple[DeclaredKey, ...] = ()

    @property
    def valid(self) -> bool:
        """True without findings."""
        return not self.findings

    @property
    def details(self) -> tuple[str, ...]:
        """The details of its findings."""
        return tuple(one.detail for one in self.findings)

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return len(FIELDS) + len(self.keys or ()) + len(self.kinds) + len(self.declared)


class BlockShape:
    """The trials of a block without their numbers, in the order of the result."""

    def __init__(self, trials: tuple[TrialShape, ...]) -> None:
        self.trials = trials
        self.labels = tuple(one.words.datapath for one in trials)
        self.rows = {label: row for row, label in enumerate(self.labels)}
        self.starts = [0]
        self.flag_starts = [0]
        for one in trials:
            self.starts.append(self.starts[-1] + one.size)
            self.flag_starts.append(self.flag_starts[-1] + len(one.keys or ()))
        self.is_valid = all(one.valid for one in trials)

    @cached_property
    def flags(self) -> Flags:
        """The outcome of each trial."""
        return flags_of(one.reasons for one in self.trials)

    @cached_property
    def places(self) -> NDArray[np.intp] | None:
        """Where the fields of each trial are; ``None`` if there is nothing else."""
        if self.starts[-1] == len(self.trials) * len(FIELDS):
            return None
        return np.add.outer(np.array(self.starts[:-1], dtype=np.intp), np.arange(len(FIELDS)))

    @cached_property
    def watched(self) -> tuple["_Watched", ...]:
        """Where the readings of probes are: trials with the same stages together."""
        groups: dict[tuple[tuple[StageRole, ...], tuple[str, ...]], list[int]] = {}
        for row, one in enumerate(self.trials):
            if one.keys is not None:
                groups.setdefault((one.keys, one.kinds), []).append(row)
        return tuple(_Watched.of(self, *key, rows) for key, rows in groups.items())

    @cached_property
    def words(self) -> Mapping[str, TrialWords]:
        """Of each datapath, the words of its last trial."""
        return {datapath_of(one.words.datapath): one.words for one in self.trials}


class _Watched(NamedTuple):
    """Trials of a block that have the same stages, and where their numbers and flags are: a row for each trial."""

    labels: tuple[str, ...]
    keys: tuple[StageRole, ...]
    kinds: tuple[str, ...]
    us: NDArray[np.intp]
    known: NDArray[np.intp]
    work: NDArray[np.intp]

    @classmethod
    def of(
        cls, shape: BlockShape, keys: tuple[StageRole, ...], kinds: tuple[str, ...], rows: Sequence[int]
    ) -> "_Watched":
        """The places in a block of this shape."""
        first = np.array([shape.starts[row] + len(FIELDS) for row in rows], dtype=np.intp)
        flags = np.array([shape.flag_starts[row] for row in rows], dtype=np.intp)
        stages = np.arange(len(keys), dtype=np.intp)
        return cls(
            tuple(shape.labels[row] for row in rows),
            keys,
            kinds,
            np.add.outer(first, stages),
            np.add.outer(flags, stages),
            np.add.outer(first + len(keys), np.arange(len(kinds), dtype=np.intp)),
        )


class StageRows(NamedTuple):
    """What probes saw in trials of one block that have the same stages: a row for each trial."""

    labels: tuple[str, ...]
    keys: tuple[StageRole, ...]
    kinds: tuple[str, ...]
    us: Numbers
    known: NDArray[np.uint8]
    work: Numbers


class BlockTrials(Mapping[str, TrialDigest]):
    """The trials of a block by label, in the order of the result."""

    __slots__ = ("_flags", "_values", "shape")

    def __init__(self, shape: BlockShape, values: Numbers, flags: bytes) -> None:
        """``values`` are all numbers of all trials, ``flags`` what is known of their stages."""
        self.shape, self._values, self._flags = shape, values, flags

    @property
    def numbers(self) -> Numbers:
        """The fields of each trial, as rows."""
        if (places := self.shape.places) is not None:
            return self._values[places]
        return self._values.reshape(len(self.shape.trials), len(FIELDS))

    @property
    def stages(self) -> list[StageRows]:
        """What probes saw."""
        known = np.frombuffer(self._flags or b"\0", dtype=np.uint8)
        return [
            StageRows(one.labels, one.keys, one.kinds, self._values[one.us], known[one.known], self._values[one.work])
            for one in self.shape.watched
        ]

    def __getitem__(self, label: str) -> TrialDigest:
        row = self.shape.rows[label]
        one, begin, end = self.shape.trials[row], self.shape.starts[row], self.shape.starts[row + 1]
        values, stages = array("d", self._values[begin:end].tobytes()), None
        last = len(values) - len(one.declared)
        if one.keys is not None:
            known = self._flags[self.shape.flag_starts[row] : self.shape.flag_starts[row + 1]]
            kinds = len(FIELDS) + len(one.keys)
            stages = Stages(one.keys, values[len(FIELDS) : kinds], known, one.kinds, values[kinds:last])
        declared = Declared(one.declared, values[last:])
        return TrialDigest(
            *(one.words, values[: len(FIELDS)], one.findings), stages=stages, judged=one.judged, declared=declared
        )

    def __contains__(self, label: object) -> bool:
        return label in self.shape.rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.shape.labels)

    def __len__(self) -> int:
        return len(self.shape.labels)


class LeftOutTrials(Mapping[str, TrialDigest]):
    """The trials of a block that does not count: each has one more finding, unless it has one of that reason."""

    __slots__ = ("_block", "_why")

    def __init__(self, block: Mapping[str, TrialDigest], why: Finding) -> None:
        self._block, self._why = block, why

    @property
    def parts(self) -> tuple[Mapping[str, TrialDigest], Reason]:
        """The block itself, and the reason."""
        return self._block, self._why.reason

    def __getitem__(self, label: str) -> TrialDigest:
        trial = self._block[label]
        return trial if self._why.reason in trial.reasons else trial.left_out(self._why)

    def __contains__(self, label: object) -> bool:
        return label in self._block

    def __iter__(self) -> Iterator[str]:
        return iter(self._block)

    def __len__(self) -> int:
        return len(self._block)


class Rows(NamedTuple):
    """The trials of a block as rows: of each its label, its fields and its outcome."""

    labels: tuple[str, ...]
    numbers: Numbers
    flags: Flags


def rows_of(block: Mapping[str, TrialDigest]) -> Rows:
    """The rows of any block."""
    if isinstance(block, LeftOutTrials):
        inner = rows_of(block.parts[0])
        return inner._replace(flags=flags_of(reasons_at(block, label) for label in inner.labels))
    if isinstance(block, BlockTrials):
        return Rows(block.shape.labels, block.numbers, block.shape.flags)
    numbers = np.array([trial.numbers for trial in block.values()], dtype=np.float64).reshape(len(block), len(FIELDS))
    return Rows(tuple(block), numbers, flags_of(trial.reasons for trial in block.values()))


def flags_of(reasons: Iterable[tuple[Reason, ...]]) -> Flags:
    """One row for each trial with those reasons."""
    return np.array([_outcome(one) for one in reasons], dtype=np.int8).reshape(-1, len(TrialOutcome._fields))


@lru_cache(maxsize=4096)
def _outcome(reasons: tuple[Reason, ...]) -> TrialOutcome:
    return TrialOutcome(not reasons, kinds_of(reasons).is_outcome, said_by_reasons(reasons))


def stages_of(block: Mapping[str, TrialDigest]) -> Iterable[StageRows]:
    """What probes saw in any block. Trials of a block that does not count explain nothing."""
    if isinstance(block, LeftOutTrials):
        return ()
    if isinstance(block, BlockTrials):
        return block.stages
    return [
        StageRows(
            (label,),
            stages.keys,
            stages.kinds,
            np.array([stages.us], dtype=np.float64),
            np.frombuffer(stages.known, dtype=np.uint8).reshape(1, -1),
            np.array([stages.work], dtype=np.float64),
        )
        for label, trial in block.items()
        if (stages := trial.stages) is not None
    ]


def shape_of(block: Mapping[str, TrialDigest]) -> BlockShape | None:
    """What a stored block shares with others."""
    if isinstance(block, LeftOutTrials):
        return shape_of(block.parts[0])
    return block.shape if isinstance(block, BlockTrials) else None


def reasons_at(block: Mapping[str, TrialDigest], label: str) -> tuple[Reason, ...]:
    """The reasons against one trial of any block."""
    if isinstance(block, LeftOutTrials):
        inner, why = block.parts
        found = reasons_at(inner, label)
        return found if why in found else (*found, why)
    if isinstance(block, BlockTrials):
        return block.shape.trials[block.shape.rows[label]].reasons
    return block[label].reasons


def words_of(block: Mapping[str, TrialDigest]) -> Mapping[str, TrialWords]:
    """Of each datapath, the words of its last trial in a block."""
    if isinstance(block, BlockTrials):
        return block.shape.words
    return {datapath_of(label): trial.words for label, trial in block.items()}
