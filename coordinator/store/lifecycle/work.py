"""The requests of workers: register, claim, heartbeat, report. Each function is the content of one transaction."""

import secrets
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import AttemptEvent, AttemptState, BlockState, CampaignState
from coordinator.store.capabilities import host_versions
from coordinator.store.capabilities.places import with_kept_places
from coordinator.store.lifecycle import transitions
from coordinator.store.lifecycle.calibration import block_of
from coordinator.store.measured.digests import store_digest
from coordinator.store.measured.shown_trials import store_shown, text_of
from coordinator.store.rows.json_text import Unreadable
from coordinator.store.rows.models import AttemptRow, BlockRow, HostRow, TrialRow
from coordinator.store.rows.quarantine import Kind, release
from coordinator.store.rows.turns import in_turn
from domain.service.jobs import LEASE_S, BlockJob, Heartbeat, HeartbeatAnswer, HostCapabilities, Report
from domain.trials.trial import BlockResult
from domain.values.bounds import printable
from domain.values.problems import InvalidInput, Problem


class Refused(Exception):
    """The worker must stop this attempt; the message says why."""


def register_host(session: Session, capabilities: HostCapabilities, now: float) -> None:
    """Store a host's capabilities, and that it is available."""
    was_held, version = release(session, Kind.HOST, capabilities.host), host_versions.version_of(capabilities)
    if not was_held and host_versions.is_present(session, capabilities.host, version):
        session.execute(update(HostRow).where(HostRow.name == capabilities.host).values(seen_at=now))
        return
    in_turn(session, f"host {capabilities.host}")
    row = session.get(HostRow, capabilities.host)
    try:
        before = row.capabilities if row is not None else None
    except Unreadable:  # what it reports now replaces that
        before = None
    if row is None:
        row = HostRow(name=capabilities.host, registered_at=now)
        session.add(row)
    row.capabilities, row.seen_at = with_kept_places(capabilities, before), now
    host_versions.set_version(session, capabilities.host, version)


def claim(session: Session, block_id: str, number: int, host: str, now: float) -> BlockJob:
    """Assign the attempt to ``host`` with a new lease. Raises :class:`Refused`."""
    attempt = _locked_attempt(session, block_id, number)
    block, campaign = attempt.block, attempt.block.campaign
    if attempt.host != host:
        raise Refused(f"this attempt belongs to host {attempt.host}")
    if CampaignState(campaign.state) not in {CampaignState.QUEUED, CampaignState.RUNNING}:
        raise Refused(f"the campaign is {campaign.state}")
    if attempt.state != AttemptState.DISPATCHED or block.state != BlockState.DISPATCHED:
        raise Refused(f"this attempt is already {attempt.state}")
    transitions.claim_attempt(session, attempt, now)
    attempt.lease = secrets.token_urlsafe(24)
    attempt.lease_expires_at = now + LEASE_S
    _update_seen_at(session, host, now)
    settings = campaign.campaign
    return BlockJob(
        campaign_id=campaign.id,
        campaign_name=campaign.name,
        campaign_started_at=None if campaign.started_at is None else datetime.fromtimestamp(campaign.started_at, UTC),
        block_id=block.id,
        attempt=number,
        lease=attempt.lease,
        block=block_of(block, host),
        slice_s=settings.slice_s_at(block.plan.load),
        warm_up_s=settings.warm_up_s,
        probes=settings.probes if block.plan.probed else (),
    )


def heartbeat(session: Session, block_id: str, number: int, beat: Heartbeat, now: float) -> HeartbeatAnswer:
    """Renew the lease and store the progress. Raises :class:`Refused` if the lease is not valid any more."""
    attempt = _leased_attempt(session, block_id, number, beat.lease)
    if attempt.state != AttemptState.RUNNING:
        raise Refused(f"this attempt is {attempt.state}")
    attempt.lease_expires_at = now + LEASE_S
    attempt.phase, attempt.datapath, attempt.slices_done = beat.phase, beat.datapath[:40], beat.slices_done
    _update_seen_at(session, attempt.host, now)
    return HeartbeatAnswer(cancel=attempt.block.campaign.state == CampaignState.CANCELLING)


class Freed(NamedTuple):
    """The host that is free now; ``others`` if blocks of other hosts may have been released, too."""

    host: str
    others: bool


def report(session: Session, block_id: str, number: int, attempt_report: Report, now: float) -> Freed | None:
    """Take the end of an attempt; returns who may have a new block, or ``None`` for a repeated report.

    Raises :class:`Refused` for a wrong lease or a lost attempt, and :class:`InvalidInput` for a report that does not
    fit its block.
    """
    attempt = _leased_attempt(session, block_id, number, attempt_report.lease)
    if attempt.state not in {AttemptState.RUNNING, AttemptState.LOST}:
        return None
    _check_report(attempt_report, attempt.block)
    campaign = attempt.block.campaign
    looks = campaign.looks
    if attempt.state == AttemptState.LOST:
        gone = Refused("the lease expired and the attempt was given up")
        if attempt_report.result is None:
            raise gone
        _store_result(session, attempt, attempt_report.result)  # first, because a calibration needs its trials
        if not transitions.accept_late(session, attempt, attempt_report.result, now):
            raise gone  # the transaction rolls back the stored result
        return Freed(attempt.host, others=attempt.block.calibration or campaign.looks is not looks)
    if attempt_report.result is not None:
        _store_result(session, attempt, attempt_report.result)
        transitions.end_attempt(session, attempt, AttemptEvent.RESULT, now, result=attempt_report.result)
    elif attempt_report.cancelled:
        reason = attempt_report.failure or "stopped by its worker"
        transitions.end_attempt(session, attempt, AttemptEvent.STOP, now, reason=printable(reason))
    else:
        transitions.end_attempt(session, attempt, AttemptEvent.FAILURE, now, reason=printable(attempt_report.failure))
    _update_seen_at(session, attempt.host, now)
    return Freed(attempt.host, others=attempt.block.calibration or campaign.looks is not looks)


def _locked_attempt(session: Session, block_id: str, number: int) -> AttemptRow:
    attempt_id = f"{block_id}-{number}"
    # The host's row first, as in transitions.py: what follows writes to it, and who drains a host has its lock first.
    host = select(HostRow).join(AttemptRow, AttemptRow.host == HostRow.name).where(AttemptRow.id == attempt_id)
    session.scalar(host.with_for_update(of=HostRow).execution_options(populate_existing=True))
    transitions.lock_campaign(session, block_id.rpartition("-")[0])
    attempt = session.get(AttemptRow, attempt_id)
    if attempt is None:
        raise Refused("there is no such attempt")
    return attempt


def _leased_attempt(session: Session, block_id: str, number: int, lease: str) -> AttemptRow:
    attempt = _locked_attempt(session, block_id, number)
    if not attempt.lease or not secrets.compare_digest(attempt.lease.encode(), lease.encode()):
        raise Refused("this lease does not belong to the attempt")
    return attempt


def _update_seen_at(session: Session, host: str, now: float) -> None:
    row = session.get(HostRow, host)
    if row is not None:
        # A block runs there, so its message arrived.
        row.seen_at, row.unheard_since = now, None


def _check_report(attempt_report: Report, block: BlockRow) -> None:
    if attempt_report.result is None:
        if not attempt_report.failure and not attempt_report.cancelled:
            raise InvalidInput([Problem(field="result", message="must have a result, a failure, or cancelled")])
        return
    if attempt_report.failure or attempt_report.cancelled:
        raise InvalidInput(
            [Problem(field="failure", message="must be absent in a report with a result, and so must cancelled")]
        )
    expected = sorted(block.plan.datapaths)
    if sorted(trial.datapath for trial in attempt_report.result.trials) != expected:
        raise InvalidInput(
            [Problem(field="result.trials", message=f"must have exactly one trial of each of {', '.join(expected)}")]
        )
    for i, trial in enumerate(attempt_report.result.trials):
        if (trial.workload, trial.level) != (block.workload, block.level):
            message = f"belongs to another cell; the block's is {block.workload}, {block.level}"
            raise InvalidInput([Problem(field=f"result.trials.{i}", message=message)])


def _store_result(session: Session, attempt: AttemptRow, result: BlockResult) -> None:
    attempt.wall_s, attempt.telemetry, attempt.fingerprint = result.wall_s, result.telemetry, result.fingerprint
    store_digest(session, attempt, result)
    places = {label: position for position, label in enumerate(attempt.block.plan.datapaths)}
    store_shown(session, attempt.id, {places[trial.datapath]: text_of(trial) for trial in result.trials})
    for trial in result.trials:
        position = places[trial.datapath]
        session.add(
            TrialRow(
                id=f"{attempt.id}-{position}",
                attempt=attempt,
                position=position,
                datapath=trial.datapath,
                valid=trial.validity.valid,
                result=trial,
            )
        )
