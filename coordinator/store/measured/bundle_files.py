"""The files of a campaign's bundle, read from the database: a few attempts are in memory at once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, contains_eager, selectinload

from coordinator.analysis.kernel.path import StagePath
from coordinator.bundle.content import AttemptFile, SearchFile, encode_path
from coordinator.bundle.manifest import CAMPAIGN, PATH, RECORD, REPORT
from coordinator.scheduling.lifecycle import AttemptState
from coordinator.store.measured.results import block_result
from coordinator.store.rows.block_rows import search_step
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, BlockRow
from domain.campaigns.campaign import Campaign
from domain.campaigns.toml_text import toml_text
from domain.reports.report import CampaignReport

_AT_ONCE = 8  # attempts, each of a few megabytes at most


def bundle_files(
    store: Store, record: Mapping[str, Any], path: StagePath, report: CampaignReport
) -> Iterator[tuple[str, bytes]]:
    """Each file's name and content, always in the same order: what the analysis reads, and what it found.

    Raises ``LookupError`` if the campaign is deleted meanwhile.
    """
    yield CAMPAIGN, toml_text(Campaign.model_validate(record["campaign"])).encode()
    yield RECORD, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    yield PATH, encode_path(path)
    with store.read() as session:
        ids = session.scalars(_ids(str(record["id"]))).all()
    for first in range(0, len(ids), _AT_ONCE):
        wanted = ids[first : first + _AT_ONCE]
        with store.read() as session:
            files = [_file_of(attempt) for attempt in _attempts(session, wanted)]
        if len(files) < len(wanted):
            raise LookupError(f"attempts of campaign {record['id']} were deleted")
        yield from ((file.name, file.encoded) for file in files)
    yield REPORT, report.model_dump_json(indent=1).encode() + b"\n"


def _ids(campaign_id: str) -> Select[str]:
    query = select(AttemptRow.id).join(BlockRow).where(BlockRow.campaign_id == campaign_id)
    return query.order_by(BlockRow.index, AttemptRow.number)


def _attempts(session: Session, ids: Sequence[str]) -> Sequence[AttemptRow]:
    query = (
        select(AttemptRow)
        .join(AttemptRow.block)
        .where(AttemptRow.id.in_(ids))
        .order_by(BlockRow.index, AttemptRow.number)
        .options(contains_eager(AttemptRow.block).undefer(BlockRow.plan), selectinload(AttemptRow.trials))
    )
    return session.scalars(query).all()


def _file_of(attempt: AttemptRow) -> AttemptFile:
    block, step = attempt.block, search_step(attempt.block)
    search = None
    if step is not None:
        search = SearchFile(chain=step.chain, step=step.step, rates_per_s=dict(step.rates_per_s), ended=step.ended)
    return AttemptFile(
        block=block.index,
        block_id=block.id,
        workload=block.workload,
        level=block.level,
        attempt=attempt.number,
        host=attempt.host,
        state=attempt.state,
        reason=attempt.reason,
        claimed_at=_time(attempt.claimed_at),
        ended_at=_time(attempt.ended_at),
        calibration=block.calibration,
        search=search,
        plan=block.plan,
        result=block_result(attempt) if attempt.state == AttemptState.DONE else None,
    )


def _time(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
