"""Attempts and trials as plain values, for the analysis and for users who read the evidence."""

import hashlib
from collections.abc import Hashable
from typing import Any

from sqlalchemy import Text, select, type_coerce
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import AttemptState, accepted_attempt
from coordinator.scheduling.records import AttemptRecord
from coordinator.store.measured.shown_trials import evidence_of
from coordinator.store.measured.summaries import settled
from coordinator.store.rows.block_rows import search_step
from coordinator.store.rows.models import AttemptRow, BlockRow, TrialRow
from coordinator.store.rows.times import iso
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.load import load_text
from domain.loads.searched import CALIBRATION_STEPS, CHECK_STEPS
from domain.probes.telemetry import TelemetryAccount
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, TrialResult


def results_version(session: Session, campaign_id: str) -> Hashable:
    """Equal as long as a campaign's attempts are: an ended attempt never changes its report, nor an ended campaign."""
    if (end := settled(session, campaign_id)) is not None:
        return end
    rates = type_coerce(BlockRow.rates, Text)
    query = (
        select(BlockRow.id, BlockRow.state, rates, AttemptRow.number, AttemptRow.state, AttemptRow.reason)
        .outerjoin(AttemptRow)
        .where(BlockRow.campaign_id == campaign_id)
        .order_by(BlockRow.index, AttemptRow.number)
    )
    digest = hashlib.sha256()
    for row in session.execute(query):
        digest.update(repr(tuple(row)).encode())
    return digest.digest()


def block_records(block: BlockRow) -> list[AttemptRecord]:
    """Every attempt of one block with its whole result, by number; the accepted one is marked."""
    accepted = _accepted_number(block)
    return [_record(block, attempt, accepted=attempt.number == accepted) for attempt in block.attempts]


def trial_view(session: Session, trial_id: str) -> dict[str, Any] | None:
    """One trial with its latency percentiles and its workload's parameters; ``None`` if unknown."""
    row = session.get(TrialRow, trial_id)
    if row is None:
        return None
    # Percentiles take milliseconds per trial, too long for a list of thousands.
    percentiles = {
        "latency_us": _percentiles(row.result.latency),
        "service_time_us": _percentiles(row.result.service_time),
    }
    accepted = row.attempt.number == _accepted_number(row.attempt.block)
    place = trial_place(row.attempt, row.id, row.datapath, accepted=accepted)
    return place | evidence_of(row.result) | percentiles | {"parameters": row.attempt.block.plan.parameters}


def trial_result(session: Session, trial_id: str) -> TrialResult | None:
    """One trial as its worker reported it; ``None`` if unknown."""
    row = session.get(TrialRow, trial_id)
    return None if row is None else row.result


def shown_load(block: BlockRow) -> str:
    """The block's load as shown to users, with the rate of a share, or the step of a search."""
    if block.step is not None:
        return f"{block.plan.load}, {_step_text(block.step, calibration=block.calibration)}"
    found = block.campaign.calibration.get(block.workload)
    return load_text(block.plan.load, found.rates_per_s.get(block.level) if found else None)


def _step_text(step: int, *, calibration: bool) -> str:
    if calibration and step >= CALIBRATION_STEPS:
        return f"check {step - CALIBRATION_STEPS + 1} of {CHECK_STEPS}"
    return f"step {step + 1} of at most {CALIBRATION_STEPS if calibration else SEARCH_STEPS}"


def _accepted_number(block: BlockRow) -> int | None:
    return accepted_attempt(
        (a.number, _environment_sound(a) if a.state == AttemptState.DONE else None) for a in block.attempts
    )


def _environment_sound(attempt: AttemptRow) -> bool:
    return not any(trial.result.validity.environment for trial in attempt.trials)


def _record(block: BlockRow, attempt: AttemptRow, *, accepted: bool) -> AttemptRecord:
    return AttemptRecord(
        block_index=block.index,
        block_id=block.id,
        workload=block.workload,
        level=block.level,
        attempt=attempt.number,
        host=attempt.host,
        state=attempt.state,
        reason=attempt.reason,
        accepted=accepted,
        result=block_result(attempt) if attempt.state == AttemptState.DONE else None,
        calibration=block.calibration,
        search=search_step(block),
    )


def block_result(attempt: AttemptRow) -> BlockResult:
    """What the worker reported, with every histogram."""
    return BlockResult(
        host=attempt.host,
        trials=tuple(trial.result for trial in attempt.trials),
        telemetry=attempt.telemetry or TelemetryAccount(),
        fingerprint=attempt.fingerprint or {},
        wall_s=attempt.wall_s or 0.0,
    )


def trial_place(attempt: AttemptRow, trial_id: str, datapath: str, *, accepted: bool) -> dict[str, Any]:
    """Where a trial belongs, as users read it; ``accepted`` if its attempt is analysed. Its result is not read."""
    block = attempt.block
    return {
        "id": trial_id,
        "campaign": block.campaign_id,
        "block": block.index,
        "block_id": block.id,
        "attempt": attempt.number,
        "accepted": accepted,
        "host": attempt.host,
        "claimed_at": iso(attempt.claimed_at),
        "ended_at": iso(attempt.ended_at),
        "load": shown_load(block) + (f": {block.rates[datapath]:,}/s" if block.rates else ""),
        "calibration": block.calibration,
        "build_order": list(block.plan.build_order),
    }


def _percentiles(histogram: LatencyHistogram | None) -> dict[str, float] | None:
    if histogram is None or not histogram.count:
        return None
    values = {name: histogram.percentile_ns(p) for name, p in (("p50", 50.0), ("p99", 99.0), ("p999", 99.9))}
    return {name: value / 1000 for name, value in values.items() if value is not None} | {"count": histogram.count}
