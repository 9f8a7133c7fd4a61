"""The differences of mean requests by kernel stage, as the report words them."""

from rich.console import Console
from rich.markup import escape

from deploy.cli.remarks import print_item
from domain.report import CampaignReport


def print_why(report: CampaignReport, console: Console) -> None:
    """One sentence per comparison and level that probes watched."""
    if not report.differences:
        return
    heading = "[bold]Why[/bold] (mean requests by kernel stage, in µs; the intervals of a sentence hold together, 95 %)"
    console.print(f"\n{heading}", highlight=False)
    for difference in report.differences:
        print_item(escape(difference.sentence), console)
