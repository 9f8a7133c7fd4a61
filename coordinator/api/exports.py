"""A campaign's report in the formats of other programs: Markdown and JUnit XML."""

from apiflask import APIBlueprint
from flask import Response

from coordinator.api.campaigns import report_of
from coordinator.api.media import JUNIT, MARKDOWN
from domain.reports.report_junit import junit_of
from domain.reports.report_markdown import markdown_of

blueprint = APIBlueprint("exports", __name__, tag="Campaigns")


@blueprint.get("/campaigns/<campaign_id>/report.md")
@blueprint.doc(responses=MARKDOWN)
def get_report_markdown(campaign_id: str) -> Response:
    """The report as GitHub-flavoured Markdown: expectations, answer, primary verdicts, and every cell.

    `showdown run --markdown FILE` writes the same.
    """
    return _file(campaign_id, "report.md", "text/markdown", markdown_of(report_of(campaign_id)))


@blueprint.get("/campaigns/<campaign_id>/junit.xml")
@blueprint.doc(responses=JUNIT)
def get_junit(campaign_id: str) -> Response:
    """The campaign's expectations as JUnit XML, which CI servers show as tests.

    An expectation that fails is a failure; one that is undecided is an error. `showdown run --junit FILE` writes the
    same.
    """
    return _file(campaign_id, "junit.xml", "application/xml", junit_of(report_of(campaign_id)))


def _file(campaign_id: str, name: str, mimetype: str, text: str) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{campaign_id}-{name}"'}
    return Response(text, mimetype=mimetype, headers=disposition)
