"""The contract of a trait: something that a datapath keeps or carries beside its speed, found out by trying it.

A trait is one file here. It is discovered, never listed, and knows no datapath: it looks at what stands in a lab.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

from domain.traits import MAX_EVIDENCE, Answer, Finding
from workers.datapaths.base import Datapath
from workers.traits._rig import Rig


class Bench(Protocol):
    """One datapath under test, and labs with it in force. What cannot be built raises what the lab raises."""

    datapath: Datapath

    def shared(self) -> Rig:
        """The lab that all traits share; for those that leave it as they found it."""

    def fresh(self, ip_version: int = 4) -> AbstractContextManager[Rig]:
        """A lab of one's own, to break; gone when the context is left."""


class Trait(ABC):
    """A question about a datapath that a test answers."""

    name: ClassVar[str]
    title: ClassVar[str]
    """The head of its column: a few words that "yes" and "no" are answers to."""
    summary: ClassVar[str]
    """What exactly is tested, in a sentence or two."""

    @abstractmethod
    def check(self, bench: Bench) -> Finding:
        """Try it. An exception is no answer: it becomes an ``error`` with its reason, and the shared lab is renewed."""


def yes(evidence: str) -> Finding:
    """The datapath has the trait; ``evidence`` is what was seen, in a sentence."""
    return _finding(Answer.YES, evidence)


def no(evidence: str) -> Finding:
    """It has it not."""
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
