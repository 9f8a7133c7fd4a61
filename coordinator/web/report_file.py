"""A campaign's report as one HTML file, which needs neither this server nor any other."""

from importlib.resources import files

from flask import Response, render_template
from markupsafe import Markup

from coordinator.api.campaigns import report_of
from coordinator.web.chart import summary_chart
from coordinator.web.entry import blueprint
from coordinator.web.showdown_table import tables
from domain.campaigns.campaign import Campaign
from domain.campaigns.toml_text import toml_text
from domain.reports.figure_tables import figure_tables
from domain.reports.gate import counts_text
from domain.reports.report import Family
from domain.trials.failures import group_by_reasons

_STYLES = ("showdown.css", "answer.css", "print.css")


@blueprint.get("/campaigns/<campaign_id>/report.html")
def report_file(campaign_id: str) -> Response:
    """The answer with its chart, the verdicts, the figures, what was left out, and the campaign as submitted."""
    report = report_of(campaign_id)
    campaign = Campaign.model_validate(report.campaign["campaign"])
    page = render_template(
        "web/report_file.html",
        report=report,
        facts=report.campaign,
        measured=any(one.valid_trials or one.invalid_trials for one in report.results),
        summary_chart=summary_chart(tables(campaign, report)),
        many_workloads=len(campaign.workloads) > 1,
        primary=[one for one in report.verdicts if one.family is Family.PRIMARY],
        gate_counts=counts_text(report.expectations),
        declared_tables=figure_tables(report.figures),
        invalid=group_by_reasons(report.invalid),
        toml=toml_text(campaign),
        style=_style(),
    )
    disposition = f'attachment; filename="{campaign_id}-report.html"'
    return Response(page, mimetype="text/html", headers={"Content-Disposition": disposition})


def _style() -> Markup:
    """The style sheets, inline: the file is opened from a disk, where no content policy applies."""
    static = files("coordinator.web").joinpath("static")
    text = "\n".join(static.joinpath(name).read_text(encoding="utf-8") for name in _STYLES)
    return Markup(f"<style>{text}</style>")  # noqa: S704 (our own files)
