"""A look at the data of a campaign that adds blocks: is it exact enough, and what follows.

Callers hold the campaign's lock, and all blocks have ended.
"""

import math
from collections.abc import Collection

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from coordinator.analysis.inference.stage import stage_of
from coordinator.analysis.judgement.precision import exactness_of, excess_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.lifecycle import AttemptState, BlockState, CampaignState
from coordinator.scheduling.next_look import after_look, campaign_left_s
from coordinator.scheduling.planner import more_blocks
from coordinator.store.lifecycle.planning import added_block_s, block_s
from coordinator.store.measured.records import attempt_records
from coordinator.store.rows.block_rows import row_of
from coordinator.store.rows.ended import ended_as
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow
from domain.campaigns.campaign import Campaign
from domain.campaigns.focus import added_levels, per_level
from domain.loads.crossing import measured_levels
from domain.reports.looks import Exactness
from domain.values.texts import percent_text

Shape = tuple[str, str]  # workload, level
_BETWEEN_BLOCKS_S = 0.2  # from a block's report to the next block's claim


def take_look(session: Session, row: CampaignRow, now: float) -> str:
    """Take the look that all ended blocks make possible; returns what follows, or "" if the campaign has no more looks.

    If more blocks follow, they are in the session.
    """
    if row.state != CampaignState.RUNNING or row.looks is None or row.looks.next is None:
        return ""
    shapes, before = _growing_shapes(session, row), row.looks.next
    found = exactness(session, row.id) or Exactness()
    widest = found.widest
    row.looks = after_look(
        row.campaign,
        row.looks,
        shapes=len(shapes),
        elapsed_s=now - (row.started_at if row.started_at is not None else now),
        round_s=_round_s(session, row, shapes),
        excess=excess_of(found),
    )
    number = len(row.looks.taken)
    text = f"look {number} at {before.blocks} blocks {per_level(row.campaign)}"
    text += f": the widest interval of cost is ±{percent_text(widest.half_width or 0.0)}" if widest else ""
    if row.looks.next is None:
        why = "narrow enough" if row.looks.taken[-1].narrow else "no time for more blocks"
        return f"{text}; the last one: {why}"
    _add(session, row, shapes, (before.blocks, row.looks.next.blocks), before.until)
    return f"{text}; the next one is at {row.looks.next.blocks}"


def end_at_budget(session: Session, row: CampaignRow, now: float) -> str:
    """Leave out the added blocks that nobody has begun, once the budget is spent; returns what was left out, or "".

    Blocks take longer than those before them where the host is disturbed. So a batch may need more time than was
    left at its look. Planned blocks are never left out, and a block that has begun is finished.
    """
    looks = row.looks
    if row.state != CampaignState.RUNNING or looks is None or looks.next is None or not looks.taken:
        return ""
    if row.started_at is None or campaign_left_s(row.campaign, now - row.started_at) > 0:
        return ""
    session.flush()
    added = (BlockRow.campaign_id == row.id, BlockRow.index >= looks.taken[-1].until)
    unbegun = (*added, BlockRow.state == BlockState.WAITING, ~BlockRow.attempts.any())
    left_out = len(session.scalars(delete(BlockRow).where(*unbegun).returning(BlockRow.id)).all())
    if not left_out:
        return ""
    kept = session.scalar(select(func.count()).select_from(BlockRow).where(*added)) or 0
    blocks = looks.taken[-1].blocks + math.ceil(kept / max(1, len(_growing_shapes(session, row))))
    row.looks = looks.model_copy(update={"next": looks.next.model_copy(update={"blocks": blocks})})
    return f"the budget is spent: {left_out} added blocks that had not begun are left out"


def exactness(session: Session, campaign_id: str) -> Exactness | None:
    """How exact a campaign's comparisons of cost are by now; ``None`` if it is unknown. It reads no histograms."""
    row = session.get(CampaignRow, campaign_id)
    if row is None:
        return None
    attempts = attempt_records(session, row.id)
    looks = row.looks.model_dump(mode="json") if row.looks is not None else None
    stage = stage_of(row.campaign, {"state": row.state, "looks": looks}, attempts)
    return exactness_of(CampaignResults(row.campaign, attempts, row.seed, row.calibration), stage)


def _growing_shapes(session: Session, row: CampaignRow) -> set[Shape]:
    """The workloads and levels that more blocks say more about: those with a block that was measured."""
    query = select(BlockRow.workload, BlockRow.level).distinct()
    done = query.where(BlockRow.campaign_id == row.id, BlockRow.state == BlockState.DONE)
    rows = session.execute(done.where(BlockRow.calibration.is_(False), BlockRow.chain.is_(None)))
    levels = added_levels(row.campaign)
    return {(workload, level) for workload, level in rows if level in levels}


def _round_s(session: Session, row: CampaignRow, shapes: Collection[Shape]) -> float:
    """Seconds of one more round, from the campaign's own blocks: all attempts at them, divided by the hosts."""
    if not shapes:
        return 0.0
    focused_s = None
    if row.campaign.focus and row.looks is not None and row.looks.taken:
        focused_s = _mean_block_s(session, row, row.looks.taken[0].until)
    each_s = focused_s if focused_s is not None else _mean_block_s(session, row, 0) or 0.0
    if row.campaign.focus and focused_s is None:  # none has run yet
        each_s *= _focused_share(row.campaign, {level for _, level in shapes})
    return len(shapes) * (each_s + _BETWEEN_BLOCKS_S) / max(1, min(len(row.hosts), len(shapes)))


def _mean_block_s(session: Session, row: CampaignRow, first: int) -> float | None:
    """Seconds per measured block from index ``first`` on; ``None`` without any."""
    query = (
        select(func.sum(AttemptRow.ended_at - AttemptRow.claimed_at), func.count(func.distinct(BlockRow.id)))
        .join(BlockRow)
        .where(BlockRow.campaign_id == row.id, BlockRow.calibration.is_(False), BlockRow.chain.is_(None))
        .where(BlockRow.index >= first, ended_as(AttemptState.DONE, AttemptState.FAILED))
    )
    spent_s, blocks = session.execute(query).one()
    return (spent_s or 0.0) / blocks if blocks else None


def _focused_share(campaign: Campaign, levels: Collection[str]) -> float:
    """By estimate: a focused block's seconds, as a share of those of a planned block."""
    planned = measured_levels(campaign.levels)
    planned_s = sum(block_s(campaign, level) for level in planned) / len(planned)
    return sum(added_block_s(campaign, level) for level in levels) / len(levels) / planned_s


def _add(session: Session, row: CampaignRow, shapes: set[Shape], rounds: tuple[int, int], first_index: int) -> None:
    wanted = (b for b in more_blocks(row.campaign, row.hosts, row.seed, rounds) if (b.workload, b.level) in shapes)
    for index, planned in enumerate(wanted, start=first_index):
        session.add(row_of(row.id, planned.model_copy(update={"index": index}), held=False))
    session.flush()
