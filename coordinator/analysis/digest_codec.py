"""Digests as they are stored: the numbers as bytes, the words as JSON text. Pure.

Blocks of one level mostly have the same words, so a text is read once and shared by all of them.
"""

import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from coordinator.scheduling.digests import FIELDS, Judged, Stages, TrialDigest, TrialWords
from domain.busy import BusyProcess
from domain.trial import Finding, Reason
from domain.watched import StageRole

VERSION = 1
"""Of the figures and their form; digests of another version are made again from the trials."""
_NUMBER_BYTES = 8


class _Shape(NamedTuple):
    """The words of one trial."""

    words: TrialWords
    findings: tuple[Finding, ...]
    keys: tuple[StageRole, ...] | None
    kinds: tuple[str, ...]
    judged: Judged | None


def encode(trials: Mapping[str, TrialDigest]) -> tuple[bytes, str]:
    """Numbers and words."""
    numbers, flags, words = array("d"), bytearray(), []
    for trial in trials.values():
        stages = trial.stages
        numbers.extend(trial.numbers)
        if stages is not None:
            numbers.extend(stages.us)
            numbers.extend(stages.work)
            flags.extend(stages.known)
        words.append(
            [
                trial.words,
                [_finding_words(one) for one in trial.findings],
                None if stages is None else stages.keys,
                () if stages is None else stages.kinds,
                trial.judged,
            ]
        )
    return _little(numbers).tobytes() + bytes(flags), json.dumps(words, separators=(",", ":"), allow_nan=False)


def decode(numbers: bytes, words: str) -> dict[str, TrialDigest]:
    """The inverse of :func:`encode`; digests that were stored have no histograms."""
    shapes = _shapes(words)
    count = sum(map(_size, shapes))
    values = array("d")
    values.frombytes(numbers[: count * _NUMBER_BYTES])
    values, flags = _little(values), numbers[count * _NUMBER_BYTES :]
    found, at, flag = {}, 0, 0
    for shape in shapes:
        own, at = values[at : at + len(FIELDS)], at + len(FIELDS)
        stages = None
        if shape.keys is not None:
            us, at = values[at : at + len(shape.keys)], at + len(shape.keys)
            work, at = values[at : at + len(shape.kinds)], at + len(shape.kinds)
            known, flag = flags[flag : flag + len(shape.keys)], flag + len(shape.keys)
            stages = Stages(shape.keys, us, known, shape.kinds, work)
        found[shape.words.datapath] = TrialDigest(shape.words, own, shape.findings, stages=stages, judged=shape.judged)
    return found


def _size(shape: _Shape) -> int:
    return len(FIELDS) + len(shape.keys or ()) + len(shape.kinds)


@lru_cache(maxsize=64)
def _shapes(words: str) -> tuple[_Shape, ...]:
    return tuple(_shape(one) for one in json.loads(words))


def _shape(trial: list[Any]) -> _Shape:
    words, findings, keys, kinds, judged = trial
    datapath, function, role, workload, level, offloads = words
    return _Shape(
        _shared(TrialWords(datapath, function, role, workload, level, tuple((name, on) for name, on in offloads))),
        tuple(_finding(*one) for one in findings),
        None if keys is None else tuple(StageRole(*key) for key in keys),
        tuple(kinds),
        None if judged is None else Judged(*judged),
    )


def _finding_words(one: Finding) -> tuple[Any, ...]:
    words = (one.reason, one.detail)
    return (*words, [(busy.name, busy.share) for busy in one.processes]) if one.processes else words


def _finding(reason: Reason, detail: str, processes: Sequence[tuple[str, float]] = ()) -> Finding:
    busy = tuple(BusyProcess(name=name, share=share) for name, share in processes)
    return Finding(reason=reason, detail=detail, processes=busy)


@lru_cache(maxsize=1024)
def _shared(words: TrialWords) -> TrialWords:
    return words


def _little(numbers: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        numbers = array("d", numbers)
        numbers.byteswap()
    return numbers
