"""Retention by rule: which ended campaigns are archived or deleted, because they are old and nothing keeps them.

A campaign is kept if it ended lately, or if it is one of the newest of its series. A label may keep it, too. A
series is the campaigns of one file on the same hosts; a campaign in none counts with those of its name on its hosts.
Open campaigns are never touched.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, Text, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from coordinator.config import InfluxSettings
from coordinator.retention_settings import RetentionSettings
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns import keeping
from coordinator.store.campaigns.keeping import LabelRow
from coordinator.store.lifecycle import transitions
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.upkeep import deletion
from coordinator.telemetry.reader import TelemetryUnavailable
from coordinator.telemetry.removal import delete_telemetry
from domain.runs.keeping import KeepingChanges

DAY_S = 86_400.0
AT_ONCE = 5  # campaigns of one round: a deletion holds the database, and heartbeats wait for it
MOST_SHOWN = 1_000
_ENDED = tuple(state for state in CampaignState if state.ended)

log = logging.getLogger(__name__)


class Fate(StrEnum):
    """What a rule does with a campaign."""

    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True)
class Due:
    """A campaign that a rule is about, and since how many days it has ended."""

    id: str
    name: str
    fate: Fate
    days: float

    @property
    def sentence(self) -> str:
        """What is done, and why."""
        done = "archived" if self.fate is Fate.ARCHIVE else "deleted"
        return f"{done} by the retention rule: it ended {self.days:.0f} days ago"


def due(
    session: Session, rules: RetentionSettings, now: float, limit: int = MOST_SHOWN, *, only: str = ""
) -> Sequence[Due]:
    """The campaigns that the rules are about, the oldest first; deletions come before archiving.

    ``only``: this one, if they are about it.
    """
    found: list[Due] = []
    for fate, days in ((Fate.DELETE, rules.delete_after_days), (Fate.ARCHIVE, rules.archive_after_days)):
        if days is None or len(found) >= limit:
            continue
        query = select(CampaignRow.id, CampaignRow.name, CampaignRow.ended_at).where(*_old(rules, now - days * DAY_S))
        if only:
            query = query.where(CampaignRow.id == only)
        if fate is Fate.ARCHIVE:
            query = query.where(CampaignRow.archived_at.is_(None))
        known = [one.id for one in found]
        rows = session.execute(query.order_by(CampaignRow.ended_at, CampaignRow.id).limit(limit)).all()
        for one, name, ended_at in rows:
            if one not in known and ended_at is not None:
                found.append(Due(one, name, fate, (now - ended_at) / DAY_S))
    return found[:limit]


def apply(store: Store, rules: RetentionSettings, influx: InfluxSettings, now: float) -> Sequence[Due]:
    """Archive or delete the oldest campaigns that are due; returns those that were."""
    with store.read() as session:
        chosen = due(session, rules, now, AT_ONCE)
    done = []
    for one in chosen:
        try:
            if _apply_one(store, rules, one, now):
                log.info("campaign %s (%s) is %s", one.id, one.name, one.sentence)
                done.append(one)
        except Exception as error:  # what one campaign holds must not keep the others
            if is_outage(error):
                raise
            log.exception("the retention rule could not %s campaign %s", one.fate, one.id)
    _delete_telemetry(store, influx, now)
    return done


def _apply_one(store: Store, rules: RetentionSettings, one: Due, now: float) -> bool:
    """Do it, unless a user has changed the campaign meanwhile so that the rule is no longer about it."""
    with store.write() as session:
        row = transitions.lock_campaign(session, one.id)
        if row is None or one not in due(session, rules, now, only=one.id):
            return False
        if one.fate is Fate.DELETE:
            deletion.delete_campaign(session, row, now)
        else:
            keeping.change(session, row, KeepingChanges(archived=True), now)
            transitions.note(session, row.id, now, one.sentence)
    return True


def _delete_telemetry(store: Store, influx: InfluxSettings, now: float) -> None:
    """Delete the telemetry of deleted campaigns, also of those for which InfluxDB did not answer before."""
    with store.read() as session:
        waiting = deletion.with_telemetry(session, AT_ONCE)
    for campaign_id in waiting:
        problem = ""
        try:
            delete_telemetry(influx, campaign_id)
        except (TelemetryUnavailable, ValueError) as error:
            problem = str(error)
            log.warning("the telemetry of campaign %s was not deleted: %s", campaign_id, problem)
        with store.write() as session:
            deletion.telemetry_ended(session, campaign_id, now, problem)
        if problem:
            return  # the next one would wait for the same time limit


def _old(rules: RetentionSettings, before: float) -> list[ColumnElement[bool]]:
    conditions = [CampaignRow.state.in_(_ENDED), CampaignRow.ended_at <= before]
    if rules.keep_last:
        conditions.append(CampaignRow.id.not_in(_newest(rules.keep_last)))
    if rules.keep_labels:
        conditions.append(CampaignRow.id.not_in(_labelled(rules.keep_labels)))
    return conditions


def _newest(count: int) -> Select[str]:
    """The newest campaigns of each series."""
    alike = CampaignRow.name + " " + type_coerce(CampaignRow.hosts, Text)
    series = func.coalesce(func.nullif(CampaignRow.series, ""), alike)
    order = CampaignRow.ended_at.desc(), CampaignRow.id
    place = func.row_number().over(partition_by=series, order_by=order).label("place")
    ranked = select(CampaignRow.id, place).where(CampaignRow.state.in_(_ENDED)).subquery()
    return select(ranked.c.id).where(ranked.c.place <= count)


def _labelled(labels: Sequence[str]) -> Select[str]:
    parts = [label.partition("=") for label in labels]
    wanted = [
        (LabelRow.key == key) & (LabelRow.value == value) if equals else LabelRow.key == key
        for key, equals, value in parts
    ]
    return select(LabelRow.campaign_id).where(or_(*wanted))
