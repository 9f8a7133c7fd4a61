"""What users read of each trial, stored with the result: a list of trials then decodes no result and no histogram.

Derived, as digests are: the trials are the truth. A row has a version, which names the code that made it. A row of
another version counts as missing, and is made again when it is read.
"""

import hashlib
import json
import logging
import zlib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.bundle.version import analysis_version
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, Base, CampaignRow, TrialRow
from domain.service.logs import one_line
from domain.trials.trial import TrialResult
from domain.values.rounding import rounded

_LEVEL = 1  # of compression: the trials of an attempt are alike, and shrink to a tenth

log = logging.getLogger(__name__)


class ShownTrialsRow(Base):
    """The trials of one attempt as users read them: a line for each, its position and a JSON object; compressed."""

    __tablename__ = "shown_trials"

    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    version: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)


def evidence_of(result: TrialResult) -> dict[str, Any]:
    """What a trial's result says to users; without percentiles of latency, which have routes of their own."""
    proof, valid = result.proof, result.validity.valid
    return {
        "datapath": result.datapath,
        "function": result.function,
        "workload": result.workload,
        "level": result.level,
        "validity": {
            "valid": valid,
            "reasons": [str(reason) for reason in result.validity.reasons],
            "details": [finding.detail for finding in result.validity.findings],
        },
        "requests": result.requests,
        "duration_s": result.duration_s,
        # Figures of an invalid trial do not describe its datapath; its counts stay visible below.
        "requests_per_s": result.requests_per_s if valid else None,
        "cpu_us_per_request": result.cpu_us_per_request if valid else None,
        "delivered": result.delivered,
        "due": result.due,
        "queued_share": result.queued_share,
        "lag_p99_us": result.lag_p99_us,
        "censored": result.censored,
        "cpus_used": result.cpus_used,
        "cpus": result.cpu.cpus,
        "cautions": list(result.cautions),
        "errors": result.errors,
        "counters": proof.counters.model_dump(mode="json") if proof else None,
        "proof": proof.model_dump(mode="json") if proof else None,
        "slices": [s.model_dump(mode="json") for s in result.slices],
        "probes": [p.model_dump(mode="json") for p in result.probes],
        "cpu": result.cpu.model_dump(mode="json"),
        "offloads": result.offloads,
        "surroundings": _surroundings(result),
        "figures": [one.model_dump(mode="json") for one in result.figures] if valid else [],
        "series": [one.model_dump(mode="json") for one in result.series],
        "generator": result.generator,
        "notes": list(result.notes),
        "schema_version": result.schema_version,
    }


def store_shown(session: Session, attempt_id: str, texts: Mapping[int, str]) -> None:
    """Store the trials of an attempt, by their positions; they replace those that another code made."""
    lines = "\n".join(f"{position} {text}" for position, text in texts.items())
    content = zlib.compress(lines.encode(), _LEVEL)
    session.merge(ShownTrialsRow(attempt_id=attempt_id, version=_version(), content=content))


def text_of(result: TrialResult) -> str:
    """What a list shows of a trial, as a JSON object in one line: JSON has no raw line feed."""
    return json.dumps(rounded(evidence_of(result)), allow_nan=False, separators=(",", ":"))


def shown(store: Store, campaign_id: str, attempt_ids: Collection[str]) -> dict[str, dict[int, str]]:
    """By attempt and position: each trial as a JSON object. What is missing is made, and stored for the next reader."""
    with store.read() as session:
        query = select(ShownTrialsRow.attempt_id, ShownTrialsRow.content)
        current = ShownTrialsRow.attempt_id.in_(attempt_ids), ShownTrialsRow.version == _version()
        found = {attempt_id: _lines(content) for attempt_id, content in session.execute(query.where(*current))}
        made = {attempt_id: _made(session, attempt_id) for attempt_id in attempt_ids if attempt_id not in found}
    if made:
        _keep(store, campaign_id, made)
    return found | made


def _made(session: Session, attempt_id: str) -> dict[int, str]:
    query = select(TrialRow.position, TrialRow.result).where(TrialRow.attempt_id == attempt_id)
    return {position: text_of(result) for position, result in session.execute(query)}


def _keep(store: Store, campaign_id: str, made: Mapping[str, Mapping[int, str]]) -> None:
    """Store them, unless the campaign was deleted meanwhile. What cannot be written can be read all the same."""
    try:
        with store.write() as session:
            if session.scalar(select(CampaignRow.id).where(CampaignRow.id == campaign_id).with_for_update()) is None:
                return
            for attempt_id in sorted(session.scalars(select(AttemptRow.id).where(AttemptRow.id.in_(made)))):
                store_shown(session, attempt_id, made[attempt_id])
    except OperationalError as error:
        log.warning("the list of trials of %s was not stored: %s", campaign_id, one_line(error))


def _lines(content: bytes) -> dict[int, str]:
    pairs = (line.split(" ", 1) for line in zlib.decompress(content).decode().split("\n"))
    return {int(position): text for position, text in pairs}


def _surroundings(result: TrialResult) -> dict[str, Any] | None:
    found = result.surroundings
    return None if found is None else found.model_dump(mode="json") | {"tracked": found.tracked}


@cache
def _version() -> str:
    """Of the code that makes such rows."""
    return hashlib.sha256(analysis_version().model_dump_json().encode() + Path(__file__).read_bytes()).hexdigest()
