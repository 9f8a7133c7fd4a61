"""Campaigns: submit, list, view and cancel; results, verdicts and the whole report."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from apiflask import APIBlueprint
from flask import Response, abort, request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from coordinator import ticker
from coordinator.access import audit
from coordinator.access.principal import author
from coordinator.api.csv_file import csv_lines
from coordinator.api.media import CSV
from coordinator.api.refusals import no_campaign
from coordinator.api.submitted import read_submitted
from coordinator.api.waiting import WaitQuery, await_end
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.campaigns import reports, views
from coordinator.store.lifecycle import looks, submission, transitions
from coordinator.store.measured import results
from coordinator.store.measured.summaries import field_of
from coordinator.store.rows.models import CampaignRow
from domain.campaigns.campaign import MAX_TEXT_BYTES, Campaign, toml_data
from domain.campaigns.toml_text import toml_text
from domain.reports.carrying import Carrying
from domain.reports.gate import Check
from domain.reports.planning import Plan
from domain.reports.report import CampaignReport, CellResult, Verdict
from domain.trials.figures import CellFigure
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("campaigns", __name__, tag="Campaigns")

TOML_TYPE = "application/toml"
_EXPLANATIONS = ("decompositions", "differences")


class ResultList(BaseModel):
    """One result per cell."""

    results: list[CellResult]


class VerdictList(BaseModel):
    """Each datapath against the reference, per workload, level and metric."""

    verdicts: list[Verdict]


class ExpectationList(BaseModel):
    """Each expectation at each of its levels: pass, fail or undecided."""

    expectations: list[Check]


def submit_campaign(campaign: Campaign) -> str:
    """Store a valid campaign, dispatch its first blocks and return its id. Raises :class:`InvalidInput`."""
    known = services()
    with known.store.write() as session:
        row = store_campaign(session, campaign)
        campaign_id, hosts = row.id, row.hosts
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock(), hosts)
    return campaign_id


def store_campaign(session: Session, campaign: Campaign) -> CampaignRow:
    """The row of a campaign that is submitted now; the caller dispatches after the commit. Raises as above."""
    row = submission.submit(session, campaign, services().clock(), author())
    session.flush()
    audit.about("campaign", row.id)
    return row


@blueprint.post("/campaigns/plan")
@blueprint.output(Plan)
@blueprint.doc(responses={422: "The campaign would be refused; each problem names its field"})
def plan() -> Plan:
    """What a campaign could show, and how long it would take; nothing is submitted."""
    return plan_campaign(campaign_of_request())


def plan_campaign(campaign: Campaign) -> Plan:
    """The plan of a campaign that is not submitted. Raises :class:`InvalidInput`."""
    with services().store.read() as session:
        return submission.preview(session, campaign, services().clock())


@blueprint.get("/campaigns/<campaign_id>")
@blueprint.input(WaitQuery, location="query", arg_name="query")
@blueprint.output(views.CampaignView)
@blueprint.doc(responses=[404])
def get_campaign(campaign_id: str, query: WaitQuery) -> Mapping[str, Any] | Response:
    """A campaign with its progress; with `wait`, when it has ended.

    With `Accept: application/toml`, the file that submits the same campaign again.
    """
    await_end(services().store, campaign_id, query.wait)
    view = get_view(campaign_id)
    if request.accept_mimetypes.best_match(["application/json", TOML_TYPE]) != TOML_TYPE:
        return view
    response = Response(toml_text(Campaign.model_validate(view["campaign"])), mimetype=TOML_TYPE)
    response.vary.add("Accept")
    return response


@blueprint.post("/campaigns/<campaign_id>/cancel")
@blueprint.output(views.CampaignView)
@blueprint.doc(responses=[404])
def cancel(campaign_id: str) -> Mapping[str, Any]:
    """Cancel a campaign: waiting blocks never start, running ones stop within seconds. Repeating it is harmless."""
    cancel_by_id(campaign_id)
    return get_view(campaign_id)


def cancel_by_id(campaign_id: str) -> None:
    """Cancel a campaign. Aborts with 404 if it is unknown."""
    move_campaign(campaign_id, partial(transitions.cancel_campaign, who=author()))


def move_campaign(campaign_id: str, move: Callable[[Session, CampaignRow, float], object]) -> None:
    """Move a campaign by one of the store's transitions, and dispatch what may run now. Aborts with 404."""
    known = services()
    with known.store.write() as session:
        row = transitions.lock_campaign(session, campaign_id) or no_campaign(campaign_id)
        move(session, row, known.clock())
    ticker.dispatch_waiting(known.store, known.dispatcher, known.clock())


def get_view(campaign_id: str) -> Mapping[str, Any]:
    """The campaign's view. Aborts with 404 if it is unknown."""
    known = services()
    with known.store.read() as session:
        view = views.campaign_view(session, campaign_id, known.clock()) or no_campaign(campaign_id)
        version, live = results.results_version(session, campaign_id), not CampaignState(view["state"]).ended
        if live and view["blocks_done"]:
            at = view["state"], version
            found = known.exactness.get(campaign_id, at, lambda: looks.exactness(session, campaign_id))
            view["progress"]["exactness"] = found.model_dump(mode="json") if found is not None else None
    tally = known.tallies.get(campaign_id, version, lambda: reports.tally(known.store, campaign_id))
    view["tally"] = tally.model_dump(mode="json")
    if not live and view["outcome"] is None:  # the ticker has not stored it yet
        word, view["outcome_sentence"] = reports.outcome_of(report_of(campaign_id))
        view["outcome"] = word or None
    return view


@blueprint.get("/campaigns/<campaign_id>/report")
@blueprint.output(CampaignReport)
@blueprint.doc(responses=[404])
def get_report(campaign_id: str) -> CampaignReport | Response:
    """The whole report: results, verdicts, invalid trials, failed attempts, telemetry."""
    text = _stored_text(campaign_id)
    if text is None:
        return report_of(campaign_id)
    # Stored, each field has a line; the same report has the same bytes, whether it was stored or not.
    return Response(text.replace(b"\n", b"") + b"\n", mimetype="application/json")


@blueprint.get("/campaigns/<campaign_id>/results")
@blueprint.output(ResultList)
@blueprint.doc(responses=[404])
def get_results(campaign_id: str) -> Mapping[str, Any] | Response:
    """One result per cell."""
    return _field(campaign_id, "results")


@blueprint.get("/campaigns/<campaign_id>/verdicts")
@blueprint.output(VerdictList)
@blueprint.doc(responses=[404])
def get_verdicts(campaign_id: str) -> Mapping[str, Any] | Response:
    """Every verdict, with its interval."""
    return _field(campaign_id, "verdicts")


@blueprint.get("/campaigns/<campaign_id>/expectations")
@blueprint.output(ExpectationList)
@blueprint.doc(responses=[404])
def get_expectations(campaign_id: str) -> Mapping[str, Any] | Response:
    """Which of the campaign's expectations hold, with their intervals."""
    return _field(campaign_id, "expectations")


@blueprint.get("/campaigns/<campaign_id>/results.csv")
@blueprint.doc(responses=CSV)
def get_results_csv(campaign_id: str) -> Response:
    """One line per cell, with the scope and the fingerprint in columns."""
    return _csv(CellResult, campaign_id, "results")


@blueprint.get("/campaigns/<campaign_id>/verdicts.csv")
@blueprint.doc(responses=CSV)
def get_verdicts_csv(campaign_id: str) -> Response:
    """One line per verdict, with the scope and the fingerprint in columns."""
    return _csv(Verdict, campaign_id, "verdicts")


@blueprint.get("/campaigns/<campaign_id>/expectations.csv")
@blueprint.doc(responses=CSV)
def get_expectations_csv(campaign_id: str) -> Response:
    """One line per expectation and level, with the scope and the fingerprint in columns."""
    return _csv(Check, campaign_id, "expectations")


@blueprint.get("/campaigns/<campaign_id>/carrying.csv")
@blueprint.doc(responses=CSV)
def get_carrying_csv(campaign_id: str) -> Response:
    """One line per open level and pair of datapaths, with the scope and the fingerprint: which carries the load."""
    return _csv(Carrying, campaign_id, "carrying")


@blueprint.get("/campaigns/<campaign_id>/figures.csv")
@blueprint.doc(responses=CSV)
def get_figures_csv(campaign_id: str) -> Response:
    """One line per cell and figure that its workload declares, with the scope and the fingerprint in columns."""
    return _csv(CellFigure, campaign_id, "figures")


def report_of(campaign_id: str) -> CampaignReport:
    """The campaign's present report, made once per change of its data. Aborts with 404 if it is unknown."""
    known, version = services(), _version(campaign_id)

    def make() -> CampaignReport:
        return reports.report(known.store, campaign_id, version) or no_campaign(campaign_id)

    return known.reports.get(campaign_id, version, make)


def brief_report(campaign_id: str) -> CampaignReport:
    """The same; that of an ended campaign has no decompositions and differences, the largest part, which few read."""
    known, version = services(), _version(campaign_id)
    if version.stored is None:
        return report_of(campaign_id)

    def make() -> CampaignReport:
        found = reports.stored_report(known.store, campaign_id, version, _EXPLANATIONS)
        return found or report_of(campaign_id)

    return known.reports.get(f"{campaign_id} in brief", version, make)


def _version(campaign_id: str) -> reports.Version:
    with services().store.read() as session:
        return reports.version_of(session, campaign_id) or no_campaign(campaign_id)


def _stored_text(campaign_id: str) -> bytes | None:
    """The report of an ended campaign, made if it is missing; ``None`` if it cannot be stored, as of an open one."""
    store, version = services().store, _version(campaign_id)
    text = reports.stored_text(store, campaign_id, version)
    if text is None and version.stored is not None:
        report_of(campaign_id)  # it is stored when it is made, so its text is written once
        text = reports.stored_text(store, campaign_id, version)
    return text


def _field(campaign_id: str, name: str) -> Mapping[str, Any] | Response:
    """One field of the report; of an ended campaign as it is stored."""
    text = _stored_text(campaign_id)
    if text is None:
        return {name: getattr(report_of(campaign_id), name)}
    return Response(b'{"%b":%b}\n' % (name.encode(), field_of(text, name)), mimetype="application/json")


def campaign_of_request() -> Campaign:
    """The campaign in the body, as TOML or JSON. Raises :class:`InvalidInput`; aborts with 415."""
    request.max_content_length = MAX_TEXT_BYTES
    try:
        if request.mimetype == TOML_TYPE:
            return read_submitted(toml_data(request.get_data().decode()))
        if not request.is_json:
            abort(415, f"send a campaign as application/json or {TOML_TYPE}")
        data = request.get_json()
    except UnicodeDecodeError as error:
        raise _bad("is not UTF-8") from error
    if not isinstance(data, dict):
        raise _bad("must be an object")
    return read_submitted(data)


def _bad(message: str) -> InvalidInput:
    return InvalidInput([Problem(field="campaign", message=message)])


def _csv(model: type[BaseModel], campaign_id: str, field: str) -> Response:
    """A file with one line for each entry in a field of the report, and where it is from in each line."""
    disposition = {"Content-Disposition": f'attachment; filename="{campaign_id}-{field}.csv"'}
    return Response(csv_lines(model, report_of(campaign_id), field), mimetype="text/csv", headers=disposition)
