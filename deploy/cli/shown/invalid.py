"""A report's invalid trials and failed attempts, as text."""

from rich.console import Console
from rich.markup import escape

from deploy.cli.shown.remarks import print_item
from domain.reports.report import CampaignReport
from domain.trials.failures import group_by_reasons, invalid_total

_MOST_DETAILS = 12  # failed attempts to print; --json has all


def print_invalid(report: CampaignReport, console: Console) -> None:
    """A line per cell and reasons, with the numbers of the first such trial; --json has each listed trial."""
    if not report.invalid:
        return
    total, listed = invalid_total(report), len(report.invalid)
    first_ones = f"; these are the first {listed:,}" if listed < total else ""
    console.print(f"\n[bold red]Invalid trials: {total}[/bold red], not analysed{first_ones}", highlight=False)
    for first, trials in group_by_reasons(report.invalid):
        reasons = ", ".join(reason.value for reason in first.reasons)
        where = f"{first.datapath}, {first.workload} at {first.level}"
        which = f"block {first.block}, attempt {first.attempt}"
        which = f"{trials} trials, first {which}" if trials > 1 else which
        details = f": {'; '.join(first.details)}" if first.details else ""
        print_item(f"{where}: [red]{reasons}[/red] ({which}{escape(details)})", console)


def print_failed(report: CampaignReport, console: Console) -> None:
    """The attempts at a block that ended without a result, and why."""
    if not report.failed_attempts:
        return
    console.print(f"\n[bold]Attempts without a result: {len(report.failed_attempts)}[/bold]", highlight=False)
    for failed in report.failed_attempts[:_MOST_DETAILS]:
        print_item(f"block {failed.block}, attempt {failed.attempt} on {failed.host}: {escape(failed.reason)}", console)
    if len(report.failed_attempts) > _MOST_DETAILS:
        print_item(f"and {len(report.failed_attempts) - _MOST_DETAILS} more; --json has them all", console)
