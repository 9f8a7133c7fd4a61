"""The fingerprints of a campaign's blocks as text: every fact that could change a result."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.reports.report import CampaignReport
from domain.values.texts import counted


def print_fingerprints(report: CampaignReport, console: Console) -> None:
    """The facts of each fingerprint, and how many blocks ran with it."""
    for found in report.fingerprints:
        if not found.facts:
            continue
        blocks = counted(len(found.blocks), "block")
        analysed = "" if found.analysed else ", [bold red]not analysed[/bold red]"
        console.print(f"\n[bold]Fingerprint {found.id}[/bold] ({blocks}{analysed})", highlight=False)
        facts = Table.grid(padding=(0, 2, 0, 0))
        facts.add_column(no_wrap=True)
        facts.add_column(overflow="fold")
        for name, value in sorted(found.facts.items()):
            facts.add_row(f"  {escape(name)}", escape(value))
        console.print(facts, highlight=False)
