"""Fakes of the contract: a trait with a fixed answer, and a bench without a lab. Not discovered."""

from contextlib import AbstractContextManager

from domain.trials.traits import Finding
from workers.datapaths.base import Datapath
from workers.traits._rig import Rig
from workers.traits.base import Bench, Trait


class FakeTrait(Trait):
    """Returns ``answer`` for every datapath, or raises it. ``asked`` are the datapaths that it has tested."""

    name = "fake"
    title = "fake"
    summary = "Returns a fixed answer."

    def __init__(self, name: str, answer: Finding | Exception) -> None:
        self.name, self.title = name, name.replace("_", " ")  # type: ignore[misc]  # tests use several at once
        self.answer = answer
        self.asked: list[str] = []

    def check(self, bench: Bench) -> Finding:
        """See the contract."""
        self.asked.append(bench.datapath.name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class FakeBench:
    """Has no lab; counts renewals. ``left`` is true once its context was left."""

    def __init__(self, datapath: Datapath) -> None:
        self.datapath = datapath
        self.renewed, self.left = 0, False

    def shared(self) -> Rig:
        """See the contract. Always raises ``LookupError``."""
        raise LookupError("a fake has no lab")

    def fresh(self, ip_version: int = 4) -> AbstractContextManager[Rig]:
        """See the contract. Always raises ``LookupError``."""
        raise LookupError(f"a fake has no lab of IPv{ip_version}")

    def renew(self) -> None:
        """Count it."""
        self.renewed += 1

    def __enter__(self) -> "FakeBench":
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True
