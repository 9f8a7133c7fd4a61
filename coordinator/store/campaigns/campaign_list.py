"""The list of campaigns: one query with search, filters and order, in pages, for REST and the web page."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns.keeping import Keeping, LabelRow, keeping_of, labelled
from coordinator.store.campaigns.views import CampaignSummary, Submitted, block_counts, summary_of
from coordinator.store.rows.cursors import NOT_OURS, BadCursor, decoded, encoded
from coordinator.store.rows.models import CampaignRow
from domain.reports.outcome import Outcome

_NOT_ENDED = 1e15  # sorts after every time: what still runs is the newest by its end
MAX_WORDS = 8  # of a search; each is a condition of the query


class Archived(StrEnum):
    """Which campaigns to list."""

    NO = "no"
    YES = "yes"
    ANY = "any"


class Order(StrEnum):
    """The order of the list; ``-`` is descending."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    LAST_ENDED = "-ended_at"
    FIRST_ENDED = "ended_at"
    NAME = "name"
    NAME_DOWN = "-name"

    @property
    def descending(self) -> bool:
        """True for the largest value first."""
        return self.value.startswith("-")


_COLUMNS: Mapping[str, Any] = {
    "created_at": CampaignRow.created_at,
    "ended_at": func.coalesce(CampaignRow.ended_at, _NOT_ENDED),
    "name": func.lower(CampaignRow.name),
}


class CampaignLine(CampaignSummary, Submitted, Keeping):
    """One line of the list of campaigns. Times are ISO 8601, UTC."""


@dataclass(frozen=True)
class Wanted:
    """Which campaigns, and in which order; an empty field does not filter.

    ``text``: every word must be in the name, the id, the note or a label. ``label``: ``key`` or ``key=value``, several
    with commas between them.
    """

    text: str = ""
    state: CampaignState | None = None
    outcome: Outcome | None = None
    host: str = ""
    label: str = ""
    archived: Archived = Archived.NO
    order: Order = Order.NEWEST


@dataclass(frozen=True)
class Page:
    """A part of the list. ``first`` is the number of its first campaign, from 1; the last two are cursors."""

    campaigns: list[dict[str, Any]]
    total: int
    first: int
    next: str | None
    previous: str | None


@dataclass(frozen=True)
class _Cursor:
    """A place in the list: beside which campaign, and on which side of it. It outlives the campaign."""

    value: float | str
    campaign_id: str
    backwards: bool

    def encode(self, order: Order) -> str:
        return encoded(order.value, self.value, self.campaign_id, self.backwards)


def campaign_page(session: Session, wanted: Wanted, *, limit: int, cursor: str = "") -> Page:
    """One page; its campaigns are :class:`CampaignLine` as dicts. Raises :class:`BadCursor`."""
    place = _decoded(cursor, wanted.order) if cursor else None
    backwards = place is not None and place.backwards
    column = _column(wanted.order)
    matching = _matching(wanted)
    query = matching.add_columns(column.label("sorted_by")).limit(limit)
    if place is not None:
        query = query.where(_beside(wanted.order, place.value, place.campaign_id, before=backwards))
    found = session.execute(_ordered(query, wanted.order, backwards=backwards)).all()
    rows = found[::-1] if backwards else found
    total = session.scalar(select(func.count()).select_from(matching.with_only_columns(CampaignRow.id).subquery())) or 0
    first = _earlier(session, matching, wanted.order, rows[0]) + 1 if rows else 0
    return Page(
        campaigns=_lines(session, [row for row, _ in rows]),
        total=total,
        first=first,
        next=_cursor_of(rows[-1], wanted.order) if rows and first + len(rows) <= total else None,
        previous=_cursor_of(rows[0], wanted.order, backwards=True) if first > 1 else None,
    )


def campaign_lines(session: Session, ids: Collection[str]) -> list[dict[str, Any]]:
    """The lines of these campaigns, in no order; unknown ones are left out."""
    return _lines(session, list(session.scalars(select(CampaignRow).where(CampaignRow.id.in_(ids)))))


def _lines(session: Session, rows: list[CampaignRow]) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    counts, kept = block_counts(session, ids), keeping_of(session, rows)
    hosts = select(CampaignRow.id, type_coerce(CampaignRow.hosts, Text)).where(CampaignRow.id.in_(ids))
    names = {campaign_id: _names(text) for campaign_id, text in session.execute(hosts)}
    return [
        CampaignLine(
            **summary_of(row, counts.get(row.id, {}), names.get(row.id, [])),
            **kept[row.id].model_dump(),
            submitted_by=row.submitted_by,
        ).model_dump(mode="json")
        for row in rows
    ]


def _names(text: str) -> list[str]:
    """The hosts of one line of the list; none if they cannot be read, so that the list can."""
    try:
        return [str(name) for name in json.loads(text)]
    except (ValueError, TypeError):
        return []


def _matching(wanted: Wanted) -> Select[Any]:
    query = select(CampaignRow)
    for word in wanted.text.lower().split()[:MAX_WORDS]:
        query = query.where(_has(word))
    if wanted.state is not None:
        query = query.where(CampaignRow.state == wanted.state)
    if wanted.outcome is not None:
        query = query.where(CampaignRow.outcome == wanted.outcome)
    if wanted.host:  # a JSON list of names, which hold no quotation mark
        query = query.where(type_coerce(CampaignRow.hosts, Text).like(part_of(f'"{wanted.host}"'), escape="\\"))
    query = query.where(*labelled(CampaignRow.id, wanted.label))
    if wanted.archived is not Archived.ANY:
        is_archived = CampaignRow.archived_at.is_not(None)
        query = query.where(is_archived if wanted.archived is Archived.YES else ~is_archived)
    return query


def _has(word: str) -> ColumnElement[bool]:
    pattern = part_of(word)
    label = func.lower(LabelRow.key + "=" + LabelRow.value).like(pattern, escape="\\")
    return or_(
        func.lower(CampaignRow.name).like(pattern, escape="\\"),
        CampaignRow.id == word,
        func.lower(CampaignRow.note).like(pattern, escape="\\"),
        select(LabelRow.key).where(LabelRow.campaign_id == CampaignRow.id, label).exists(),
    )


def part_of(text: str) -> str:
    """The pattern of texts that contain this one."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _column(order: Order) -> Any:
    return _COLUMNS[order.value.removeprefix("-")]


def _ordered(query: Select[Any], order: Order, *, backwards: bool) -> Select[Any]:
    column = _column(order)
    by_value = column.desc() if order.descending is not backwards else column.asc()
    return query.order_by(by_value, CampaignRow.id.desc() if backwards else CampaignRow.id.asc())


def _beside(order: Order, value: Any, campaign_id: str, *, before: bool) -> ColumnElement[bool]:
    """The condition of what comes before, or after, a campaign in the list."""
    column = _column(order)
    beyond = column < value if order.descending is not before else column > value
    same = CampaignRow.id < campaign_id if before else CampaignRow.id > campaign_id
    return or_(beyond, and_(column == value, same))


def _earlier(session: Session, matching: Select[Any], order: Order, row: Any) -> int:
    """How many campaigns come before this one."""
    condition = _beside(order, row.sorted_by, row[0].id, before=True)
    earlier = matching.with_only_columns(CampaignRow.id).where(condition)
    return session.scalar(select(func.count()).select_from(earlier.subquery())) or 0


def _cursor_of(row: Any, order: Order, *, backwards: bool = False) -> str:
    return _Cursor(row.sorted_by, row[0].id, backwards).encode(order)


def _decoded(text: str, order: Order) -> _Cursor:
    of_order, value, campaign_id, backwards = decoded(text, 4)
    is_value = isinstance(value, str) if order in (Order.NAME, Order.NAME_DOWN) else _is_time(value)
    if of_order != order or not is_value or not isinstance(campaign_id, str) or not isinstance(backwards, bool):
        raise BadCursor("is a cursor of a list in another order: begin again without it")
    if "\0" in campaign_id or (isinstance(value, str) and "\0" in value):  # PostgreSQL would fail at the question
        raise BadCursor(NOT_OURS)
    return _Cursor(value, campaign_id, backwards)


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _NOT_ENDED
