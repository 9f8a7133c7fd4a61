"""Fill a database with copies of real campaigns: every row as the coordinator stored it, under another id.

The database copies the rows itself, so a trial with its histograms never comes into this process.
"""

import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Float, Insert, String, bindparam, func, insert, select
from sqlalchemy.orm import Session

from coordinator.store.campaigns import reports
from coordinator.store.campaigns.keeping import LabelRow
from coordinator.store.measured import summaries
from coordinator.store.measured.shown_trials import ShownTrialsRow
from coordinator.store.measured.summaries import SummaryRow
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import (
    AttemptRow,
    Base,
    BlockRow,
    CampaignRow,
    DigestRow,
    EventRow,
    PoolRow,
    TrialRow,
)
from coordinator.store.runs import series
from coordinator.store.runs.series import SeriesPointRow, SeriesRow

NAMES = tuple(f"nightly-{number:02d}" for number in range(40))
SERIES = tuple(f"series-{number:02d}" for number in range(20))
DAY_S = 86_400.0
_AT_ONCE = 20  # campaigns of one transaction
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID = 8  # characters of a campaign's id, with which the ids of its blocks, attempts and trials begin
_COPIED = (CampaignRow, BlockRow, AttemptRow, TrialRow, DigestRow, ShownTrialsRow, PoolRow, EventRow, SeriesPointRow)
_IDS = ("id", "campaign_id", "block_id", "attempt_id")


def copy_all(store: Store, templates: list[str], count: int, days: int) -> list[str]:
    """Add ``count`` copies, over so many days before the templates; returns their ids.

    They belong to :data:`SERIES`, whose trends are computed as the ticker does.
    """
    rng, made = random.Random(7), list[str]()
    ids = _ids(rng)
    with store.read() as session:
        contents = {one: _summaries(session, one) for one in templates}
    statements = {one: [_statement(table, one) for table in _COPIED] for one in templates}
    for first in range(0, count, _AT_ONCE):
        with store.write() as session:
            for number in range(first, min(count, first + _AT_ONCE)):
                template, new = templates[number % len(templates)], next(ids)
                earlier_s, name = DAY_S * days * (count - number) / count, rng.choice(NAMES)
                of_series = SERIES[number % len(SERIES)]
                values = {"new_id": new, "earlier_s": earlier_s, "new_name": name, "new_series": of_series}
                for statement in statements[template]:
                    session.connection().execute(statement, values)
                _copy_summaries(session, contents[template], template, new)
                if number % 5 == 0:
                    session.add(LabelRow(campaign_id=new, key="branch", value=f"b{number % 30}"))
                made.append(new)
    with store.write() as session:
        session.add_all(SeriesRow(id=one, report=None) for one in SERIES[:count])
    for _ in SERIES[:count]:
        series.store_reports(store)
    return made


def _ids(rng: random.Random) -> Iterator[str]:
    seen: set[str] = set()
    while True:
        new = "".join(rng.choices(_ALPHABET, k=_ID))
        if new not in seen:
            seen.add(new)
            yield new


def _statement(table: type[Base], template: str) -> Insert:
    """Copies the rows of one campaign; its parameters say under which id, name and series, and how much earlier."""
    chosen: dict[str, Any] = {}
    for column in table.__table__.columns:
        if table is EventRow and column.name == "id":
            continue  # the database numbers events
        chosen[column.name] = _value(column)
    if table in (CampaignRow, SeriesPointRow):
        chosen |= {"name": bindparam("new_name", type_=String), "series": bindparam("new_series", type_=String)}
    rows = select(*(value.label(key) for key, value in chosen.items())).where(_of(table, template))
    return insert(Base.metadata.tables[table.__tablename__]).from_select(list(chosen), rows, include_defaults=False)


def _value(column: ColumnElement[Any]) -> ColumnElement[Any]:
    name = str(column.key)
    if name in _IDS:
        return bindparam("new_id", type_=String) + func.substr(column, _ID + 1)
    if name.endswith("_at") or name == "at":
        return column - bindparam("earlier_s", type_=Float(53))
    return column


def _of(table: type[Base], template: str) -> ColumnElement[bool]:
    blocks = select(BlockRow.id).where(BlockRow.campaign_id == template)
    if table is CampaignRow:
        return CampaignRow.id == template
    if table is AttemptRow:
        return AttemptRow.block_id.in_(blocks)
    if table in (TrialRow, ShownTrialsRow):
        attempts = select(AttemptRow.id).where(AttemptRow.block_id.in_(blocks))
        return table.__table__.columns["attempt_id"].in_(attempts)
    found: ColumnElement[bool] = table.__table__.columns["campaign_id"] == template
    return found


_OF_THE_END = (summaries.TALLY.name, summaries.MEASURED.name, summaries.HEADLINE.name)
"""The summaries whose version only the end of the campaign decides."""


def _summaries(session: Session, template: str) -> dict[str, str]:
    rows = session.execute(select(SummaryRow.kind, SummaryRow.content).where(SummaryRow.campaign_id == template))
    found = {kind: zlib.decompress(content).decode() for kind, content in rows}
    if set(found) != {summaries.REPORT.name, *_OF_THE_END}:
        raise RuntimeError(f"campaign {template} has the summaries {sorted(found)}")
    return found


def _copy_summaries(session: Session, texts: dict[str, str], template: str, new: str) -> None:
    """As the ticker would store them at the end of the copy."""
    session.flush()
    version = reports.version_of(session, new)
    if version is None or version.end is None or version.stored is None:
        raise RuntimeError(f"the copy {new} has not ended")
    other = summaries.version_of(version.end)
    versions = {summaries.REPORT.name: version.stored, **dict.fromkeys(_OF_THE_END, other)}
    for kind, text in texts.items():
        content = zlib.compress(text.replace(json.dumps(template), json.dumps(new)).encode(), 1)
        session.add(SummaryRow(campaign_id=new, kind=kind, version=versions[kind], content=content))
