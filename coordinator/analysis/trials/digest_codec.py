"""Digests as they are stored: the numbers as bytes, the words as JSON text. Pure.

Blocks of one level mostly have the same words, so a text is read once and shared by all of them.
"""

import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from coordinator.analysis.trials.block_trials import BlockShape, BlockTrials, TrialShape
from coordinator.scheduling.digests import DeclaredKey, Judged, TrialDigest, TrialWords
from domain.hosts.busy import BusyProcess
from domain.probes.watched import StageRole
from domain.trials.trial import Finding, Reason

VERSION = 3
"""Of the figures and their form; digests of another version are made again from the trials."""
_NUMBER_BYTES = 8


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
        numbers.extend(trial.declared.values)
        words.append(
            [
                trial.words,
                [_finding_words(one) for one in trial.findings],
                None if stages is None else stages.keys,
                () if stages is None else stages.kinds,
                trial.judged,
                trial.declared.keys,
            ]
        )
    return _little(numbers).tobytes() + bytes(flags), json.dumps(words, separators=(",", ":"), allow_nan=False)


def decode(numbers: bytes, words: str) -> BlockTrials:
    """The inverse of :func:`encode`; digests that were stored have no histograms."""
    shape = _shape_of(words)
    size = shape.starts[-1]
    values = np.frombuffer(numbers, dtype="<f8", count=size).astype(np.float64, copy=False)
    return BlockTrials(shape, values, numbers[size * _NUMBER_BYTES :])


@lru_cache(maxsize=64)
def _shape_of(words: str) -> BlockShape:
    return BlockShape(tuple(_shape(one) for one in json.loads(words)))


def _shape(trial: list[Any]) -> TrialShape:
    words, findings, keys, kinds, judged, *more = trial  # earlier versions stored no declared figures
    datapath, function, role, workload, level, offloads, *rest = words
    over = rest[0] if rest else ""  # digests of earlier versions have none
    against = tuple(_finding(*one) for one in findings)
    return TrialShape(
        _shared(
            TrialWords(datapath, function, role, workload, level, tuple((name, on) for name, on in offloads), over)
        ),
        against,
        tuple(dict.fromkeys(one.reason for one in against)),
        None if keys is None else _keys(tuple(map(tuple, keys))),
        _kinds(tuple(kinds)),
        None if judged is None else Judged(*judged),
        tuple(DeclaredKey(*one) for one in more[0]) if more else (),
    )


def _finding_words(one: Finding) -> tuple[Any, ...]:
    words = (one.reason, one.detail)
    return (*words, [(busy.name, busy.share) for busy in one.processes]) if one.processes else words


def _finding(reason: str, detail: str, processes: Sequence[tuple[str, float]] = ()) -> Finding:
    busy = tuple(BusyProcess(name=name, share=share) for name, share in processes)
    return Finding.model_construct(reason=Reason(reason), detail=str(detail), processes=busy)


@lru_cache(maxsize=1024)
def _shared(words: TrialWords) -> TrialWords:
    return words


@lru_cache(maxsize=1024)
def _keys(keys: tuple[tuple[str, str], ...]) -> tuple[StageRole, ...]:
    return tuple(StageRole(*key) for key in keys)


@lru_cache(maxsize=1024)
def _kinds(kinds: tuple[str, ...]) -> tuple[str, ...]:
    return kinds


def _little(numbers: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        numbers = array("d", numbers)
        numbers.byteswap()
    return numbers
