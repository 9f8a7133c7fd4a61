"""What must hold after any fault, whatever it was: judged from the database, the accounts and InfluxDB."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from coordinator.scheduling.lifecycle import AttemptState, BlockState
from coordinator.store.rows.database import Store
from deploy.cli.rest.client import ENDED
from domain.probes.telemetry import LossCause, TelemetryAccount
from tests.audit import unaccounted
from tests.faults.rows import Rows

_ENDED_ATTEMPTS = {AttemptState.DONE, AttemptState.FAILED, AttemptState.LOST, AttemptState.CANCELLED}
_BLOCKS = text("SELECT id, state, reason FROM blocks WHERE campaign_id = :id AND NOT calibration")
_ATTEMPTS = text(
    "SELECT number, state, reason, (SELECT count(*) FROM trials WHERE attempt_id = attempts.id),"
    " (SELECT count(DISTINCT datapath) FROM trials WHERE attempt_id = attempts.id)"
    " FROM attempts WHERE block_id = :id ORDER BY number"
)
_WITHOUT_ACCOUNT = text(
    "SELECT count(*) FROM attempts JOIN blocks ON blocks.id = attempts.block_id"
    " WHERE blocks.campaign_id = :id AND attempts.state <> 'done'"
)


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


def wrong_rows(database_url: str, campaign_id: str, account: TelemetryAccount, rows: Rows) -> list[str]:
    """What is wrong with the ``rows`` that InfluxDB has of a campaign: too few, or more than there can be.

    Points on a host's disk arrive after the account was taken, and those of a killed worker may have. An attempt that
    was lost has no account, so its points are in no sum.
    """
    store, found = Store(database_url), []
    if rows.all < account.delivered:
        found.append(f"InfluxDB has {rows.all} of {account.delivered} delivered points")
    killed = account.losses.get(LossCause.KILLED, 0)
    most = account.delivered + account.spooled + account.queued + killed
    with store.read() as session:
        without_account = session.scalar(_WITHOUT_ACCOUNT, {"id": campaign_id})
    store.close()
    if rows.of_blocks > most and not without_account:
        found.append(f"InfluxDB has {rows.of_blocks} points of blocks, and at most {most} were sent")
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
