"""Notices: the end of a campaign is reported in the transaction that stores its outcome, once, with its messages.

A notice is a row of the table of rules without a series, so that its events and messages are those of rules.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns.keeping import LabelRow
from coordinator.store.rows.models import CampaignRow
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.rows.times import iso
from coordinator.store.runs.rules import (
    NO_SERIES,
    PAYLOAD_VERSION,
    RuleEventRow,
    RuleRow,
    insert,
    insert_event,
    newest_events,
    put_messages,
)
from domain.reports.gate import Check, counts_text
from domain.reports.gate import Outcome as Gate
from domain.reports.outcome import Outcome, state_text
from domain.runs.notice import EndEvent, NewNotice, Notice, Occasion
from domain.values.bounds import printable
from domain.values.texts import error_text

_MOST_LINES = 20  # expectations in one message

log = logging.getLogger(__name__)


def add(session: Session, wanted: NewNotice, now: float) -> RuleRow:
    """Store a notice. Raises :class:`InvalidInput` if there are too many."""
    return insert(session, NO_SERIES, wanted, now)


def notice_row(session: Session, notice_id: str, *, lock: bool = False) -> RuleRow | None:
    """The row of a notice; ``None`` if there is none."""
    row = session.get(RuleRow, notice_id, with_for_update=lock or None)
    return row if row is not None and row.series == NO_SERIES else None


def notice_rows(session: Session) -> Sequence[RuleRow]:
    """All notices, the oldest first."""
    query = select(RuleRow).where(RuleRow.series == NO_SERIES).order_by(RuleRow.created_at, RuleRow.id)
    return session.scalars(query).all()


def notice_view(session: Session, row: RuleRow) -> Notice:
    """A notice as users see it."""
    found = newest_events(session, row.id)
    events = tuple(EndEvent(**event, deliveries=deliveries) for event, deliveries in found)
    return Notice(
        **_wanted(row).model_dump(), id=row.id, created_at=iso(row.created_at) or "", error=row.error, events=events
    )


def report_end(session: Session, campaign_id: str, checks: Sequence[Check], now: float) -> None:
    """Report the end of a campaign, whose outcome was just stored. A notice that fails says so; others go on."""
    query = select(RuleRow).where(RuleRow.series == NO_SERIES).order_by(RuleRow.id).with_for_update()
    rows = session.scalars(query).all()
    campaign = session.get(CampaignRow, campaign_id, populate_existing=True) if rows else None
    if campaign is None:
        return
    labels = {one.key: one.value for one in session.scalars(select(LabelRow).filter_by(campaign_id=campaign_id))}
    for row in rows:
        if campaign.ended_at is not None and campaign.ended_at < row.created_at:
            continue  # its outcome comes late, and the notice did not exist at its end
        try:
            with session.begin_nested():
                if _concerns(_wanted(row), campaign, labels, checks):
                    _report(session, row, campaign, checks, now)
                row.error = ""
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("notice %s did not report %s", row.id, campaign_id)
            row.error = printable(f"the end of campaign {campaign_id} was not reported: {error_text(error)}")[:500]


def _wanted(row: RuleRow) -> NewNotice:
    if not isinstance(row.wanted, NewNotice):
        raise TypeError(f"{row.id} is no notice")
    return row.wanted


def _concerns(wanted: NewNotice, campaign: CampaignRow, labels: Mapping[str, str], checks: Sequence[Check]) -> bool:
    if wanted.name not in (None, campaign.name):
        return False
    key, has_value, value = (wanted.label or "").partition("=")
    if key and (key not in labels or (has_value and labels[key] != value)):
        return False
    return wanted.occasion is Occasion.ENDED or _has_failed(campaign, checks)


def _has_failed(campaign: CampaignRow, checks: Sequence[Check]) -> bool:
    """A cancelled campaign has not: its user knows, and its expectations are undecided.

    One whose report cannot be read has no outcome. What it would say is not known, so it counts as failed.
    """
    failed = campaign.state == CampaignState.FAILED or campaign.outcome in ("", Outcome.NOTHING)
    return failed or any(one.outcome is Gate.FAIL for one in checks)


def _report(session: Session, row: RuleRow, campaign: CampaignRow, checks: Sequence[Check], now: float) -> None:
    wanted = _wanted(row)
    event = insert_event(session, row, campaign.id, _sentence(campaign, checks), now)
    put_messages(session, event, wanted, _body(row.id, wanted, campaign, checks, event))


def _body(
    notice_id: str, wanted: NewNotice, campaign: CampaignRow, checks: Sequence[Check], event: RuleEventRow
) -> dict[str, Any]:
    missed = [one.line for one in checks if one.outcome is not Gate.PASS]
    return {
        "version": PAYLOAD_VERSION,
        "type": "campaign_ended",
        "event": event.id,
        "at": iso(event.at),
        "notice": {"id": notice_id, **wanted.model_dump(mode="json", exclude={"webhook", "email"})},
        "campaign": {
            "id": campaign.id,
            "name": campaign.name,
            "state": campaign.state,
            "outcome": campaign.outcome or None,
            "started_at": iso(campaign.started_at),
            "ended_at": iso(campaign.ended_at),
        },
        "expectations": {one.value: sum(check.outcome is one for check in checks) for one in Gate},
        "missed": missed[:_MOST_LINES],
        "sentence": event.sentence,
    }


def _sentence(campaign: CampaignRow, checks: Sequence[Check]) -> str:
    state = state_text({"state": campaign.state, "outcome": campaign.outcome})
    detail = (campaign.error or campaign.outcome_sentence or "").rstrip(".")
    gate = f" Expectations: {counts_text(checks)}." if checks else ""
    return f"{campaign.name} is {state}{': ' if detail else ''}{detail}.{gate}"
