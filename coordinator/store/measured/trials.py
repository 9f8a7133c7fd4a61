"""The trials of a campaign, page by page: what a page takes does not depend on how many trials there are."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select, tuple_
from sqlalchemy.orm import Session, contains_eager, joinedload, load_only

from coordinator.scheduling.lifecycle import AttemptState, accepted_attempt
from coordinator.store.measured.results import trial_place
from coordinator.store.measured.shown_trials import shown
from coordinator.store.rows.database import Store
from coordinator.store.rows.ended import ended_as
from coordinator.store.rows.models import AttemptRow, BlockRow, DigestRow, TrialRow
from domain.trials.trial import TrialResult

STREAMED = 64  # trials that are in memory at once, two blocks of the largest campaign
_SLICES = ',"slices":['
Place = tuple[int, int, int]
"""Block, attempt and position of a trial: their order."""
Listing = Select[int, int, int, str, str, str]
"""A trial's place, its id and datapath, and its attempt."""


@dataclass(frozen=True)
class ListedTrial:
    """One trial as users read it; ``text`` is the JSON object."""

    id: str
    text: str

    @property
    def value(self) -> dict[str, Any]:
        """The object."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def brief(self) -> dict[str, Any]:
        """The object without its slices and what follows them, the largest part."""
        head, between, _ = self.text.partition(_SLICES)  # within a string, its quotation marks would be escaped
        found: dict[str, Any] = json.loads(f"{head}}}" if between else head)
        return found


def trial_page(store: Store, campaign_id: str, limit: int, *, after: str = "") -> list[ListedTrial]:
    """The first trials, or those after the trial ``after``, by block, attempt and position.

    They have their evidence, without latency percentiles. Raises ``ValueError`` if ``after`` is no id of a trial here.
    """
    query = _ordered(campaign_id)
    if after:
        query = query.where(*_beyond(campaign_id, after))
    return _listed(store, campaign_id, query.limit(limit))


def newest_page(
    store: Store, campaign_id: str, limit: int, *, before: str = "", only_invalid: bool = False
) -> list[ListedTrial]:
    """The last trials, or the last ones before the trial ``before``, in the same order. Raises ``ValueError``."""
    query = _ordered(campaign_id, descending=True)
    if only_invalid:
        query = query.where(TrialRow.valid.is_(False))
    if before:
        query = query.where(*_beyond(campaign_id, before, descending=True))
    return _listed(store, campaign_id, query.limit(limit))


def neighbours(session: Session, campaign_id: str, trial_id: str) -> tuple[str, str]:
    """The ids of the trials before and after one of the same campaign; empty at the ends. Raises ``ValueError``."""

    def nearest(*, before: bool) -> str:
        query = _ordered(campaign_id, descending=before).where(*_beyond(campaign_id, trial_id, descending=before))
        return session.scalar(query.with_only_columns(TrialRow.id).limit(1)) or ""

    return nearest(before=True), nearest(before=False)


def every_trial(store: Store, campaign_id: str) -> Iterator[ListedTrial]:
    """Every trial of a campaign, including invalid ones and earlier attempts, a few at a time."""
    last = ""
    while True:
        page = trial_page(store, campaign_id, STREAMED, after=last)
        yield from page
        if len(page) < STREAMED:
            return
        last = page[-1].id


def accepted_results(store: Store, campaign_id: str) -> Iterator[TrialResult]:
    """Every trial of the attempts that are analysed, as its worker reported it, a few at a time."""
    last: Place = (-1, 0, 0)
    while True:
        with store.read() as session:
            rows = list(session.scalars(_whole(campaign_id).where(last < _PLACE).limit(STREAMED)))
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


def _beyond(campaign_id: str, trial_id: str, *, descending: bool = False) -> Sequence[ColumnElement[bool]]:
    """The conditions of what comes after a trial in such an order. That on the block alone is for its index."""
    place = place_of(campaign_id, trial_id)
    if descending:
        return place > _PLACE, BlockRow.index <= place[0]
    return place < _PLACE, BlockRow.index >= place[0]


def _ordered(campaign_id: str, *, descending: bool = False) -> Listing:
    """Trials by their place: what names each, and its attempt."""
    columns = (BlockRow.index, AttemptRow.number, TrialRow.position)
    return (
        select(*columns, TrialRow.id, TrialRow.datapath, TrialRow.attempt_id)
        .select_from(BlockRow)
        .join(AttemptRow, AttemptRow.block_id == BlockRow.id)
        .join(TrialRow, TrialRow.attempt_id == AttemptRow.id)
        .where(BlockRow.campaign_id == campaign_id)
        .order_by(*(column.desc() if descending else column for column in columns))
    )


def _whole(campaign_id: str) -> Select[TrialRow]:
    """Trials by their place, with their results."""
    return (
        select(TrialRow)
        .join(TrialRow.attempt)
        .join(AttemptRow.block)
        .where(BlockRow.campaign_id == campaign_id)
        .order_by(BlockRow.index, AttemptRow.number, TrialRow.position)
        .options(contains_eager(TrialRow.attempt).contains_eager(AttemptRow.block))
    )


def _listed(store: Store, campaign_id: str, query: Listing) -> list[ListedTrial]:
    with store.read() as session:
        rows = sorted(session.execute(query), key=lambda row: row[:3])
        attempts = _attempts(session, {attempt_id for *_, attempt_id in rows})
        accepted = _accepted(session, {one.block_id for one in attempts.values()})
        places = {
            trial_id: trial_place(one, trial_id, datapath, accepted=accepted.get(one.block_id) == one.number)
            for *_, trial_id, datapath, attempt_id in rows
            for one in (attempts[attempt_id],)
        }
    texts = shown(store, campaign_id, attempts)
    return [
        ListedTrial(
            trial_id, f"{json.dumps(places[trial_id], allow_nan=False)[:-1]}, {texts[attempt_id][position][1:]}"
        )
        for _, _, position, trial_id, _, attempt_id in rows
    ]


def _attempts(session: Session, attempt_ids: Collection[str]) -> dict[str, AttemptRow]:
    """Attempts by their ids, with their blocks: each is read once, however many trials it has."""
    columns = (AttemptRow.block_id, AttemptRow.number, AttemptRow.host, AttemptRow.claimed_at, AttemptRow.ended_at)
    query = select(AttemptRow).where(AttemptRow.id.in_(attempt_ids))
    query = query.options(load_only(*columns), joinedload(AttemptRow.block).undefer(BlockRow.plan))
    return {one.id: one for one in session.scalars(query)}


def _accepted(session: Session, block_ids: set[str]) -> Mapping[str, int | None]:
    """The number of the attempt that is analysed, by block."""
    query = (
        select(AttemptRow.block_id, AttemptRow.number, DigestRow.sound)
        .join(DigestRow, DigestRow.attempt_id == AttemptRow.id)
        .where(AttemptRow.block_id.in_(block_ids), ended_as(AttemptState.DONE))
    )
    found: dict[str, list[tuple[int, bool | None]]] = {}
    for block_id, number, sound in session.execute(query):
        found.setdefault(block_id, []).append((number, sound))
    return {block_id: accepted_attempt(attempts) for block_id, attempts in found.items()}
