"""The contract of a trait: a property of a datapath apart from its speed, found by a test.

A trait is one file here. It is discovered, never listed. It knows no datapath by name, and tests what is in a lab.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

from domain.trials.traits import MAX_EVIDENCE, Answer, Finding
from workers.datapaths.base import Datapath
from workers.traits._rig import Rig


class Bench(Protocol):
    """One datapath under test, and labs that it is attached in. Errors of building a lab are raised as they are."""

    datapath: Datapath

    def shared(self) -> Rig:
        """The lab that all traits share, for tests that leave it unchanged."""

    def fresh(self, ip_version: int = 4) -> AbstractContextManager[Rig]:
        """A new lab that the test may break; leaving the context removes it."""


class Trait(ABC):
    """A yes-or-no question about a datapath, answered by a test."""

    name: ClassVar[str]
    title: ClassVar[str]
    """The heading of its column: a few words to which "yes" and "no" are answers."""
    summary: ClassVar[str]
    """What the test does, in one or two sentences."""

    @abstractmethod
    def check(self, bench: Bench) -> Finding:
        """Run the test. An exception becomes an ``error`` with its reason, and the shared lab is replaced."""


def yes(evidence: str) -> Finding:
    """The datapath has the trait; ``evidence`` says in a sentence what the test saw."""
    return _finding(Answer.YES, evidence)


def no(evidence: str) -> Finding:
    """The datapath lacks the trait."""
    return _finding(Answer.NO, evidence)


def not_applicable(reason: str) -> Finding:
    """The question has no meaning for this datapath."""
    return _finding(Answer.NOT_APPLICABLE, reason)


def error(reason: str) -> Finding:
    """The test broke."""
    return _finding(Answer.ERROR, reason)


def not_run(reason: str) -> Finding:
    """This host cannot run the datapath."""
    return _finding(Answer.NOT_RUN, reason)


def _finding(answer: Answer, text: str) -> Finding:
    sentence = " ".join(text.split()) or "No reason was given."
    return Finding(answer=answer, evidence=sentence[:MAX_EVIDENCE])
