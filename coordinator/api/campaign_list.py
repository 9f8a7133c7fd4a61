"""The list of campaigns, and what users change after a submission: labels, notes, archive, deletion."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import request
from pydantic import BaseModel, Field

from coordinator.access.principal import author
from coordinator.api.campaigns import get_view
from coordinator.api.refusals import Code, CodedConflict, no_campaign
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.campaigns import campaign_list as store
from coordinator.store.campaigns import headlines, keeping
from coordinator.store.campaigns.campaign_list import Archived, CampaignLine, Order, Page, Wanted
from coordinator.store.campaigns.views import CampaignView
from coordinator.store.lifecycle import transitions
from coordinator.store.rows.cursors import BadCursor
from coordinator.store.rows.times import iso
from coordinator.store.upkeep import deletion
from coordinator.telemetry.reader import TelemetryUnavailable
from coordinator.telemetry.removal import delete_telemetry
from domain.reports.outcome import Outcome
from domain.reports.report import Verdict
from domain.runs.keeping import KeepingChanges
from domain.values.frozen import Frozen
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("campaign_list", __name__, tag="Campaigns")

LISTED = 100
MOST_LISTED = 1000


class ListQuery(Frozen):
    """Which campaigns, in which order, and which part of them."""

    q: str = Field(
        default="", max_length=200, description="Each word must be in the name, the id, the note or a label."
    )
    state: CampaignState | None = Field(default=None, description="Only campaigns in this state.")
    outcome: Outcome | None = Field(
        default=None, description="Only ended campaigns with this outcome; it is known a few seconds after the end."
    )
    host: str = Field(default="", max_length=253, description="Only campaigns on this host.")
    label: str = Field(
        default="", max_length=500, description="`key` or `key=value`; several with commas between them, of which all."
    )
    archived: Archived = Field(default=Archived.NO, description="`yes`: only archived ones; `any`: all.")
    sort: Order = Field(default=Order.NEWEST, description="The order; `-` is descending.")
    limit: int = Field(default=LISTED, ge=1, le=MOST_LISTED, description="Campaigns in one answer.")
    cursor: str = Field(default="", max_length=500, description="An earlier answer's `next` or `previous`.")

    @property
    def wanted(self) -> Wanted:
        """The query without its page."""
        return Wanted(self.q, self.state, self.outcome, self.host, self.label, self.archived, self.sort)

    def arguments(self, **changes: Any) -> dict[str, str]:
        """The query's parameters as text, with changes; without those that have their default."""
        given = self.model_dump(mode="json", exclude_defaults=True) | changes
        return {name: str(value) for name, value in given.items() if value not in ("", None)}


class CampaignList(BaseModel):
    """A page of the list of campaigns."""

    campaigns: list[CampaignLine]
    total: int = Field(description="How many campaigns match, on all pages.")
    first: int = Field(description="The number of the first campaign here, from 1; 0 if there is none.")
    next: str | None = Field(default=None, description="The `cursor` of the next page; null on the last one.")
    previous: str | None = Field(default=None, description="The `cursor` of the page before; null on the first one.")


class Deleted(BaseModel):
    """A campaign that was deleted."""

    id: str
    name: str
    trials: int = Field(description="How many trials it had.")
    deleted_at: str
    telemetry_deleted_at: str | None = Field(description="Null if its telemetry may still be in InfluxDB.")
    telemetry_error: str = Field(description="Why the telemetry was not deleted; repeat the request to try again.")


@blueprint.get("/campaigns")
@blueprint.input(ListQuery, location="query", arg_name="query")
@blueprint.output(CampaignList)
def list_campaigns(query: ListQuery) -> tuple[Mapping[str, Any], int, Mapping[str, str]]:
    """Campaigns, the newest first: search, filter, sort, and page by page.

    The answer's `next` is the `cursor` of the next page. The header `Link` has the addresses of both neighbours.
    """
    page = campaign_page(query)
    found = {name: getattr(page, name) for name in CampaignList.model_fields}
    return found, 200, _links(query, page)


def campaign_page(query: ListQuery) -> Page:
    """One page of the list. Raises :class:`InvalidInput`."""
    try:
        with services().store.read() as session:
            return store.campaign_page(session, query.wanted, limit=query.limit, cursor=query.cursor)
    except BadCursor as error:
        raise InvalidInput([Problem(field="cursor", message=str(error))]) from error


def headlines_of(campaign_ids: Collection[str]) -> Mapping[str, Sequence[Verdict]]:
    """The stored headlines of these campaigns, by id."""
    with services().store.read() as session:
        return headlines.stored_headlines(session, campaign_ids)


def _links(query: ListQuery, page: Page) -> dict[str, str]:
    relations = (("next", page.next), ("prev", page.previous))
    links = [
        f'<{request.base_url}?{urlencode(query.arguments(cursor=cursor))}>; rel="{name}"'
        for name, cursor in relations
        if cursor is not None
    ]
    return {"Link": ", ".join(links)} if links else {}


@blueprint.patch("/campaigns/<campaign_id>")
@blueprint.input(KeepingChanges, arg_name="changes")
@blueprint.output(CampaignView)
@blueprint.doc(responses=[404])
def change_campaign(campaign_id: str, changes: KeepingChanges) -> Mapping[str, Any]:
    """Change labels, note and archive of a campaign; what the body leaves out stays.

    Each change is an entry in the campaign's history. Neither its blocks nor its results depend on them.
    """
    change_by_id(campaign_id, changes)
    return get_view(campaign_id)


def change_by_id(campaign_id: str, changes: KeepingChanges) -> None:
    """Change what users wrote on a campaign. Aborts with 404 if it is unknown."""
    known = services()
    with known.store.write() as session:
        row = transitions.lock_campaign(session, campaign_id) or no_campaign(campaign_id)
        keeping.change(session, row, changes, known.clock(), author())


@blueprint.delete("/campaigns/<campaign_id>")
@blueprint.output(Deleted)
@blueprint.doc(responses={404: "There is no such campaign", 409: "The campaign has not ended: cancel it first"})
def delete_campaign(campaign_id: str) -> Deleted:
    """Delete a campaign that has ended, with its trials, its report and its telemetry. It cannot be undone.

    If InfluxDB cannot be reached, the answer says so, and the same request tries again.
    """
    return delete_by_id(campaign_id)


def delete_by_id(campaign_id: str) -> Deleted:
    """Delete a campaign, or again the telemetry of a deleted one. Raises ``Conflict``; aborts with 404."""
    known = services()
    with known.store.write() as session:
        row = transitions.lock_campaign(session, campaign_id)
        try:
            found = deletion.delete_campaign(session, row, known.clock()) if row is not None else None
        except deletion.NotEnded as error:
            raise CodedConflict(str(error), Code.CAMPAIGN_NOT_ENDED) from error
        found = found or deletion.deletion_of(session, campaign_id) or no_campaign(campaign_id)
    if found.telemetry_at is None:
        problem = _telemetry_error(campaign_id)
        with known.store.write() as session:
            found = deletion.telemetry_ended(session, campaign_id, known.clock(), problem)
    return Deleted(
        id=found.campaign_id,
        name=found.name,
        trials=found.trials,
        deleted_at=iso(found.deleted_at) or "",
        telemetry_deleted_at=iso(found.telemetry_at),
        telemetry_error=found.telemetry_error,
    )


def _telemetry_error(campaign_id: str) -> str:
    try:
        delete_telemetry(services().settings.influx, campaign_id)
    except (TelemetryUnavailable, ValueError) as error:
        return str(error)
    return ""
