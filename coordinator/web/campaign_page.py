"""The routes of a campaign's page: a summary, and tabs with URLs of their own. All of them work without scripts."""

import json
from typing import Any

from flask import Response, abort, make_response, render_template, request

from coordinator.access import sharing
from coordinator.analysis.reports.headline import primary_verdicts
from coordinator.api import campaigns as api
from coordinator.api.comparisons import host_factor_of
from coordinator.api.trials import path_of
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.measured import trials as store_trials
from coordinator.web import grafana
from coordinator.web.chart import capacity_chart, latency_chart, summary_chart, throughput_chart
from coordinator.web.entry import blueprint
from coordinator.web.evidence import evidence_of
from coordinator.web.figure_views import chosen_view, tables_of, views_of
from coordinator.web.showdown_table import (
    carrying_rows,
    cost_rows,
    price_rows,
    primary_waiting,
    statements,
    tables,
)
from coordinator.web.slow_table import slow_rows
from coordinator.web.stage_bars import most_different, stage_charts
from domain.campaigns.campaign import Campaign
from domain.campaigns.toml_text import toml_text
from domain.loads.load import ClosedLoad
from domain.reports.figure_tables import figure_tables
from domain.reports.gate import counts_text, worst
from domain.reports.outcome import PAUSED_BY_USER, Outcome, outcome_line, reasons_text
from domain.reports.report import MIN_PAIRS, CampaignReport
from domain.runs.comparison import COLUMNS
from domain.trials.failures import group_by_reasons, invalid_total
from domain.values.texts import ratio_text

TRIALS_SHOWN = 60
TABS = (
    ("summary", "Summary", "web.campaign"),
    ("verdicts", "Verdicts", "web.verdicts"),
    ("why", "Why", "web.why"),
    ("hosts", "Hosts", "web.campaign_hosts"),
    ("trials", "Trials", "web.trials"),
    ("live", "Live", "web.live"),
    ("configuration", "Configuration", "web.configuration"),
)
_OF_ANY = tuple(name for name, *_ in TABS if name != "hosts")  # campaigns, also those on one host
_DOWNLOADS = (
    ("report (JSON)", "campaigns.get_report"),
    ("results (CSV)", "campaigns.get_results_csv"),
    ("verdicts (CSV)", "campaigns.get_verdicts_csv"),
    ("expectations (CSV)", "campaigns.get_expectations_csv"),
    ("carried loads (CSV)", "campaigns.get_carrying_csv"),
    ("declared figures (CSV)", "campaigns.get_figures_csv"),
    ("HTML", "web.report_file"),
    ("Markdown", "exports.get_report_markdown"),
    ("JUnit", "exports.get_junit"),
    ("signed bundle", "bundles.get_bundle"),
)
_OF_ENDED = frozenset({"bundles.get_bundle"})

blueprint.add_app_template_global(outcome_line, "outcome_line")


@blueprint.get("/campaigns/<campaign_id>")
def campaign(campaign_id: str) -> str:
    """The answer on one screen: sentences, one table, one chart, and the scope."""
    return _tab("campaign", "summary", campaign_id, **_summary(campaign_id))


@blueprint.get("/campaigns/<campaign_id>/verdicts")
def verdicts(campaign_id: str) -> str:
    """Every figure, verdict and chart; the address chooses the figure of the table."""
    return _tab("campaign_verdicts", "verdicts", campaign_id, **_verdicts(campaign_id))


@blueprint.get("/campaigns/<campaign_id>/why")
def why(campaign_id: str) -> str:
    """Where a request's time went, by kernel stage."""
    report, campaign = _report(campaign_id, brief=False)
    charts = stage_charts(campaign, report, path_of(report.campaign["hosts"]).stages)
    return _tab(
        "campaign_why",
        "why",
        campaign_id,
        **_shared(report, campaign),
        stage_charts=charts,
        differs=most_different(charts),
        flame_graphs=campaign.flame_graphs,
        labels=campaign.labels,
    )


@blueprint.get("/campaigns/<campaign_id>/hosts")
def campaign_hosts(campaign_id: str) -> str:
    """What each host measured, how much they differ, and the way to compare two of them."""
    return _tab("campaign_hosts", "hosts", campaign_id, factor=host_factor_of(campaign_id), columns=COLUMNS)


@blueprint.get("/campaigns/<campaign_id>/trials")
def trials(campaign_id: str) -> str:
    """The newest trials with their validity, and what took trials out."""
    report, campaign = _report(campaign_id)
    before, only_invalid = request.args.get("before", ""), request.args.get("show") == "invalid"
    store = services().store
    with store.read() as session:
        total, invalid = store_trials.trial_counts(session, campaign_id)
    try:
        found = store_trials.newest_page(store, campaign_id, TRIALS_SHOWN, before=before, only_invalid=only_invalid)
    except ValueError as error:
        abort(404, str(error))
    return _tab(
        "trials",
        "trials",
        campaign_id,
        **_shared(report, campaign),
        invalid=group_by_reasons(report.invalid),
        invalid_total=invalid_total(report),
        trials=[one.brief for one in found],
        total=total,
        invalid_count=invalid,
        before=before,
        only_invalid=only_invalid,
        older=found[0].id if len(found) == TRIALS_SHOWN else "",
    )


@blueprint.get("/campaigns/<campaign_id>/live")
def live(campaign_id: str) -> str:
    """What happens now, or how it ran: trials so far, retries, traffic, history."""
    known = _progress(campaign_id)
    campaign = Campaign.model_validate(known["view"]["campaign"])
    return _shown("campaign_live", "live", **known, **_traffic_words(campaign))


@blueprint.get("/campaigns/<campaign_id>/configuration")
def configuration(campaign_id: str) -> str:
    """What was submitted, how to submit it again, and on which host it ran."""
    report, campaign = _report(campaign_id)
    again = campaign.model_copy(update={"seed": report.campaign["seed"]})
    file = f"{campaign.name}.toml"
    commands = (
        f"showdown run {file}                 # on this machine, with a private stack\n"
        f"showdown submit {file}              # to a coordinator\n"
        'curl -H "Authorization: Bearer $SHOWDOWN_TOKEN" -H "Content-Type: application/toml" \\\n'
        f"     --data-binary @{file} {request.url_root}api/v1/campaigns"
    )
    shared = _shared(report, campaign)
    found = {"toml": toml_text(again), "commands": commands, "evidence": evidence_of(report)}
    return _tab("campaign_configuration", "configuration", campaign_id, **shared, **found)


@blueprint.get("/campaigns/<campaign_id>/progress")
def progress(campaign_id: str) -> Response:
    """The progress fragment, polled each second. It notifies the page of new results."""
    known = _progress(campaign_id)
    response = make_response(render_template("web/_progress.html", fragment=True, **known))
    ended_blocks = known["view"]["blocks_done"] + known["view"]["blocks_failed"]
    if not known["live"] or request.args.get("seen") != str(ended_blocks):
        response.headers["HX-Trigger"] = json.dumps({"results-changed": {}}, allow_nan=False)
    return response


def _tab(template: str, tab: str, campaign_id: str, **found: Any) -> str:
    return _shown(template, tab, **_progress(campaign_id), **found)


def _shown(template: str, tab: str, **found: Any) -> str:
    title = next(title for name, title, _ in TABS if name == tab)
    several = len(found["view"]["hosts"]) > 1
    shown = [one for one in TABS if several or one[0] in (tab, *_OF_ANY)]
    tabs = [one for one in shown if not sharing.is_shared() or one[2] in sharing.OPEN]
    return render_template(f"web/{template}.html", tabs=tabs, tab=tab, tab_title=title, **found)


def _progress(campaign_id: str) -> dict[str, Any]:
    view = api.get_view(campaign_id)
    state, tally = CampaignState(view["state"]), view["tally"]
    outcome = f", {Outcome(view['outcome']).text}" if view["outcome"] not in (None, state) else ""
    trials = f" {tally['invalid']} invalid trials: {reasons_text(tally['reasons'])}." if tally["invalid"] else ""
    done = f"{view['blocks_done']} of {view['blocks_total']} blocks done"
    return {
        "view": view,
        "live": not state.ended,
        "paused_by_user": PAUSED_BY_USER,
        "grafana": grafana.campaign_link(view),
        "announcement": f"Campaign {state}{outcome}, {done}.{trials}",
    }


def _report(campaign_id: str, *, brief: bool = True) -> tuple[CampaignReport, Campaign]:
    report = api.brief_report(campaign_id) if brief else api.report_of(campaign_id)
    return report, Campaign.model_validate(report.campaign["campaign"])


def _shared(report: CampaignReport, campaign: Campaign) -> dict[str, Any]:
    return {
        "report": report,
        "measured": any(r.valid_trials or r.invalid_trials for r in report.results),
        "many_workloads": len(campaign.workloads) > 1,
        "reference": campaign.reference_label,
    }


def _summary(campaign_id: str) -> dict[str, Any]:
    report, campaign = _report(campaign_id)
    return {
        **_shared(report, campaign),
        **_gate(report),
        "summary_chart": summary_chart(tables(campaign, report)),
        "downloads": _downloads(CampaignState(report.campaign["state"])),
    }


def _downloads(state: CampaignState) -> list[tuple[str, str]]:
    ready = [one for one in _DOWNLOADS if state.ended or one[1] not in _OF_ENDED]
    return [one for one in ready if not sharing.is_shared() or one[1] in sharing.OPEN]


def _gate(report: CampaignReport) -> dict[str, Any]:
    return {"gate": worst(report.expectations), "gate_counts": counts_text(report.expectations)}


def _verdicts(campaign_id: str) -> dict[str, Any]:
    report, campaign = _report(campaign_id)
    found = tables(campaign, report)
    rows = [row for table in found for row in table.rows]
    figure_view = chosen_view(found, request.args.get("figure", ""))
    return {
        **_shared(report, campaign),
        **_gate(report),
        "min_pairs": MIN_PAIRS,
        "focused": any(verdict.focused_pairs for verdict in report.verdicts),
        "figure_views": views_of(found),
        "figure_view": figure_view,
        "tables": tables_of(found, figure_view),
        "statements": statements(campaign, report),
        "costs": cost_rows(report),
        "charts": [chart for table in found if (chart := throughput_chart(table))],
        "latency_charts": [chart for table in found if (chart := latency_chart(table))],
        "capacity_charts": [chart for table in found if (chart := capacity_chart(table))],
        "closed": any(not (row.open_loop or row.is_capacity) for row in rows),
        "searched": any(row.is_capacity for row in rows),
        "caveats": [(r, caveat) for r in report.results for caveat in r.caveats],
        "primary": primary_verdicts(report),
        "primary_waiting": primary_waiting(report),
        "prices": price_rows(report),
        "scope": report.answer.scope.text if report.answer else "",
        "carrying": carrying_rows(report),
        "slow": slow_rows(report),
        "declared_tables": figure_tables(report.figures),
        "taxes": {
            label: ratio_text(tax["ratio"], tax["low"], tax["high"])
            for label, tax in (report.campaign["probe_tax"] or {}).items()
            if tax["high"] < 1
        },
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
