"""The routes of the web pages: campaigns and their fragments, trials."""

import json
from typing import Any

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from coordinator.api import campaigns as api
from coordinator.api.trials import path_of
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store import digests
from coordinator.store import trials as store_trials
from coordinator.web import grafana
from coordinator.web.chart import capacity_chart, latency_chart, throughput_chart
from coordinator.web.entry import blueprint
from coordinator.web.showdown_table import (
    carrying_rows,
    cost_rows,
    price_rows,
    primary_verdicts,
    primary_waiting,
    statements,
    tables,
)
from coordinator.web.slow_table import slow_rows
from coordinator.web.stage_bars import stage_charts
from domain.campaign import Campaign
from domain.failures import group_by_reasons, invalid_total
from domain.gate import counts_text, worst
from domain.load import ClosedLoad
from domain.report import MIN_PAIRS, CampaignReport

TRIALS_SHOWN = 200
_HEADLINES = 3  # verdicts per campaign in the list
_DOWNLOADS = (
    ("report (JSON)", "campaigns.get_report"),
    ("results (CSV)", "campaigns.get_results_csv"),
    ("verdicts (CSV)", "campaigns.get_verdicts_csv"),
    ("expectations (CSV)", "campaigns.get_expectations_csv"),
    ("carried loads (CSV)", "campaigns.get_carrying_csv"),
    ("HTML", "web.report_file"),
    ("Markdown", "exports.get_report_markdown"),
    ("JUnit", "exports.get_junit"),
)


@blueprint.get("/")
def home() -> AnyResponse:
    """Redirect to the list of campaigns."""
    return redirect(url_for("web.campaigns"))


@blueprint.get("/campaigns/<campaign_id>/headline")
def headline(campaign_id: str) -> Response:
    """The list's last column: the first primary verdicts, those with a word before the inconclusive ones."""
    report = api.report_of(campaign_id)
    response = make_response(render_template("web/_headline.html", verdicts=primary_verdicts(report)[:_HEADLINES]))
    if CampaignState(report.campaign["state"]).ended:
        response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@blueprint.get("/campaigns/<campaign_id>")
def campaign(campaign_id: str) -> str:
    """A campaign: its progress, figures, verdicts and evidence."""
    known = _progress(campaign_id)
    campaign = Campaign.model_validate(known["view"]["campaign"])
    return render_template("web/campaign.html", **known, **_results(campaign_id), **_traffic_words(campaign))


@blueprint.get("/campaigns/<campaign_id>/progress")
def progress(campaign_id: str) -> Response:
    """The progress fragment, polled each second. It notifies the page of new results."""
    known = _progress(campaign_id)
    response = make_response(render_template("web/_progress.html", **known))
    ended_blocks = known["view"]["blocks_done"] + known["view"]["blocks_failed"]
    if not known["live"] or request.args.get("seen") != str(ended_blocks):
        response.headers["HX-Trigger"] = json.dumps({"results-changed": {}}, allow_nan=False)
    return response


@blueprint.get("/campaigns/<campaign_id>/results")
def results(campaign_id: str) -> str:
    """The results fragment, fetched at the end of a block, with an announcement for screen readers."""
    known = _progress(campaign_id)
    fragment = render_template("web/_results.html", **known, **_results(campaign_id))
    return fragment + render_template("web/_announcement.html", **known)


@blueprint.get("/campaigns/<campaign_id>/trials")
def trials(campaign_id: str) -> str:
    """The newest trials with their validity."""
    view, before = api.get_view(campaign_id), request.args.get("before", "")
    digests.complete(services().store, campaign_id)
    with services().store.read() as session:
        total, invalid = store_trials.trial_counts(session, campaign_id)
        try:
            found = store_trials.newest_page(session, campaign_id, TRIALS_SHOWN, before=before)
        except ValueError as error:
            abort(404, str(error))
    return render_template(
        "web/trials.html",
        view=view,
        trials=found,
        total=total,
        invalid=invalid,
        before=before,
        older=found[0]["id"] if len(found) == TRIALS_SHOWN else "",
    )


def _progress(campaign_id: str) -> dict[str, Any]:
    view = api.get_view(campaign_id)
    live = not CampaignState(view["state"]).ended
    done = f"{view['blocks_done']} of {view['blocks_total']} blocks done"
    return {
        "view": view,
        "live": live,
        "grafana": grafana.campaign_link(view),
        "announcement": f"Campaign {view['state']}, {done}.",
    }


def _results(campaign_id: str) -> dict[str, Any]:
    report: CampaignReport = api.report_of(campaign_id)
    campaign = Campaign.model_validate(report.campaign["campaign"])
    found = tables(campaign, report)
    return {
        "report": report,
        "measured": any(r.valid_trials or r.invalid_trials for r in report.results),
        "min_pairs": MIN_PAIRS,
        "reference": campaign.reference_label,
        "tables": found,
        "statements": statements(campaign, report),
        "costs": cost_rows(report),
        "invalid": group_by_reasons(report.invalid),
        "invalid_total": invalid_total(report),
        "charts": [chart for table in found if (chart := throughput_chart(table))],
        "latency_charts": [chart for table in found if (chart := latency_chart(table))],
        "capacity_charts": [chart for table in found if (chart := capacity_chart(table))],
        "closed": any(not (row.open_loop or row.is_capacity) for table in found for row in table.rows),
        "searched": any(row.is_capacity for table in found for row in table.rows),
        "caveats": [(r, caveat) for r in report.results for caveat in r.caveats],
        "stage_charts": stage_charts(campaign, report, path_of(report.campaign["hosts"]).stages),
        "many_workloads": len(campaign.workloads) > 1,
        "flame_graphs": campaign.flame_graphs,
        "primary": primary_verdicts(report),
        "primary_waiting": primary_waiting(report),
        "prices": price_rows(report),
        "scope": report.answer.scope.text if report.answer else "",
        "carrying": carrying_rows(report),
        "slow": slow_rows(report),
        "taxes": {label: tax for label, tax in (report.campaign["probe_tax"] or {}).items() if tax["high"] < 1},
        "downloads": _DOWNLOADS,
        "gate": worst(report.expectations),
        "gate_counts": counts_text(report.expectations),
    }


def _traffic_words(campaign: Campaign) -> dict[str, Any]:
    """The loop decides what the generator's percentiles are: latencies in open loops, service times in closed ones."""
    closed = {isinstance(load, ClosedLoad) for load in campaign.levels.values()}
    title, words = {
        frozenset({True}): ("Service time", "Times are service times, from the actual send."),
        frozenset({False}): ("Latency", "Latencies count from the intended send."),
    }.get(
        frozenset(closed),
        (
            "Latency or service time",
            "Times are latencies from the intended send at open levels, service times at closed ones.",
        ),
    )
    return {"labels": campaign.labels, "times_title": title, "times_are": words}
