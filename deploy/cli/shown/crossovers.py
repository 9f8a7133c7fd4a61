"""What a ladder of rates shows, as text: where another datapath begins to win, and where a datapath begins to fail."""

from rich.console import Console

from deploy.cli.shown.remarks import print_item
from domain.reports.report import CampaignReport


def print_crossovers(report: CampaignReport, console: Console) -> None:
    """One sentence for each; nothing if the data show none."""
    found = [one.sentence for one in report.overload_onsets] + [one.sentence for one in report.crossovers]
    if not found:
        return
    console.print("\n[bold]Over the rates[/bold] (exploratory; 95 % interval of each rate alone)", highlight=False)
    for sentence in found:
        print_item(sentence, console)
