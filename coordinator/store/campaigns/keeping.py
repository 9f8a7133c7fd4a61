"""Labels, notes and the archive: what users write on campaigns, and the rows of campaigns that were deleted."""

from collections.abc import Collection, Iterable

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Float, ForeignKey, Index, Integer, String, Text, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from coordinator.store.lifecycle import transitions
from coordinator.store.rows.models import Base, CampaignRow
from coordinator.store.rows.times import iso
from domain.runs.keeping import MAX_LABELS, KeepingChanges
from domain.values.problems import InvalidInput, Problem
from domain.values.texts import words_of


class LabelRow(Base):
    """One label of a campaign."""

    __tablename__ = "campaign_labels"
    __table_args__ = (Index(None, "key", "value"),)

    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(63), primary_key=True)
    value: Mapped[str] = mapped_column(String(63))


class DeletionRow(Base):
    """A campaign that was deleted. ``telemetry_at`` is NULL while its telemetry may still be in InfluxDB."""

    __tablename__ = "deletions"

    campaign_id: Mapped[str] = mapped_column(String(8), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    trials: Mapped[int] = mapped_column(Integer)
    deleted_at: Mapped[float] = mapped_column(Float(53))
    telemetry_at: Mapped[float | None] = mapped_column(Float(53))
    telemetry_error: Mapped[str] = mapped_column(Text, default="")


class Keeping(BaseModel):
    """What users wrote on a campaign."""

    labels: dict[str, str] = Field(default={}, description="By key.")
    note: str = ""
    archived_at: str | None = Field(default=None, description="Null if it is not archived.")


def keeping_of(session: Session, rows: Iterable[CampaignRow]) -> dict[str, Keeping]:
    """By campaign id."""
    found = {row.id: Keeping(note=row.note, archived_at=iso(row.archived_at)) for row in rows}
    labels = labels_of(session, found)
    return {one: kept.model_copy(update={"labels": labels.get(one, {})}) for one, kept in found.items()}


def labels_of(session: Session, ids: Collection[str]) -> dict[str, dict[str, str]]:
    """The labels of campaigns, by id and key; a campaign without labels is absent."""
    query = select(LabelRow).where(LabelRow.campaign_id.in_(ids)).order_by(LabelRow.campaign_id, LabelRow.key)
    by_campaign: dict[str, dict[str, str]] = {}
    for row in session.scalars(query):
        by_campaign.setdefault(row.campaign_id, {})[row.key] = row.value
    return by_campaign


def labelled(campaign_id: ColumnElement[str] | InstrumentedAttribute[str], text: str) -> list[ColumnElement[bool]]:
    """The conditions that a campaign has all these labels: ``key`` or ``key=value``, with commas between them."""
    conditions: list[ColumnElement[bool]] = []
    for label in words_of(text):
        key, has_value, value = label.partition("=")
        found = select(LabelRow.key).where(LabelRow.campaign_id == campaign_id, LabelRow.key == key)
        conditions.append((found.where(LabelRow.value == value) if has_value else found).exists())
    return conditions


def change(session: Session, row: CampaignRow, changes: KeepingChanges, now: float, who: str = "") -> None:
    """Apply changes to a locked campaign, and note each with its author. Raises :class:`InvalidInput`."""
    for text in [*_change_labels(session, row, changes), *_change_note(row, changes), *_archive(row, changes, now)]:
        transitions.note(session, row.id, now, text, who)


def forget_labels(session: Session, campaign_id: str) -> None:
    """Delete every label of a campaign."""
    session.execute(delete(LabelRow).where(LabelRow.campaign_id == campaign_id))


def _change_labels(session: Session, row: CampaignRow, changes: KeepingChanges) -> list[str]:
    known = {one.key: one for one in session.scalars(select(LabelRow).where(LabelRow.campaign_id == row.id))}
    said = []
    for key, value in (changes.labels or {}).items():
        before = known.get(key)
        if value is None:
            if before is not None:
                session.delete(known.pop(key))
                said.append(f"label {key} removed")
        elif before is None:
            known[key] = LabelRow(campaign_id=row.id, key=key, value=value)
            session.add(known[key])
            said.append(f"label {key}={value} set")
        elif before.value != value:
            before.value = value
            said.append(f"label {key}={value} set")
    if len(known) > MAX_LABELS:
        raise InvalidInput([Problem(field="labels", message=f"a campaign has at most {MAX_LABELS} labels")])
    return said


def _change_note(row: CampaignRow, changes: KeepingChanges) -> list[str]:
    if changes.note is None or changes.note == row.note:
        return []
    row.note = changes.note
    return ["note changed" if changes.note else "note removed"]


def _archive(row: CampaignRow, changes: KeepingChanges, now: float) -> list[str]:
    if changes.archived is None or changes.archived == (row.archived_at is not None):
        return []
    row.archived_at = now if changes.archived else None
    return ["archived" if changes.archived else "taken out of the archive"]
