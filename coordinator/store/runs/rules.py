"""Regression rules. A campaign is judged in the transaction that adds it to its series: once, and with its messages.

After a regression, the level before it stays the baseline until a campaign is back, or until ten campaigns are at the
new level. So a step makes one event, not one each night.
"""

import json
import logging
import secrets
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Float, ForeignKey, String, Text, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.analysis.runs.regression import Judgement, judge
from coordinator.analysis.runs.series import Figure, Recorded
from coordinator.analysis.runs.trend import campaigns_of
from coordinator.store.rows.json_text import JsonText
from coordinator.store.rows.models import Base
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.rows.times import iso
from coordinator.store.rows.turns import require_room
from coordinator.store.runs import outbox, series
from coordinator.store.runs.series import SeriesPointRow
from domain.runs.notice import MAX_NOTICES, NewNotice, NoticeChanges
from domain.runs.rule import BASELINE, MAX_RULES, Delivery, NewRule, RegressionEvent, Rule, RuleChanges
from domain.values.bounds import printable
from domain.values.problems import InvalidInput, Problem, problems_of
from domain.values.texts import error_text

PAYLOAD_VERSION = 1
SHOWN_EVENTS = 20
NO_SERIES = ""
"""In the place of a series: the row is a notice, which concerns no trend (coordinator/store/runs/notices.py)."""
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 8

log = logging.getLogger(__name__)


class RuleRow(Base):
    """A rule or a notice. ``regressed_at``: when the first regressed campaign was started; NULL while there is none."""

    __tablename__ = "rules"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    series: Mapped[str] = mapped_column(String(16), index=True)
    wanted: Mapped[NewRule | NewNotice] = mapped_column(JsonText(NewRule | NewNotice), deferred=True)
    created_at: Mapped[float] = mapped_column(Float(53))
    regressed_since: Mapped[str | None] = mapped_column(String(8))
    regressed_at: Mapped[float | None] = mapped_column(Float(53))
    error: Mapped[str] = mapped_column(Text, default="")


class RuleEventRow(Base):
    """A regression that a rule found, or an end that a notice reported. Its campaign may have been deleted since."""

    __tablename__ = "rule_events"
    __table_args__ = (UniqueConstraint("rule_id", "campaign_id"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    rule_id: Mapped[str] = mapped_column(ForeignKey("rules.id"))
    campaign_id: Mapped[str] = mapped_column(String(8))
    at: Mapped[float] = mapped_column(Float(53))
    sentence: Mapped[str] = mapped_column(Text)


def add(session: Session, wanted: NewRule, now: float) -> RuleRow:
    """Store a rule. Raises :class:`InvalidInput` if its series has no such trend."""
    found = series.recorded(session, wanted.series)
    keys = {figure.key for one in found for figure in one.figures}
    if not found:
        raise InvalidInput([Problem(field="series", message=f"there is no series {wanted.series}")])
    if _key(wanted) not in keys:
        message = "the series has no such trend: see GET /api/v1/series/ID for its workloads, levels and datapaths"
        raise InvalidInput([Problem(field="datapath", message=message)])
    return insert(session, wanted.series, wanted, now)


def insert(session: Session, of_series: str, wanted: NewRule | NewNotice, now: float) -> RuleRow:
    """Store a rule of a series, or with :data:`NO_SERIES` a notice. Raises :class:`InvalidInput` at the limit."""
    if of_series == NO_SERIES:
        field, kind, most, counted = "notice", "notices", MAX_NOTICES, RuleRow.series == NO_SERIES
    else:
        field, kind, most, counted = "series", "rules", MAX_RULES, RuleRow.series != NO_SERIES
    message = f"there are {most} {kind}, which is the limit; remove one that is no longer needed"
    count = select(func.count()).select_from(RuleRow).where(counted)
    require_room(session, kind, count, most, Problem(field=field, message=message))
    row = RuleRow(id=_new_id(), series=of_series, wanted=wanted, created_at=now, error="")
    session.add(row)
    session.flush()
    return row


def change(row: RuleRow, changes: RuleChanges | NoticeChanges) -> None:
    """Change the named fields of a rule or a notice. Raises :class:`InvalidInput` as for a new one."""
    wanted = {**row.wanted.model_dump(), **changes.model_dump(exclude_unset=True)}
    try:
        row.wanted = type(row.wanted).model_validate(wanted)
    except ValidationError as error:
        raise InvalidInput(problems_of(error)) from error


def remove(session: Session, row: RuleRow) -> None:
    """Forget a rule or a notice with its events and messages, sent or not."""
    events = session.scalars(select(RuleEventRow.id).where(RuleEventRow.rule_id == row.id)).all()
    outbox.forget(session, events)
    session.execute(delete(RuleEventRow).where(RuleEventRow.rule_id == row.id))
    session.delete(row)


def rule_row(session: Session, rule_id: str, *, lock: bool = False) -> RuleRow | None:
    """The row of a rule; ``None`` if there is none."""
    row = session.get(RuleRow, rule_id, with_for_update=lock or None)
    return row if row is not None and row.series != NO_SERIES else None


def rules_of(session: Session, series_id: str | None = None) -> Sequence[RuleRow]:
    """All rules, or those of one series, the oldest first."""
    query = select(RuleRow).order_by(RuleRow.created_at, RuleRow.id)
    wanted = RuleRow.series != NO_SERIES if series_id is None else RuleRow.series == series_id
    return session.scalars(query.where(wanted)).all()


def newest_events(session: Session, rule_id: str) -> list[tuple[dict[str, Any], tuple[Delivery, ...]]]:
    """The newest events of a rule or a notice, each with its messages."""
    query = select(RuleEventRow).where(RuleEventRow.rule_id == rule_id).order_by(RuleEventRow.at.desc())
    rows = session.scalars(query.limit(SHOWN_EVENTS)).all()
    deliveries = outbox.deliveries_of(session, [row.id for row in rows])
    return [
        (
            {"id": row.id, "campaign": row.campaign_id, "at": iso(row.at) or "", "sentence": row.sentence},
            tuple(deliveries.get(row.id, ())),
        )
        for row in rows
    ]


def rule_view(session: Session, row: RuleRow) -> Rule:
    """A rule as users see it."""
    found = newest_events(session, row.id)
    return Rule(
        **_watched(row).model_dump(),
        id=row.id,
        created_at=iso(row.created_at) or "",
        regressed_since=row.regressed_since,
        error=row.error,
        events=tuple(RegressionEvent(**event, deliveries=deliveries) for event, deliveries in found),
    )


def judge_campaign(session: Session, point: SeriesPointRow, now: float) -> None:
    """Judge a campaign that was just added to its series. A rule that fails says so, and the others go on."""
    recorded = cache(lambda: series.recorded(session, point.series, until=point.at))  # once for all rules
    query = select(RuleRow).where(RuleRow.series == point.series).order_by(RuleRow.id).with_for_update()
    for row in session.scalars(query).all():
        try:
            with session.begin_nested():
                _judge(session, row, point, recorded, now)
                row.error = ""
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("rule %s did not judge %s", row.id, point.campaign_id)
            row.error = printable(f"campaign {point.campaign_id} was not judged: {error_text(error)}")[:500]


def _judge(
    session: Session, row: RuleRow, point: SeriesPointRow, recorded: Callable[[], Sequence[Recorded]], now: float
) -> None:
    wanted = _watched(row)
    key = _key(wanted)
    found = [
        (one, figure)
        for one in recorded()
        if (figure := next((figure for figure in one.figures if figure.key == key), None)) is not None
    ]
    newest = next((figure for one, figure in found if one.id == point.campaign_id), None)
    if newest is None:
        return
    earlier = _baseline(row, [(one, figure) for one, figure in found if one.id != point.campaign_id])
    verdict = judge([one.mean_log for one in earlier], newest.mean_log, wanted.metric, wanted.percent, wanted.direction)
    if verdict is None:
        return
    if not verdict.is_regression:
        row.regressed_since = row.regressed_at = None
    elif row.regressed_at is None:
        row.regressed_since, row.regressed_at = point.campaign_id, point.at
        _report(session, row, verdict, found[-1][0], found, now)


def _baseline(row: RuleRow, found: Sequence[tuple[Recorded, Figure]]) -> list[Figure]:
    """The campaigns that the newest one is compared with."""
    since = iso(row.regressed_at)
    after = [figure for one, figure in found if since is not None and one.at >= since]
    if since is not None and len(after) >= BASELINE:
        row.regressed_since = row.regressed_at = None
        return after[-BASELINE:]
    return [figure for one, figure in found if since is None or one.at < since][-BASELINE:]


def _report(
    session: Session,
    row: RuleRow,
    verdict: Judgement,
    newest: Recorded,
    found: Sequence[tuple[Recorded, Figure]],
    now: float,
) -> None:
    wanted = _watched(row)
    event = insert_event(session, row, newest.id, _sentence(wanted, verdict), now)
    changed = campaigns_of([one for one, _ in found])[-1].changed
    body = {
        "version": PAYLOAD_VERSION,
        "type": "regression",
        "event": event.id,
        "at": iso(now),
        "rule": {"id": row.id, **wanted.model_dump(mode="json", exclude={"webhook", "email"})},
        "campaign": {"id": newest.id, "name": newest.name, "started_at": newest.at},
        "value": verdict.value,
        "baseline": verdict.baseline,
        "baseline_campaigns": verdict.campaigns,
        "ratio": {"value": verdict.ratio, "low": verdict.low, "high": verdict.high},
        "changed": [one.model_dump() for one in changed],
        "sentence": event.sentence,
    }
    put_messages(session, event, wanted, body)


def insert_event(session: Session, row: RuleRow, campaign_id: str, sentence: str, now: float) -> RuleEventRow:
    """Store what a rule or a notice has to say about a campaign."""
    event = RuleEventRow(id=secrets.token_hex(8), rule_id=row.id, campaign_id=campaign_id, at=now, sentence=sentence)
    session.add(event)
    session.flush()
    return event


def put_messages(session: Session, event: RuleEventRow, wanted: NewRule | NewNotice, body: dict[str, Any]) -> None:
    """Put a message of an event into the outbox for each receiver."""
    text = json.dumps(body, allow_nan=False)
    targets = [("webhook", wanted.webhook)] if wanted.webhook else []
    for channel, target in [*targets, *(("email", address) for address in wanted.email)]:
        outbox.put(session, event.id, channel, target, text, event.at)


def _sentence(wanted: NewRule, verdict: Judgement) -> str:
    percent, low, high = (100 * (ratio - 1) for ratio in (verdict.ratio, verdict.low, verdict.high))
    return (
        f"{wanted.figure} is {percent:+.1f} % [{low:+.1f} %, {high:+.1f} %] "
        f"against the {verdict.campaigns} campaigns before: {verdict.value:.4g}, their mean {verdict.baseline:.4g}."
    )


def _key(wanted: NewRule) -> tuple[str, str, str, str, str]:
    return wanted.workload, wanted.level, wanted.datapath, wanted.reference or "", wanted.metric.value


def _watched(row: RuleRow) -> NewRule:
    if not isinstance(row.wanted, NewRule):
        raise TypeError(f"{row.id} is no rule")
    return row.wanted


def _new_id() -> str:
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
