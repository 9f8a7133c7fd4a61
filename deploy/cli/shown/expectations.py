"""A report's expectations as text: one line for each check."""

from rich.console import Console
from rich.text import Text

from domain.reports.gate import Outcome, counts_text
from domain.reports.report import CampaignReport

STYLES = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.UNDECIDED: "yellow"}


def print_expectations(report: CampaignReport, console: Console) -> None:
    """The counts, and a line for each check; lines are not broken, so that a log can be searched."""
    checks = report.expectations
    if not checks:
        return
    head = f"{counts_text(checks)} (95 % intervals; a fail holds among all {len(checks)} together)"
    console.print(Text.assemble("\n", ("Expectations", "bold"), f": {head}"), soft_wrap=True)
    for check in checks:
        word = (f"{check.outcome.value:>12}", STYLES[check.outcome])
        console.print(Text.assemble(word, "  ", check.line), soft_wrap=True)
