"""The differences of mean requests by kernel stage, as the report words them."""

from rich.console import Console
from rich.markup import escape

from deploy.cli.shown.remarks import print_item
from domain.reports.report import MIN_PAIRS, CampaignReport


def print_why(report: CampaignReport, console: Console) -> None:
    """A sentence per comparison whose stages or means are known to differ, and how many others there are."""
    if not report.differences:
        return
    heading = "[bold]Why[/bold] (mean requests by kernel stage, in µs; the intervals of a sentence hold together, 95 %)"
    console.print(f"\n{heading}", highlight=False)
    for difference in report.differences:
        if difference.states_a_difference:
            print_item(escape(difference.sentence), console)
    if unknown := [one for one in report.differences if not one.states_a_difference]:
        few = sum(one.pairs < MIN_PAIRS for one in unknown)
        why = f", {few} for lack of pairs: a difference needs {MIN_PAIRS}" if few else ""
        comparisons = "comparison" if len(unknown) == 1 else "comparisons"
        print_item(f"in {len(unknown)} {comparisons} no stage's difference is known, not even its sign{why}", console)
