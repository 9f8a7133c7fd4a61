"""Series: the figures that each campaign adds to the trends of its file and hosts. A trend reads no trial."""

import logging
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Float, ForeignKey, Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.analysis.runs.change_words import FALSE_RATE
from coordinator.analysis.runs.series import Figure, Recorded
from coordinator.analysis.runs.trend import NEEDED, campaigns_of, trends_of
from coordinator.store.rows.database import Store
from coordinator.store.rows.json_text import JsonText, Unreadable
from coordinator.store.rows.models import Base, CampaignRow
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.rows.times import iso
from domain.runs.trend import MOST_CAMPAIGNS, Series, TrendReport

log = logging.getLogger(__name__)


class SeriesPointRow(Base):
    """One campaign's place in its series."""

    __tablename__ = "series_points"
    __table_args__ = (Index(None, "series", "at"),)

    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    series: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(64))
    hosts: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float(53))
    facts: Mapped[dict[str, str]] = mapped_column(JsonText(dict[str, str]), deferred=True)
    figures: Mapped[tuple[Figure, ...]] = mapped_column(JsonText(tuple[Figure, ...]), deferred=True)


class SeriesRow(Base):
    """The trends of a series as the ticker computed them; NULL since it got or lost a campaign."""

    __tablename__ = "series"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    report: Mapped[TrendReport | None] = mapped_column(JsonText(TrendReport), deferred=True)


MISSING = select(SeriesRow.id).where(SeriesRow.report.is_(None))
"""Series whose trends must be computed."""


def add_point(session: Session, point: SeriesPointRow) -> None:
    """Add a campaign to its series."""
    session.add(point)
    outdate(session, point.series)
    session.flush()


def outdate(session: Session, series: str) -> None:
    """Let the ticker compute the trends of a series again."""
    row = session.get(SeriesRow, series, with_for_update=True)
    if row is None:
        session.add(SeriesRow(id=series, report=None))
    else:
        row.report = None


def store_reports(store: Store) -> None:
    """Compute the trends of one series that got or lost a campaign: it takes a second, which no page must wait for."""
    with store.read() as session:
        series = session.scalar(MISSING.limit(1))
        if series is None:
            return
        version, report = version_of(session, series), _report_or_none(session, series)
    with store.write() as session:
        row = session.get(SeriesRow, series, with_for_update=True)
        if row is not None and report is None:
            session.delete(row)
        elif row is not None and version_of(session, series) == version:
            row.report = report


def _report_or_none(session: Session, series: str) -> TrendReport | None:
    """The report; ``None`` if there is none, or if it makes an error, which its page shows then."""
    try:
        return computed_report(session, series)
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("the trends of series %s cannot be computed", series)
        return None


def version_of(session: Session, series: str) -> tuple[int, float] | None:
    """What changes with each campaign of a series, also if one goes when another comes; ``None`` without any."""
    query = select(func.count(), func.sum(SeriesPointRow.at)).where(SeriesPointRow.series == series)
    count, times = session.execute(query).one()
    return (count, times) if count else None


def recorded(session: Session, series: str, *, until: float | None = None) -> list[Recorded]:
    """The newest campaigns of a series, the oldest first; with ``until``, those started until then."""
    point = SeriesPointRow
    query = select(point.campaign_id, point.name, point.at, point.facts, point.figures).where(point.series == series)
    if until is not None:
        query = query.where(point.at <= until)
    newest = session.execute(query.order_by(point.at.desc(), point.campaign_id).limit(MOST_CAMPAIGNS)).all()
    return [Recorded(id_, name, iso(at) or "", facts, figures) for id_, name, at, facts, figures in reversed(newest)]


def trend_report(session: Session, series: str) -> TrendReport | None:
    """A series with all its trends, as stored; computed if the ticker has not done that yet."""
    stored = session.get(SeriesRow, series)
    with suppress(Unreadable):  # an earlier version may have stored it
        if stored is not None and stored.report is not None:
            return stored.report
    return computed_report(session, series)


def computed_report(session: Session, series: str) -> TrendReport | None:
    """A series with all its trends; ``None`` if there is no such series."""
    found = recorded(session, series)
    if not found:
        return None
    newest = session.get_one(CampaignRow, found[-1].id)
    point = session.get_one(SeriesPointRow, found[-1].id)
    count, _ = version_of(session, series) or (0, 0.0)
    first_at = session.scalar(select(func.min(SeriesPointRow.at)).where(SeriesPointRow.series == series))
    return TrendReport(
        series=Series(
            id=series, name=point.name, hosts=point.hosts, campaigns=count,
            first_at=iso(first_at) or "", last_at=found[-1].at,
        ),
        campaigns=campaigns_of(found),
        trends=trends_of(newest.campaign, found),
        false_share=FALSE_RATE,
        needed=NEEDED,
    )  # fmt: skip


def forget_point(session: Session, campaign_id: str) -> None:
    """Delete what a campaign added; the caller deletes the campaign."""
    point = session.get(SeriesPointRow, campaign_id)
    if point is not None:
        outdate(session, point.series)
        session.delete(point)
        session.flush()


def series_of(session: Session, campaign_ids: Sequence[str]) -> dict[str, str]:
    """By campaign: its series, if it has one."""
    point = SeriesPointRow
    rows = session.execute(select(point.campaign_id, point.series).where(point.campaign_id.in_(campaign_ids)))
    return {row.campaign_id: row.series for row in rows}
