"""What is shown of an ended campaign, stored at its end: pages of a year's campaigns then analyse nothing again.

Summaries are derived: the trials are the truth. Each has a version, which names the campaign's end, the places of
stages on its hosts' path, and the code of the analysis. A summary of another version counts as missing.
"""

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import ForeignKey, LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.analysis.runs.comparison import StoredMeasured
from coordinator.bundle.version import analysis_version
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.rows.models import Base, CampaignRow
from domain.reports.outcome import Tally
from domain.reports.report import CampaignReport, Verdict
from domain.runs.combination import Run
from domain.values.rounding import rounded
from domain.values.trusted import TRUSTED

T = TypeVar("T")

_LEVEL = 1  # of compression: a report shrinks to a tenth, and packing it takes milliseconds
_BETWEEN = b",\n"
_FORM = "a line for each field of a report, numbers as users read them"  # changes when the form of a content does


class SummaryRow(Base):
    """One summary of an ended campaign, as compressed JSON."""

    __tablename__ = "summaries"

    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    version: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of summary, and how it is read.

    ``is_shown``: it is stored as users read it, with a line for each field, so that a part of it can be read.
    """

    name: str
    adapter: TypeAdapter[T]
    is_shown: bool = False


REPORT: Kind[CampaignReport] = Kind("report", TypeAdapter(CampaignReport), is_shown=True)
TALLY: Kind[Tally] = Kind("tally", TypeAdapter(Tally))
MEASURED: Kind[StoredMeasured] = Kind("measured", TypeAdapter(StoredMeasured))
RUN: Kind[Run] = Kind("run", TypeAdapter(Run))
HEADLINE: Kind[tuple[Verdict, ...]] = Kind("headline", TypeAdapter(tuple[Verdict, ...]))


_NAMING_THE_END = (
    CampaignRow.state, CampaignRow.created_at, CampaignRow.started_at, CampaignRow.ended_at, CampaignRow.error,
)  # fmt: skip


def settled(session: Session, campaign_id: str) -> str | None:
    """What names a campaign's end; ``None`` while it is open, or if it is unknown. No attempt ends after that."""
    row = session.execute(select(*_NAMING_THE_END).where(CampaignRow.id == campaign_id)).first()
    return repr(tuple(row)) if row is not None and CampaignState(row.state).ended else None


def all_settled(session: Session, campaign_ids: Collection[str]) -> dict[str, str]:
    """The same of several campaigns, by id; those without are absent."""
    rows = session.execute(select(CampaignRow.id, *_NAMING_THE_END).where(CampaignRow.id.in_(campaign_ids)))
    return {row.id: repr(tuple(row)[1:]) for row in rows if CampaignState(row.state).ended}


def version_of(end: str, path_version: str = "") -> str:
    """The version of a summary of a campaign with this end."""
    text = "\n".join((end, path_version, analysis_version().model_dump_json(), _FORM))
    return hashlib.sha256(text.encode()).hexdigest()


def stored(session: Session, kind: Kind[T], campaign_id: str, version: str, without: Collection[str] = ()) -> T | None:
    """A summary; ``None`` if it is missing, or of another version. ``without``: fields that keep their defaults."""
    text = stored_text(session, kind, campaign_id, version)
    if text is None:
        return None
    if without:
        left_out = tuple(f'"{name}":'.encode() for name in without)
        text = b"{%b}" % b",".join(line for line in _lines(text) if not line.startswith(left_out))
    return kind.adapter.validate_json(text, context=TRUSTED)


def all_stored(session: Session, kind: Kind[T], versions: Mapping[str, str]) -> dict[str, T]:
    """The summaries of several campaigns, by id; those that are missing or of another version are absent.

    ``versions`` has the wanted version of each campaign.
    """
    query = select(SummaryRow.campaign_id, SummaryRow.version, SummaryRow.content)
    rows = session.execute(query.where(SummaryRow.campaign_id.in_(versions), SummaryRow.kind == kind.name))
    return {
        row.campaign_id: kind.adapter.validate_json(zlib.decompress(row.content), context=TRUSTED)
        for row in rows
        if row.version == versions[row.campaign_id]
    }


def stored_text(session: Session, kind: Kind[T], campaign_id: str, version: str) -> bytes | None:
    """A summary as JSON; ``None`` if it is missing, or of another version."""
    query = select(SummaryRow.content).where(SummaryRow.campaign_id == campaign_id, SummaryRow.kind == kind.name)
    content = session.scalar(query.where(SummaryRow.version == version))
    return None if content is None else zlib.decompress(content)


def field_of(text: bytes, name: str) -> bytes:
    """One field of a summary that is shown. Raises ``StopIteration`` if it has none of this name."""
    begin = f'"{name}":'.encode()
    return next(line for line in _lines(text) if line.startswith(begin))[len(begin) :]


def store(session: Session, kind: Kind[T], campaign_id: str, version: str, value: T) -> None:
    """Store a summary, unless the campaign was deleted meanwhile."""
    if session.scalar(select(CampaignRow.id).where(CampaignRow.id == campaign_id).with_for_update()) is None:
        return
    content = zlib.compress(_text(kind, value), _LEVEL)
    session.merge(SummaryRow(campaign_id=campaign_id, kind=kind.name, version=version, content=content))


def _text(kind: Kind[T], value: T) -> bytes:
    if not kind.is_shown:
        return kind.adapter.dump_json(value)
    fields: dict[str, object] = rounded(kind.adapter.dump_python(value, mode="json"))
    texts = [json.dumps({name: one}, allow_nan=False, separators=(",", ":"))[1:-1] for name, one in fields.items()]
    return f"{{{_BETWEEN.decode().join(texts)}}}".encode()


def _lines(text: bytes) -> list[bytes]:
    """The fields of a summary that is shown, with their names: JSON has no raw line feed within a value."""
    return text[1:-1].split(_BETWEEN)


def forget(session: Session, campaign_id: str) -> None:
    """Delete a campaign's summaries."""
    session.execute(delete(SummaryRow).where(SummaryRow.campaign_id == campaign_id))
