"""Keeps campaigns moving: every second, it does what requests, workers or the broker left undone.

Several tickers may run at once: each step locks its rows and checks them again before it changes them. A campaign whose
step fails is set aside, with the reason, and the others go on (coordinator/store/quarantine.py).
"""

import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import NamedTuple

from sqlalchemy import func, or_, select, update

from coordinator.scheduling.clock_steps import ClockSteps
from coordinator.scheduling.dispatch import Dispatcher, DispatchError, NoToken
from coordinator.scheduling.lifecycle import (
    OPEN_BLOCKS,
    OPEN_CAMPAIGNS,
    AttemptEvent,
    AttemptState,
    BlockState,
    CampaignState,
)
from coordinator.store import endings, quarantine, schedules, self_comparisons, series_points, transitions
from coordinator.store.clock_repair import pull_back_times
from coordinator.store.database import Store
from coordinator.store.forced_end import end_cancelled
from coordinator.store.marks import TICKER, set_mark
from coordinator.store.models import AttemptRow, BlockRow, CampaignRow, HostRow
from coordinator.store.next_blocks import GIVING, NEXT_BLOCK, OUTSTANDING_BLOCK, idle_hosts
from coordinator.store.quarantine import Kind, contained, not_held
from coordinator.store.submission import ONLINE_S, is_online
from coordinator.store.vitals import hosts_to_ping, pinged, takes_blocks
from domain.jobs import BlockMessage
from domain.vitals import DEAF_S

INTERVAL_S = 1.0
MARK_EACH_S = 5.0
RESEND_S = 15.0  # a message that was not claimed by then counts as lost
CHECK_STORED_S = 60.0  # how often hosts and matrices are read, so that one that cannot be read is shown
PING_S = 20.0
KEEP_EACH_S = 60.0  # how often campaigns are archived or deleted by rule, a few at a time
# After its start, or a step of its clock, the coordinator cannot judge who was silent:
LEASE_GRACE_S = 10.0  # workers renew leases every 2 s …
HOST_GRACE_S = 40.0  # … and report themselves every 30 s

log = logging.getLogger(__name__)


class _Sent(NamedTuple):
    """What a message needs of an attempt; its report is not loaded."""

    id: str
    block_id: str
    number: int
    host: str


_SENT = select(AttemptRow.id, AttemptRow.block_id, AttemptRow.number, AttemptRow.host)


def tick(store: Store, dispatcher: Dispatcher, now: float, *, steady_s: float = HOST_GRACE_S) -> None:
    """One round: leases, silent hosts, schedules, dispatch, lost messages, ends, outcomes, series.

    ``steady_s``: for how long the clock has been steady, and the coordinator was up.
    """
    if pull_back_times(store, now):
        log.warning("the clock was set back: stored times lay in the future")
        schedules.replan(store, now)
    if steady_s >= LEASE_GRACE_S:
        expire_leases(store, now)
        end_cancelled(store, now)
    if steady_s >= HOST_GRACE_S:
        reassign_blocks(store, now)
    schedules.start_due(store, now)
    dispatch_waiting(store, dispatcher, now)
    resend_unclaimed(store, dispatcher, now)
    finish_campaigns(store, now)
    endings.fill(store, now)
    series_points.fill(store, now)
    self_comparisons.fill(store)


def run(
    store: Store,
    dispatcher: Dispatcher,
    clock: Callable[[], float],
    stop: threading.Event,
    keep: Callable[[float], object] | None = None,
) -> None:
    """Tick until ``stop`` is set. It logs a failed round and continues with the next.

    ``keep`` applies the rules of retention at a time; ``None`` if there are none.
    """
    steps, pinged_at, checked_at, marked_at = ClockSteps(), -PING_S, -CHECK_STORED_S, -MARK_EACH_S
    kept_at = -KEEP_EACH_S
    while not stop.wait(INTERVAL_S):
        now, monotonic_s = clock(), time.monotonic()
        steady_s = steps.steady_s(now, monotonic_s)
        try:
            tick(store, dispatcher, now, steady_s=steady_s)
            if monotonic_s - pinged_at >= PING_S:
                pinged_at = monotonic_s
                ping_hosts(store, dispatcher, now)
            if monotonic_s - checked_at >= CHECK_STORED_S:
                checked_at = monotonic_s
                quarantine.check_stored(store, now)
            if monotonic_s - marked_at >= MARK_EACH_S:
                marked_at = monotonic_s
                with store.write() as session:
                    set_mark(session, TICKER, now)
            if keep is not None and steady_s >= HOST_GRACE_S and monotonic_s - kept_at >= KEEP_EACH_S:
                kept_at = monotonic_s
                keep(now)
        except Exception:  # an unavailable database comes back; the ticker must outlive that
            log.exception("a round of the ticker failed")


def _contained(store: Store, campaign_id: str, doing: str, now: float) -> AbstractContextManager[None]:
    return contained(store, Kind.CAMPAIGN, campaign_id, doing, now)


def ping_hosts(store: Store, dispatcher: Dispatcher, now: float) -> None:
    """Ask each idle online host through Redis whether it takes messages; its vitals have the answer."""
    with store.read() as session:
        hosts = hosts_to_ping(session, now)
    sent = []
    for host in hosts:
        try:
            dispatcher.ping(host)
        except DispatchError as error:  # an unanswered question that was never asked says nothing about the host
            log.warning("%s was not pinged: %s", host, error)
            if isinstance(error, NoToken):
                continue
            break  # each further host would wait for the broker's time limit
        sent.append(host)
    if sent:
        with store.write() as session:
            pinged(session, sent, now)


def expire_leases(store: Store, now: float) -> None:
    """Mark attempts as lost if their worker stopped reporting."""
    with store.read() as session:
        query = select(AttemptRow.id, BlockRow.campaign_id).join(BlockRow)
        silent = session.execute(
            query.where(AttemptRow.state == AttemptState.RUNNING, AttemptRow.lease_expires_at < now)
            .where(not_held(BlockRow.campaign_id))
        ).all()  # fmt: skip
    for attempt_id, campaign_id in silent:
        with _contained(store, campaign_id, "the end of an attempt", now), store.write() as session:
            campaign = transitions.lock_campaign(session, campaign_id)
            attempt = session.get_one(AttemptRow, attempt_id)
            still_silent = attempt.lease_expires_at is not None and attempt.lease_expires_at < now
            if attempt.state != AttemptState.RUNNING or not still_silent or campaign is None:
                continue
            # A worker that was stopped on purpose often cannot report that.
            event = AttemptEvent.STOP if campaign.state == CampaignState.CANCELLING else AttemptEvent.EXPIRE
            transitions.end_attempt(
                session, attempt, event, now, reason=f"the worker on {attempt.host} stopped reporting"
            )


def reassign_blocks(store: Store, now: float) -> None:
    """Move blocks that wait for a silent, deaf or drained host to another host of their campaign."""
    for campaign_id, host in _blocks_that_wait_in_vain(store, now):
        with _contained(store, campaign_id, "moving its blocks to another host", now), store.write() as session:
            campaign = transitions.lock_campaign(session, campaign_id)
            online = [h for h in session.scalars(select(HostRow)) if campaign and h.name in campaign.hosts]
            row = next((h for h in online if h.name == host), None)
            online = sorted((h for h in online if takes_blocks(h, now)), key=lambda h: h.name)
            if not online or any(h.name == host for h in online):
                continue
            blocks = session.scalars(
                select(BlockRow)
                .where(BlockRow.campaign_id == campaign_id, BlockRow.host == host)
                .where(BlockRow.state.in_([BlockState.WAITING, BlockState.DISPATCHED]))
                .order_by(BlockRow.index)
            ).all()
            for i, block in enumerate(blocks):
                transitions.withdraw(session, block)
                block.host = online[i % len(online)].name
            names = ", ".join(h.name for h in online)
            silent = row is None or not is_online(row, now)
            why = "is silent" if silent else "is drained" if row and row.drained_at else "takes no messages"
            transitions.note(session, campaign_id, now, f"{host} {why}: {len(blocks)} blocks moved to {names}")


def _blocks_that_wait_in_vain(store: Store, now: float) -> list[tuple[str, str]]:
    with store.read() as session:
        query = (
            select(BlockRow.campaign_id, BlockRow.host)
            .distinct()
            .join(CampaignRow)
            .outerjoin(HostRow, HostRow.name == BlockRow.host)
            .where(CampaignRow.state.in_(GIVING), not_held(CampaignRow.id))
            .where(BlockRow.state.in_([BlockState.WAITING, BlockState.DISPATCHED]))
            .where(
                or_(
                    func.coalesce(HostRow.seen_at, 0.0) < now - ONLINE_S,
                    func.coalesce(HostRow.unheard_since, now) < now - DEAF_S,
                    HostRow.drained_at.is_not(None),
                )
            )
        )
        return [(campaign_id, host) for campaign_id, host in session.execute(query)]


def dispatch_waiting(store: Store, dispatcher: Dispatcher, now: float, hosts: Collection[str] | None = None) -> None:
    """Give every idle host that takes messages its next block: oldest campaign first, in planned order.

    ``hosts``: only these, if it is known that nothing has changed for the others.
    """
    with store.read() as session:
        chosen = idle_hosts(now)
        if hosts is not None:
            chosen = chosen.where(HostRow.name.in_(hosts))
        names = session.scalars(chosen).all()
    for host in names:
        attempt = _begin_next(store, host, now)
        if attempt is not None:
            _send(store, dispatcher, attempt, now)


def _begin_next(store: Store, host: str, now: float) -> _Sent | None:
    """Create the host's next attempt unless one is outstanding; the caller sends it after the commit."""
    with store.read() as session:
        first = session.execute(NEXT_BLOCK, {"host": host}).first()
        if first is None:
            return None
    with _contained(store, first.campaign_id, "its next block", now), store.write() as session:
        row = session.scalar(select(HostRow).where(HostRow.name == host).with_for_update())
        if row is None or row.drained_at is not None:
            return None
        chosen = session.execute(NEXT_BLOCK, {"host": host}).first()
        if chosen is None or session.scalar(OUTSTANDING_BLOCK, {"host": host}) is not None:
            return None
        campaign = transitions.lock_campaign(session, chosen.campaign_id)
        block = session.get_one(BlockRow, chosen.id)
        if campaign is None or campaign.state not in GIVING or campaign.paused:
            return None
        if block.state != BlockState.WAITING or block.host != host:
            return None
        begun = transitions.begin_attempt(session, block)
        session.flush()
        return _Sent(begun.id, block.id, begun.number, host)
    return None


def resend_unclaimed(store: Store, dispatcher: Dispatcher, now: float) -> None:
    """Send unclaimed messages again, except to silent hosts, whose queues would fill up."""
    with store.read() as session:
        unclaimed = session.execute(
            _SENT.join(HostRow, HostRow.name == AttemptRow.host)
            .where(AttemptRow.state == AttemptState.DISPATCHED, HostRow.seen_at >= now - ONLINE_S)
            .where(func.coalesce(AttemptRow.sent_at, 0.0) <= now - RESEND_S)
        ).all()
    for row in unclaimed:
        _send(store, dispatcher, _Sent(*row), now)


def _send(store: Store, dispatcher: Dispatcher, attempt: _Sent, now: float) -> None:
    try:
        dispatcher.send(attempt.host, BlockMessage(block_id=attempt.block_id, attempt=attempt.number))
    except DispatchError as error:
        log.warning("block %s was not sent: %s", attempt.block_id, error)
        return
    with store.write() as session:
        unmoved = AttemptRow.id == attempt.id, AttemptRow.host == attempt.host  # the block may have moved since
        session.execute(update(AttemptRow).where(*unmoved).values(sent_at=now))


def finish_campaigns(store: Store, now: float) -> None:
    """End campaigns whose blocks have all ended; normally the last report did that already."""
    open_block = select(BlockRow.id).where(BlockRow.campaign_id == CampaignRow.id, BlockRow.state.in_(OPEN_BLOCKS))
    with store.read() as session:
        query = select(CampaignRow.id).where(CampaignRow.state.in_(OPEN_CAMPAIGNS))
        finished = session.scalars(query.where(~open_block.exists(), not_held(CampaignRow.id))).all()
    for campaign_id in finished:
        with _contained(store, campaign_id, "its end", now), store.write() as session:
            campaign = transitions.lock_campaign(session, campaign_id)
            if campaign is not None:
                transitions.finish_campaign(session, campaign, now)
