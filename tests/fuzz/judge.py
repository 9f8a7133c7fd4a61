"""What must hold after every step of the simulated world, judged from the database and from what the workers saw."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from deploy.cli.rest.client import ENDED

ENDED_BLOCKS = {"done", "failed", "cancelled"}
_CAMPAIGN = {
    "queued": {"running", "complete", "failed", "cancelling", "cancelled"},
    "running": {"complete", "failed", "cancelling", "cancelled"},
    "cancelling": {"cancelled"},
}
_ATTEMPT = {
    "dispatched": {"running", "done", "failed", "lost", "cancelled", "gone"},
    "running": {"done", "failed", "lost", "cancelled"},
    "lost": {"done"},
}
"""Which states may follow within one step of the world, which may be several transitions; written without the
product's own tables. An attempt that was not claimed may be withdrawn: it is gone, and its number is free again."""


class Violation(AssertionError):
    """The product broke a promise; the message says which."""


class Attempt(NamedTuple):
    """A row of the table."""

    id: str
    block_id: str
    number: int
    state: str
    host: str
    wall_s: float | None


class Seen(NamedTuple):
    """The states of one moment."""

    campaigns: Mapping[str, str]
    blocks: Mapping[str, tuple[str, str]]  # state, host
    attempts: Mapping[str, Attempt]
    quarantine: frozenset[str]


class Judge:
    """Compares each moment with the one before, and with what was granted and accepted."""

    def __init__(self, database: Path, allowed_in_quarantine: Callable[[], Collection[str]]) -> None:
        self._connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
        self._allowed = allowed_in_quarantine
        self._before = Seen({}, {}, {}, frozenset())
        self._granted: set[str] = set()  # leases
        self._accepted: dict[str, float] = {}  # by attempt, the mark of its result

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def granted(self, attempt_id: str, host: str, lease: str) -> None:
        """A worker of ``host`` was given the attempt. Raises :class:`Violation`."""
        now = self._seen()
        attempt = now.attempts[attempt_id]
        if attempt.host != host:
            raise Violation(f"{host} was given attempt {attempt_id}, which belongs to {attempt.host}")
        if lease in self._granted:
            raise Violation(f"attempt {attempt_id} was given with a lease that was given before")
        self._granted.add(lease)
        others = [a.id for a in now.attempts.values() if a.block_id == attempt.block_id and a.state == "running"]
        if others != [attempt_id]:
            raise Violation(f"a block is leased to several: {others}")

    def accepted(self, attempt_id: str, mark: float) -> None:
        """The coordinator took a result, and not as a repeated one. Raises :class:`Violation`."""
        if attempt_id in self._accepted:
            raise Violation(f"two results of attempt {attempt_id} were accepted")
        self._accepted[attempt_id] = mark

    def look(self) -> None:
        """Judge the present moment. Raises :class:`Violation`."""
        now, before = self._seen(), self._before
        wrong = [*_moved_wrongly(before, now), *_out_of_step(now), *self._misfiled(now)]
        if wrong:
            raise Violation("; ".join(wrong))
        self._before = now

    @property
    def is_at_rest(self) -> bool:
        """Whether every campaign has ended."""
        return all(state in ENDED for state in self._before.campaigns.values())

    def _misfiled(self, now: Seen) -> Iterator[str]:
        done = {one.id: one.wall_s for one in now.attempts.values() if one.state == "done"}
        if done != self._accepted:
            yield f"results are {done}, and those accepted are {self._accepted}"
        if unexpected := now.quarantine - frozenset(self._allowed()):
            reasons = self._connection.execute("SELECT name, reason FROM quarantine").fetchall()
            yield f"set aside without a cause: {sorted(unexpected)}: {reasons}"

    def _seen(self) -> Seen:
        ask = self._connection.execute
        attempts = ask("SELECT id, block_id, number, state, host, wall_s FROM attempts")
        return Seen(
            dict(ask("SELECT id, state FROM campaigns").fetchall()),
            {name: (state, host) for name, state, host in ask("SELECT id, state, host FROM blocks")},
            {row[0]: Attempt(*row) for row in attempts},
            frozenset(f"{kind} {name}" for kind, name in ask("SELECT kind, name FROM quarantine")),
        )


def _moved_wrongly(before: Seen, now: Seen) -> Iterator[str]:
    for name, old in before.campaigns.items():
        if (new := now.campaigns.get(name, "gone")) != old and new not in _CAMPAIGN.get(old, ()):
            yield f"campaign {name} went from {old} to {new}"
    for name, (old, _) in before.blocks.items():
        new, _ = now.blocks.get(name, ("gone", ""))
        if new != old and (old in ENDED_BLOCKS or new == "gone"):
            yield f"block {name} went from {old} to {new}"
    for name, one in before.attempts.items():
        new = now.attempts[name].state if name in now.attempts else "gone"
        if new != one.state and new not in _ATTEMPT.get(one.state, ()):
            yield f"attempt {name} went from {one.state} to {new}"


def _out_of_step(now: Seen) -> Iterator[str]:
    """A block, its attempts and its campaign must agree at every moment."""
    under_way: dict[str, list[str]] = {}
    for one in now.attempts.values():
        if one.state in ("dispatched", "running"):
            under_way.setdefault(one.block_id, []).append(one.state)
    for name, (state, _) in now.blocks.items():
        wanted = [state] if state in ("dispatched", "running") else []
        if under_way.get(name, []) != wanted:
            yield f"block {name} is {state}, and its open attempts are {under_way.get(name, [])}"
        campaign = now.campaigns[name.partition("-")[0]]
        if campaign in ENDED and state not in ENDED_BLOCKS:
            yield f"block {name} is {state} in a campaign that is {campaign}"
