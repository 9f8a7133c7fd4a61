"""The trials of a campaign, page by page: what a page takes does not depend on how many trials there are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, case, func, select, tuple_
from sqlalchemy.orm import Session, contains_eager

from coordinator.scheduling.lifecycle import AttemptState, accepted_attempt
from coordinator.store.database import Store
from coordinator.store.models import AttemptRow, BlockRow, DigestRow, TrialRow
from coordinator.store.results import trial_summary
from domain.trial import TrialResult

STREAMED = 64  # trials that are in memory at once, two blocks of the largest campaign
Place = tuple[int, int, int]
"""Block, attempt and position of a trial: their order."""


def trial_page(session: Session, campaign_id: str, limit: int, *, after: str = "") -> list[dict[str, Any]]:
    """The first trials, or those after the trial ``after``, by block, attempt and position.

    They have their evidence, without latency percentiles. Raises ``ValueError`` if ``after`` is no id of a trial here.
    """
    query = _ordered(campaign_id)
    if after:
        query = query.where(place_of(campaign_id, after) < _PLACE)
    return _summaries(session, session.scalars(query.limit(limit)).all())


def newest_page(session: Session, campaign_id: str, limit: int, *, before: str = "") -> list[dict[str, Any]]:
    """The last trials, or the last ones before the trial ``before``, in the same order. Raises ``ValueError``."""
    query = _ordered(campaign_id, descending=True)
    if before:
        query = query.where(place_of(campaign_id, before) > _PLACE)
    return _summaries(session, session.scalars(query.limit(limit)).all())


def every_trial(store: Store, campaign_id: str) -> Iterator[dict[str, Any]]:
    """Every trial of a campaign, including invalid ones and earlier attempts, a few at a time."""
    last = ""
    while True:
        with store.read() as session:
            page = trial_page(session, campaign_id, STREAMED, after=last)
        yield from page
        if len(page) < STREAMED:
            return
        last = str(page[-1]["id"])


def accepted_results(store: Store, campaign_id: str) -> Iterator[TrialResult]:
    """Every trial of the attempts that are analysed, as its worker reported it, a few at a time."""
    last: Place = (-1, 0, 0)
    while True:
        with store.read() as session:
            query = _ordered(campaign_id).where(last < _PLACE)
            rows = list(session.scalars(query.limit(STREAMED)))
            accepted = _accepted(session, {row.attempt.block_id for row in rows})
            found = [row.result for row in rows if accepted.get(row.attempt.block_id) == row.attempt.number]
            if rows:
                last = (rows[-1].attempt.block.index, rows[-1].attempt.number, rows[-1].position)
        yield from found
        if len(rows) < STREAMED:
            return


def trial_counts(session: Session, campaign_id: str) -> tuple[int, int]:
    """How many trials there are, and how many of them are invalid."""
    invalid = func.coalesce(func.sum(case((TrialRow.valid.is_(False), 1), else_=0)), 0)
    query = select(func.count(), invalid).select_from(TrialRow).join(AttemptRow).join(BlockRow)
    every, not_valid = session.execute(query.where(BlockRow.campaign_id == campaign_id)).one()
    return int(every), int(not_valid)


def place_of(campaign_id: str, trial_id: str) -> Place:
    """The place that a trial's id names. Raises ``ValueError``."""
    campaign, *place = trial_id.split("-")
    if campaign != campaign_id or len(place) != 3 or not all(one.isdecimal() and len(one) < 9 for one in place):
        raise ValueError(f"{trial_id[:40]!r} is no trial of this campaign")
    block, attempt, position = map(int, place)
    return block, attempt, position


_PLACE = tuple_(BlockRow.index, AttemptRow.number, TrialRow.position)


def _ordered(campaign_id: str, *, descending: bool = False) -> Select[TrialRow]:
    columns = (BlockRow.index, AttemptRow.number, TrialRow.position)
    return (
        select(TrialRow)
        .join(TrialRow.attempt)
        .join(AttemptRow.block)
        .where(BlockRow.campaign_id == campaign_id)
        .order_by(*(column.desc() if descending else column for column in columns))
        .options(contains_eager(TrialRow.attempt).contains_eager(AttemptRow.block).undefer(BlockRow.plan))
    )


def _summaries(session: Session, rows: Sequence[TrialRow]) -> list[dict[str, Any]]:
    in_order = sorted(rows, key=lambda row: (row.attempt.block.index, row.attempt.number, row.position))
    accepted = _accepted(session, {row.attempt.block_id for row in rows})
    return [trial_summary(row, accepted=accepted.get(row.attempt.block_id) == row.attempt.number) for row in in_order]


def _accepted(session: Session, block_ids: set[str]) -> Mapping[str, int | None]:
    """The number of the attempt that is analysed, by block."""
    query = (
        select(AttemptRow.block_id, AttemptRow.number, DigestRow.sound)
        .join(DigestRow, DigestRow.attempt_id == AttemptRow.id)
        .where(AttemptRow.block_id.in_(block_ids), AttemptRow.state == AttemptState.DONE)
    )
    found: dict[str, list[tuple[int, bool | None]]] = {}
    for block_id, number, sound in session.execute(query):
        found.setdefault(block_id, []).append((number, sound))
    return {block_id: accepted_attempt(attempts) for block_id, attempts in found.items()}
