"""The attempts of a campaign with their digests, for the analysis: a bounded amount, whatever the trials contain.

A digest never changes, so this process keeps those that it has read: a report reads those of the new blocks only.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter
from sqlalchemy import Row, Text, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool as Connections

from coordinator.analysis.trials.digest import block_digest
from coordinator.analysis.trials.digest_codec import VERSION, decode
from coordinator.scheduling.digests import BlockDigest, TrialDigest
from coordinator.scheduling.lifecycle import AttemptState, accepted_attempt
from coordinator.scheduling.records import AttemptRecord, SearchStep
from coordinator.store.measured.results import block_result
from coordinator.store.rows.block_rows import search_step_of
from coordinator.store.rows.database import is_writing
from coordinator.store.rows.models import AttemptRow, BlockRow, DigestRow
from domain.probes.telemetry import TelemetryAccount

MOST_TRIALS = 100_000  # in the memory of this process, half a kilobyte each; a larger campaign is kept alone
_FETCHED = 100  # digests at once

Trials = Mapping[str, TrialDigest]


class DigestCache:
    """The trials of attempts, by campaign; those of the campaign that was read longest ago are dropped first."""

    def __init__(self, most_trials: int = MOST_TRIALS) -> None:
        self._most_trials = most_trials
        self._lock = threading.Lock()
        self._known: OrderedDict[str, dict[str, Trials]] = OrderedDict()

    def of(self, campaign_id: str) -> dict[str, Trials]:
        """What is known of a campaign."""
        with self._lock:
            return dict(self._known.get(campaign_id, {}))

    def keep(self, campaign_id: str, found: Mapping[str, Trials]) -> None:
        """Add what was read of a campaign."""
        with self._lock:
            self._known.setdefault(campaign_id, {}).update(found)
            self._known.move_to_end(campaign_id)
            while len(self._known) > 1 and self.trials > self._most_trials:
                self._known.popitem(last=False)

    def drop(self, campaign_id: str, attempt_id: str) -> None:
        """Forget one attempt, so that it is read again."""
        with self._lock:
            self._known.get(campaign_id, {}).pop(attempt_id, None)

    @property
    def trials(self) -> int:
        """How many trials it has."""
        return sum(len(trials) for attempts in self._known.values() for trials in attempts.values())


_caches: WeakKeyDictionary[Connections, DigestCache] = WeakKeyDictionary()  # by database


def cache_of(session: Session) -> DigestCache:
    """The cache of this process for the session's database."""
    return _caches.setdefault(session.get_bind().engine.pool, DigestCache())


def attempt_records(session: Session, campaign_id: str) -> Sequence[AttemptRecord]:
    """Every attempt of a campaign, by block and number; the accepted attempt of each block is marked."""
    rows = session.execute(_attempts(campaign_id)).all()
    known = _digests(session, campaign_id, [row.id for row in rows if row.sound is not None])
    records = []
    for _, of_block in groupby(rows, key=lambda row: row.block_index):
        attempts = [(row, _digest(session, row, known)) for row in of_block]
        accepted = accepted_attempt(
            (row.number, digest.is_sound if digest is not None else None) for row, digest in attempts
        )
        records += [_record(row, digest, row.number == accepted) for row, digest in attempts]
    return records


def _attempts(campaign_id: str) -> Any:
    block, attempt = BlockRow, AttemptRow
    of_block = (
        block.id.label("block_id"), block.index.label("block_index"), block.workload, block.level, block.calibration,
        block.chain, block.step, block.state.label("block_state"), type_coerce(block.rates, Text).label("rates"),
    )  # fmt: skip
    telemetry, fingerprint = (type_coerce(one, Text).label(one.key) for one in (attempt.telemetry, attempt.fingerprint))
    of_attempt = (attempt.id, attempt.number, attempt.host, attempt.state, attempt.reason, attempt.wall_s)
    return (
        select(*of_block, *of_attempt, telemetry, fingerprint, DigestRow.sound)
        .join(attempt, attempt.block_id == block.id)
        .outerjoin(DigestRow, (DigestRow.attempt_id == attempt.id) & (DigestRow.version == VERSION))
        .where(block.campaign_id == campaign_id)
        .order_by(block.index, attempt.number)
    )


def _digests(session: Session, campaign_id: str, wanted: Sequence[str]) -> Mapping[str, Trials]:
    """The trials of the wanted attempts; what this process does not know is read."""
    cache = cache_of(session)
    known = cache.of(campaign_id)
    new = [attempt_id for attempt_id in wanted if attempt_id not in known]
    found = {}
    for first in range(0, len(new), _FETCHED):
        chosen = DigestRow.attempt_id.in_(new[first : first + _FETCHED])
        for attempt_id, numbers, words in session.execute(
            select(DigestRow.attempt_id, DigestRow.numbers, DigestRow.words).where(chosen)
        ):
            found[attempt_id] = decode(numbers, words)
    if found and not is_writing(session):  # what is written now may be rolled back
        cache.keep(campaign_id, found)
    return known | found


def _digest(session: Session, row: Row[Any], known: Mapping[str, Trials]) -> BlockDigest | None:
    if row.state != AttemptState.DONE:
        return None
    if row.id not in known:  # from before there were digests, and not made yet
        attempt = session.get_one(AttemptRow, row.id)
        digest = block_digest(attempt.block.campaign.campaign, row.level, block_result(attempt), _search_step(row))
        session.expire(attempt, ["trials"])
        return digest
    return BlockDigest(
        host=row.host,
        wall_s=row.wall_s or 0.0,
        fingerprint=_facts(row.fingerprint or "{}"),
        trials=known[row.id],
        telemetry=_account(row.telemetry or "{}"),
        sound=row.sound,
    )


def _record(row: Row[Any], digest: BlockDigest | None, accepted: bool) -> AttemptRecord:
    return AttemptRecord(
        block_index=row.block_index,
        block_id=row.block_id,
        workload=row.workload,
        level=row.level,
        attempt=row.number,
        host=row.host,
        state=row.state,
        reason=row.reason,
        accepted=accepted,
        result=None,
        calibration=row.calibration,
        search=_search_step(row),
        digest=digest,
    )


def _search_step(row: Row[Any]) -> SearchStep | None:
    return search_step_of(row.chain, row.step, row.block_state, lambda: json.loads(row.rates))


@lru_cache(maxsize=64)
def _facts(text: str) -> Mapping[str, str]:
    found: dict[str, str] = json.loads(text)
    return found


_ACCOUNT = TypeAdapter(TelemetryAccount)


@lru_cache(maxsize=64)
def _account(text: str) -> TelemetryAccount:
    return _ACCOUNT.validate_json(text)
