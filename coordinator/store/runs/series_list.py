"""The list of series, in pages: the one with the newest campaign first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, func, or_, select
from sqlalchemy.orm import Session

from coordinator.store.campaigns.campaign_list import MAX_WORDS, part_of
from coordinator.store.campaigns.keeping import labelled
from coordinator.store.rows.cursors import NOT_OURS, BadCursor, decoded, encoded
from coordinator.store.rows.times import iso
from coordinator.store.runs.series import SeriesPointRow
from domain.runs.trend import Series


@dataclass(frozen=True)
class Sought:
    """Which series: any of its campaigns has all words in its name, this host, and all labels. Empty: all series."""

    text: str = ""
    host: str = ""
    label: str = ""

    def conditions(self) -> list[ColumnElement[bool]]:
        """What holds for a campaign of such a series."""
        point = SeriesPointRow
        words = self.text.lower().split()[:MAX_WORDS]
        names = [func.lower(point.name).like(part_of(word), escape="\\") for word in words]
        hosts = (", " + point.hosts + ", ").like(part_of(f", {self.host}, "), escape="\\")
        return [*names, *([hosts] if self.host else []), *labelled(point.campaign_id, self.label)]


EVERY = Sought()


@dataclass(frozen=True)
class SeriesPage:
    """A part of the list. ``first`` is the number of its first series, from 1; the last two are cursors."""

    series: list[Series]
    total: int
    first: int
    next: str | None
    previous: str | None


def series_page(session: Session, sought: Sought = EVERY, *, limit: int, cursor: str = "") -> SeriesPage:
    """One page; campaigns of a series that do not match are counted, too. Raises :class:`BadCursor`."""
    place = _decoded(cursor) if cursor else None
    backwards = place is not None and place[2]
    spans = _spans(sought)
    query = select(spans).limit(limit)
    if place is not None:
        query = query.where(_beside(spans, place[0], place[1], before=backwards))
    by_time, by_id = (spans.c.last.asc(), spans.c.series.desc()) if backwards else (spans.c.last.desc(), spans.c.series)
    found = session.execute(query.order_by(by_time, by_id)).all()
    rows = found[::-1] if backwards else found
    counted = select(func.count()).select_from(spans)
    total = session.scalar(counted) or 0
    earlier = counted.where(_beside(spans, rows[0].last, rows[0].series, before=True)) if rows else None
    first = (session.scalar(earlier) or 0) + 1 if earlier is not None else 0
    return SeriesPage(
        series=_series(session, rows),
        total=total,
        first=first,
        next=_encoded(rows[-1], backwards=False) if rows and first + len(rows) <= total else None,
        previous=_encoded(rows[0], backwards=True) if first > 1 else None,
    )


def _spans(sought: Sought) -> Subquery:
    """Each series with the number of its campaigns, and the times of the first and the last."""
    point = SeriesPointRow
    first, last = func.min(point.at).label("first"), func.max(point.at).label("last")
    spans = select(point.series, func.count().label("campaigns"), first, last)
    if conditions := sought.conditions():
        spans = spans.where(point.series.in_(select(point.series).where(*conditions)))
    return spans.group_by(point.series).subquery()


def _series(session: Session, rows: Sequence[Any]) -> list[Series]:
    """With the name and the hosts of the newest campaign of each."""
    point = SeriesPointRow
    of_page = point.series.in_([row.series for row in rows]), point.at.in_([row.last for row in rows])
    query = select(point.series, point.name, point.hosts).where(*of_page).order_by(point.at, point.campaign_id)
    newest = {one.series: one for one in session.execute(query)}
    return [
        Series(
            id=row.series, name=newest[row.series].name, hosts=newest[row.series].hosts, campaigns=row.campaigns,
            first_at=iso(row.first) or "", last_at=iso(row.last) or "",
        )
        for row in rows
    ]  # fmt: skip


def _beside(spans: Subquery, last: float, series: str, *, before: bool) -> ColumnElement[bool]:
    """The condition of what comes before, or after, a series in the list."""
    beyond = spans.c.last > last if before else spans.c.last < last
    same = spans.c.series < series if before else spans.c.series > series
    return or_(beyond, and_(spans.c.last == last, same))


def _encoded(row: Any, *, backwards: bool) -> str:
    return encoded(row.last, row.series, backwards)


def _decoded(text: str) -> tuple[float, str, bool]:
    last, series, backwards = decoded(text, 3)
    is_place = isinstance(last, float) and isinstance(series, str) and isinstance(backwards, bool)
    if not is_place or not math.isfinite(last) or "\0" in series:  # PostgreSQL would fail at the question
        raise BadCursor(NOT_OURS)
    return last, series, backwards
