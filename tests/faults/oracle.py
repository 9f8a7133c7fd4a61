"""What must hold after any fault, whatever it was: judged from the database, the accounts and the kernel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from coordinator.scheduling.lifecycle import AttemptState, BlockState
from coordinator.store.database import Store
from deploy.cli.client import ENDED
from domain.telemetry import TelemetryAccount
from tests.audit import unaccounted
from workers.lab import cgroups, cleanup, netns

_ENDED_ATTEMPTS = {AttemptState.DONE, AttemptState.FAILED, AttemptState.LOST, AttemptState.CANCELLED}
_BLOCKS = text("SELECT id, state, reason FROM blocks WHERE campaign_id = :id AND NOT calibration")
_ATTEMPTS = text(
    "SELECT number, state, reason, (SELECT count(*) FROM trials WHERE attempt_id = attempts.id),"
    " (SELECT count(DISTINCT datapath) FROM trials WHERE attempt_id = attempts.id)"
    " FROM attempts WHERE block_id = :id ORDER BY number"
)


@dataclass(frozen=True)
class Traces:
    """What labs leave in the kernel and in /run, by name."""

    namespaces: frozenset[str]
    run_directories: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def now(cls) -> "Traces":
        """The traces of this moment."""
        runs = cleanup.RUN_ROOT.glob("*") if cleanup.RUN_ROOT.is_dir() else ()
        return cls(
            frozenset(netns.names(cleanup.PREFIX)),
            frozenset(path.name for path in runs if path.is_dir() and path != cleanup.REGISTER_DIR),
            frozenset(path.name for path in cgroups.root().glob("*") if path.is_dir()),
        )

    def more_than(self, before: "Traces") -> Iterator[str]:
        """What is here and was not there ``before``."""
        yield from (f"namespace {name}" for name in sorted(self.namespaces - before.namespaces))
        yield from (f"run directory {name}" for name in sorted(self.run_directories - before.run_directories))
        yield from (f"control group {name}" for name in sorted(self.groups - before.groups))


def violations(database_url: str, campaign_id: str, account: TelemetryAccount) -> list[str]:
    """What is wrong with a campaign that should have ended: lost, doubled or without its reason. Empty if it is sound.

    A block has at least one accepted result, or a reason; none of its attempts is under way, and none has two results.
    """
    found, store = [], Store(database_url)
    with store.read() as session:
        state = session.scalar(text("SELECT state FROM campaigns WHERE id = :id"), {"id": campaign_id})
        if state not in ENDED:
            found.append(f"the campaign is {state}")
        for block_id, block_state, reason in session.execute(_BLOCKS, {"id": campaign_id}).all():
            attempts = [tuple(row) for row in session.execute(_ATTEMPTS, {"id": block_id})]
            found += [f"block {block_id}: {one}" for one in _wrong_block(block_state, reason, attempts)]
    store.close()
    if missing := unaccounted(account):
        found.append(f"{missing} points of telemetry are in no account")
    return found


def _wrong_block(state: str, reason: str, attempts: list[tuple[Any, ...]]) -> Iterator[str]:
    if not BlockState(state).ended:
        yield f"it is {state}"
    done = [number for number, attempt, *_ in attempts if attempt == AttemptState.DONE]
    if state == BlockState.DONE and not done and not reason:  # a search that has ended needs no further step
        yield "it is done without a result"
    if state == BlockState.FAILED and not reason:
        yield "it failed without a reason"
    if [number for number, *_ in attempts] != list(range(1, len(attempts) + 1)):
        yield f"its attempts are {[number for number, *_ in attempts]}"
    for number, attempt, why, trials, datapaths in attempts:
        if attempt not in _ENDED_ATTEMPTS:
            yield f"attempt {number} is {attempt}"
        if attempt == AttemptState.DONE and (not trials or trials != datapaths):
            yield f"attempt {number} has {trials} trials of {datapaths} datapaths"
        if attempt != AttemptState.DONE and (trials or not why):
            yield f"attempt {number} is {attempt}, with {trials} trials and the reason {why!r}"
