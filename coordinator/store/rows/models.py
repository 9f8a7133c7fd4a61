"""The tables. Times are seconds since the epoch, UTC; typed values are stored as JSON text.

Large values are loaded on first use. So a value that cannot be read concerns only what uses it, and a list or the
ticker decodes none.
"""

from sqlalchemy import (
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from coordinator.analysis.trials.pool import Pool
from coordinator.store.rows.json_text import JsonText
from domain.campaigns.campaign import Campaign
from domain.probes.telemetry import TelemetryAccount
from domain.reports.calibration import Calibration
from domain.reports.looks import Looks
from domain.reports.planning import Plan
from domain.service.jobs import HostCapabilities
from domain.service.vitals import HostVitals
from domain.trials.block import PlannedBlock
from domain.trials.traits import TraitMatrix
from domain.trials.trial import TrialResult
from domain.values.names import MAX_HOST_NAME

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


# SQLite ignores the length, and to change it there means to rebuild tables that others refer to (revision 0008).
_HOST = String(MAX_HOST_NAME).with_variant(String(63), "sqlite")
_WHO = String(254)  # an e-mail address is the longest


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(naming_convention=_NAMES)


class CampaignRow(Base):
    """A submitted campaign."""

    __tablename__ = "campaigns"
    __table_args__ = (Index(None, "archived_at", "created_at", "id"), Index(None, "state", "ended_at"))

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    seed: Mapped[int] = mapped_column(Integer)
    campaign: Mapped[Campaign] = mapped_column(JsonText(Campaign), deferred=True)
    hosts: Mapped[tuple[str, ...]] = mapped_column(JsonText(tuple[str, ...]), deferred=True)
    created_at: Mapped[float] = mapped_column(Float(53), index=True)
    started_at: Mapped[float | None] = mapped_column(Float(53))
    ended_at: Mapped[float | None] = mapped_column(Float(53))
    cancelled_at: Mapped[float | None] = mapped_column(Float(53))
    error: Mapped[str] = mapped_column(Text, default="")
    submitted_by: Mapped[str] = mapped_column(_WHO, default="", server_default=text("''"))
    # By workload; always replace the whole value, because SQLAlchemy does not see a change inside it.
    calibration: Mapped[dict[str, Calibration]] = mapped_column(
        JsonText(dict[str, Calibration]), default=dict, server_default="{}", deferred=True
    )

    # What the planner said before the run, and the looks of a campaign that adds blocks; NULL before revision 0006.
    plan: Mapped[Plan | None] = mapped_column(JsonText(Plan), deferred=True)
    looks: Mapped[Looks | None] = mapped_column(JsonText(Looks), deferred=True)
    note: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    archived_at: Mapped[float | None] = mapped_column(Float(53))

    # What came of it; NULL until the ticker has found out (revision 0015), "" if it cannot be read.
    outcome: Mapped[str | None] = mapped_column(String(24), index=True)
    outcome_sentence: Mapped[str | None] = mapped_column(Text)
    # Why it waits for its user; NULL if it never did, "" if it was resumed.
    paused: Mapped[str | None] = mapped_column(Text)
    # Its series; NULL until the ticker has looked, "" without figures (coordinator/store/runs/series_points.py).
    series: Mapped[str | None] = mapped_column(String(16), index=True)
    # How many datapaths copy others; NULL before the ticker looks (coordinator/store/runs/self_comparisons.py).
    copies: Mapped[int | None] = mapped_column(index=True)

    blocks: Mapped[list["BlockRow"]] = relationship(back_populates="campaign", order_by="BlockRow.index")


class BlockRow(Base):
    """One block; ``host`` differs from the plan's if the block moved from a silent host."""

    __tablename__ = "blocks"
    __table_args__ = (
        UniqueConstraint("campaign_id", "index"),
        Index(None, "host", "state"),
        Index(None, "campaign_id", "state", "index"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    index: Mapped[int] = mapped_column(Integer)
    workload: Mapped[str] = mapped_column(String(32))
    level: Mapped[str] = mapped_column(String(32))
    host: Mapped[str] = mapped_column(_HOST)
    state: Mapped[str] = mapped_column(String(16))
    plan: Mapped[PlannedBlock] = mapped_column(JsonText(PlannedBlock), deferred=True)
    calibration: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # Search steps only: the place in the search, and the rate of each datapath (empty until the step before it ended).
    chain: Mapped[int | None] = mapped_column(Integer)
    step: Mapped[int | None] = mapped_column(Integer)
    rates: Mapped[dict[str, int]] = mapped_column(JsonText(dict[str, int]), default=dict, server_default="{}")
    reason: Mapped[str] = mapped_column(Text, default="")
    ended_at: Mapped[float | None] = mapped_column(Float(53))

    campaign: Mapped[CampaignRow] = relationship(back_populates="blocks")
    attempts: Mapped[list["AttemptRow"]] = relationship(back_populates="block", order_by="AttemptRow.number")


class AttemptRow(Base):
    """One attempt of a block, from its message to its report."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("block_id", "number"), Index(None, "state", "ended_at"))

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    block_id: Mapped[str] = mapped_column(ForeignKey("blocks.id"))
    number: Mapped[int] = mapped_column(Integer)
    host: Mapped[str] = mapped_column(_HOST)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[float | None] = mapped_column(Float(53))
    lease: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[float | None] = mapped_column(Float(53))
    claimed_at: Mapped[float | None] = mapped_column(Float(53))
    ended_at: Mapped[float | None] = mapped_column(Float(53))
    phase: Mapped[str] = mapped_column(String(16), default="")
    datapath: Mapped[str] = mapped_column(String(40), default="")
    slices_done: Mapped[int] = mapped_column(Integer, default=0)
    wall_s: Mapped[float | None] = mapped_column(Float(53))
    telemetry: Mapped[TelemetryAccount | None] = mapped_column(JsonText(TelemetryAccount))
    fingerprint: Mapped[dict[str, str] | None] = mapped_column(JsonText(dict[str, str]))

    block: Mapped[BlockRow] = relationship(back_populates="attempts")
    trials: Mapped[list["TrialRow"]] = relationship(back_populates="attempt", order_by="TrialRow.position")


class TrialRow(Base):
    """One trial of an attempt that reported a result, valid or not."""

    __tablename__ = "trials"
    __table_args__ = (UniqueConstraint("attempt_id", "position"),)

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"))
    position: Mapped[int] = mapped_column(Integer)
    datapath: Mapped[str] = mapped_column(String(40))
    valid: Mapped[bool] = mapped_column(Boolean)
    result: Mapped[TrialResult] = mapped_column(JsonText(TrialResult))

    attempt: Mapped[AttemptRow] = relationship(back_populates="trials")


class DigestRow(Base):
    """What the analysis reads of one attempt with a result (coordinator/analysis/trials/digest_codec.py).

    ``pooled``: the times of its trials are in the pools of their cells.
    """

    __tablename__ = "digests"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), index=True)
    version: Mapped[int] = mapped_column(Integer)
    sound: Mapped[bool] = mapped_column(Boolean)
    pooled: Mapped[bool] = mapped_column(Boolean)
    numbers: Mapped[bytes] = mapped_column(LargeBinary)
    words: Mapped[str] = mapped_column(Text)


class PoolRow(Base):
    """The pooled times of one cell, of all blocks with one fingerprint; it grows with each block.

    ``figures`` is what a report reads of ``histograms``, which only the next block needs.
    """

    __tablename__ = "pools"

    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    workload: Mapped[str] = mapped_column(String(32), primary_key=True)
    level: Mapped[str] = mapped_column(String(32), primary_key=True)
    datapath: Mapped[str] = mapped_column(String(40), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    figures: Mapped[Pool] = mapped_column(JsonText(Pool))
    histograms: Mapped[dict[str, str]] = mapped_column(JsonText(dict[str, str]))


class HostRow(Base):
    """A worker host and the capabilities that it reported."""

    __tablename__ = "hosts"

    name: Mapped[str] = mapped_column(_HOST, primary_key=True)
    capabilities: Mapped[HostCapabilities] = mapped_column(JsonText(HostCapabilities), deferred=True)
    registered_at: Mapped[float] = mapped_column(Float(53))
    seen_at: Mapped[float] = mapped_column(Float(53))
    # By the coordinator's clock, the first ping that the host has not answered; NULL while it answers.
    unheard_since: Mapped[float | None] = mapped_column(Float(53))
    clock_skew_s: Mapped[float | None] = mapped_column(Float(53))
    vitals: Mapped[HostVitals | None] = mapped_column(JsonText(HostVitals), deferred=True)
    drained_at: Mapped[float | None] = mapped_column(Float(53))  # since when it takes no new blocks; NULL: it does
    # Of its last registration; NULL if unknown.
    machine: Mapped[str | None] = mapped_column(String(64))
    boot: Mapped[str | None] = mapped_column(String(64))


class EnrolmentRow(Base):
    """The token of a host, as a hash, and why the coordinator last refused to work with the host's worker."""

    __tablename__ = "enrolments"

    host: Mapped[str] = mapped_column(String(MAX_HOST_NAME), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    enrolled_at: Mapped[float] = mapped_column(Float(53))
    revoked_at: Mapped[float | None] = mapped_column(Float(53))
    protocol: Mapped[str] = mapped_column(String(16), default="")
    refusal: Mapped[str] = mapped_column(Text, default="")
    refused_at: Mapped[float | None] = mapped_column(Float(53))


class MatrixRow(Base):
    """The newest trait matrix that a host reported."""

    __tablename__ = "matrices"

    host: Mapped[str] = mapped_column(_HOST, ForeignKey("hosts.name"), primary_key=True)
    matrix: Mapped[TraitMatrix] = mapped_column(JsonText(TraitMatrix), deferred=True)
    measured_at: Mapped[float] = mapped_column(Float(53))


class EventRow(Base):
    """One event in a campaign's history, for its page. ``who`` is empty if it was the coordinator itself."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), index=True)
    at: Mapped[float] = mapped_column(Float(53))
    message: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(_WHO, default="", server_default=text("''"))


class MarkRow(Base):
    """When the ticker or the server last did its work."""

    __tablename__ = "marks"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[float] = mapped_column(Float(53))


class QuarantineRow(Base):
    """What is set aside, because it made an error that must not stop the rest."""

    __tablename__ = "quarantine"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_HOST_NAME), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[float] = mapped_column(Float(53))
    last_at: Mapped[float] = mapped_column(Float(53))
    times: Mapped[int] = mapped_column(Integer)


class SessionRow(Base):
    """A browser that is signed in; signing out deletes it.

    ``token_hash``: by which named token; ``person`` and ``scope``: who, if the provider of OIDC said so. Neither: by
    the users' token.
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[float] = mapped_column(Float(53), index=True)
    token_hash: Mapped[str | None] = mapped_column(String(64))
    person: Mapped[str | None] = mapped_column(String(254))
    scope: Mapped[str | None] = mapped_column(String(8))
    began_at: Mapped[float | None] = mapped_column(Float(53))
