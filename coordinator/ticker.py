"""Keeps campaigns moving: it does what requests, workers or the broker left undone, and looks for that every 2 s.

Several tickers may run at once: each step locks its rows and checks them again before it changes them. A campaign whose
step fails is set aside, with the reason, and the others go on (coordinator/store/rows/quarantine.py).
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import NamedTuple

from sqlalchemy import select, update

from coordinator.scheduling.clock_steps import ClockSteps
from coordinator.scheduling.dispatch import Dispatcher, DispatchError, NoToken
from coordinator.scheduling.lifecycle import (
    AttemptEvent,
    AttemptState,
    BlockState,
    CampaignState,
)
from coordinator.store.hosts.vitals import hosts_to_ping, pinged, takes_blocks
from coordinator.store.lifecycle import transitions
from coordinator.store.lifecycle.forced_end import end_cancelled
from coordinator.store.lifecycle.next_blocks import GIVING, NEXT_BLOCK, OUTSTANDING_BLOCK, idle_hosts
from coordinator.store.lifecycle.submission import is_online
from coordinator.store.rows import quarantine
from coordinator.store.rows.database import Store
from coordinator.store.rows.marks import TICKER, set_mark
from coordinator.store.rows.models import AttemptRow, BlockRow, HostRow
from coordinator.store.rows.quarantine import Kind, contained
from coordinator.store.runs import schedules, self_comparisons, series_points
from coordinator.store.upkeep import endings, rounds
from coordinator.store.upkeep.clock_repair import pull_back_times
from domain.service.jobs import BlockMessage

INTERVAL_S = 2.0  # between two questions whether there is anything to do
ROUND_EACH_S = 10.0  # even if there is nothing
MARK_EACH_S = 5.0
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
    steps = ClockSteps()
    full, ping, check, mark, keeping = map(_Turn, (ROUND_EACH_S, PING_S, CHECK_STORED_S, MARK_EACH_S, KEEP_EACH_S))
    while not stop.wait(INTERVAL_S):
        now, monotonic_s = clock(), time.monotonic()
        steady_s = steps.steady_s(now, monotonic_s)
        try:
            if full.has_come(monotonic_s) or _is_due(store, now):
                tick(store, dispatcher, now, steady_s=steady_s)
            if ping.has_come(monotonic_s):
                ping_hosts(store, dispatcher, now)
            if check.has_come(monotonic_s):
                quarantine.check_stored(store, now)
            if mark.has_come(monotonic_s):
                with store.write() as session:
                    set_mark(session, TICKER, now)
            if keep is not None and steady_s >= HOST_GRACE_S and keeping.has_come(monotonic_s):
                keep(now)
        except Exception:  # an unavailable database comes back; the ticker must outlive that
            log.exception("a round of the ticker failed")


class _Turn:
    """What is done once in ``each_s`` seconds, and at first at once."""

    def __init__(self, each_s: float) -> None:
        self._each_s, self._at = each_s, -math.inf

    def has_come(self, monotonic_s: float) -> bool:
        """Whether it is time; then the next time is ``each_s`` later."""
        if monotonic_s - self._at < self._each_s:
            return False
        self._at = monotonic_s
        return True


def _is_due(store: Store, now: float) -> bool:
    with store.read() as session:
        return rounds.is_due(session, now)


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
        silent = session.execute(rounds.silent_attempts(now)).all()
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
    with store.read() as session:
        in_vain = session.execute(rounds.blocks_in_vain(now)).all()
    for campaign_id, host in in_vain:
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
    """Send unclaimed messages again."""
    with store.read() as session:
        unclaimed = session.execute(rounds.unclaimed_attempts(now)).all()
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
    with store.read() as session:
        finished = session.scalars(rounds.finished_campaigns()).all()
    for campaign_id in finished:
        with _contained(store, campaign_id, "its end", now), store.write() as session:
            campaign = transitions.lock_campaign(session, campaign_id)
            if campaign is not None:
                transitions.finish_campaign(session, campaign, now)
