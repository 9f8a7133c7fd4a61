"""Digests and pools: made in the transaction that stores a result, read instead of trials with their histograms.

Attempts that were stored before there were digests get theirs when their campaign's report is first read.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Select, delete, or_, select
from sqlalchemy.orm import Session, selectinload

from coordinator.analysis.trials.digest import block_digest
from coordinator.analysis.trials.digest_codec import VERSION, encode
from coordinator.analysis.trials.outcome import is_carried
from coordinator.analysis.trials.pool import Growing, Pool, PoolKey
from coordinator.analysis.trials.pooling import lasting_id
from coordinator.scheduling.digests import BlockDigest
from coordinator.scheduling.lifecycle import AttemptState
from coordinator.store.measured.results import block_result
from coordinator.store.rows.block_rows import search_step
from coordinator.store.rows.database import Store
from coordinator.store.rows.ended import ended_as
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, DigestRow, PoolRow
from domain.trials.trial import BlockResult

_AT_ONCE = 10  # attempts that get their digests in one transaction


def store_digest(session: Session, attempt: AttemptRow, result: BlockResult) -> bool:
    """Store the digest of a result, and add its times to the pools. Callers hold the campaign's lock.

    ``False`` if the pools had another attempt of the block: all digests of the campaign are dropped, to be made again.
    """
    block = attempt.block
    search = search_step(block)
    digest = block_digest(block.campaign.campaign, block.level, result, search)
    numbers, words = encode(digest.trials)
    row = DigestRow(
        attempt_id=attempt.id, campaign_id=block.campaign_id, version=VERSION,
        sound=digest.is_sound, pooled=False, numbers=numbers, words=words,
    )  # fmt: skip
    session.add(row)
    if search is not None and not block.calibration:
        _grow(session, block, digest, "")
    elif digest.is_sound and not block.calibration:
        return _pool_first(session, attempt, digest, row)
    return True


def pools_of(session: Session, campaign_id: str) -> Mapping[PoolKey, Pool]:
    """The pooled times of every cell."""
    rows = session.execute(
        select(PoolRow.workload, PoolRow.level, PoolRow.datapath, PoolRow.fingerprint, PoolRow.figures).where(
            PoolRow.campaign_id == campaign_id
        )
    )
    return {PoolKey(*key): figures for *key, figures in rows}


def complete(store: Store, campaign_id: str) -> None:
    """Make the digests that are missing: those of results from before there were digests, or of another version."""
    while True:
        with store.read() as session:
            if session.execute(_missing(campaign_id).limit(1)).first() is None:
                return
        with store.write() as session:
            session.scalar(select(CampaignRow.id).where(CampaignRow.id == campaign_id).with_for_update())
            if session.scalar(select(DigestRow.attempt_id).where(*_outdated(campaign_id)).limit(1)) is not None:
                _forget(session, campaign_id)
            ids = session.scalars(_missing(campaign_id).limit(_AT_ONCE)).all()
            all(_make(session, attempt_id) for attempt_id in ids)  # in order, and from the first one again if dropped


def _make(session: Session, attempt_id: str) -> bool:
    attempt = session.get_one(AttemptRow, attempt_id, options=[selectinload(AttemptRow.trials)])
    kept = store_digest(session, attempt, block_result(attempt))
    session.flush()
    session.expunge_all()  # its trials take megabytes
    return kept


def _missing(campaign_id: str) -> Select[str]:
    return (
        select(AttemptRow.id)
        .join(BlockRow, BlockRow.id == AttemptRow.block_id)
        .outerjoin(DigestRow, DigestRow.attempt_id == AttemptRow.id)
        .where(BlockRow.campaign_id == campaign_id, ended_as(AttemptState.DONE))
        .where(or_(DigestRow.attempt_id.is_(None), DigestRow.version != VERSION))
        .order_by(BlockRow.index, AttemptRow.number)
    )


def _outdated(campaign_id: str) -> Sequence[ColumnElement[bool]]:
    return DigestRow.campaign_id == campaign_id, DigestRow.version != VERSION


def _forget(session: Session, campaign_id: str) -> None:
    """Drop what is derived; it is made again from the trials."""
    session.flush()
    for table in (DigestRow, PoolRow):
        session.execute(delete(table).where(table.campaign_id == campaign_id))


def _pool_first(session: Session, attempt: AttemptRow, digest: BlockDigest, row: DigestRow) -> bool:
    """Add a block's first sound attempt, which is analysed. Older versions tried again after such an attempt, too."""
    pooled = select(AttemptRow.number).join(DigestRow, DigestRow.attempt_id == AttemptRow.id)
    known = session.scalar(pooled.where(AttemptRow.block_id == attempt.block_id, DigestRow.pooled.is_(True)))
    if known is None:
        row.pooled = True
        _grow(session, attempt.block, digest, lasting_id(digest.fingerprint))
    elif known > attempt.number:
        session.flush()
        session.expunge(row)
        _forget(session, attempt.block.campaign_id)
        return False
    return True


def _grow(session: Session, block: BlockRow, digest: BlockDigest, fingerprint: str) -> None:
    ours = {"campaign_id": block.campaign_id, "workload": block.workload, "level": block.level}
    rows = {row.datapath: row for row in session.scalars(select(PoolRow).filter_by(**ours, fingerprint=fingerprint))}
    for label, trial in digest.trials.items():
        row = rows.get(label)
        growing = Growing(row.figures, row.histograms) if row is not None else Growing()
        if not fingerprint:
            growing.add_lag(trial)
        else:
            growing.add(trial, is_overloaded=is_carried(trial) is False)
        if row is None:
            session.add(row := PoolRow(**ours, datapath=label, fingerprint=fingerprint))
        row.figures, row.histograms = growing.pool, growing.encoded
