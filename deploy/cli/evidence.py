"""What only the coordinator has of a campaign, for ``--out``: the HTML file, the signed bundle, and the HDR logs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import click

from deploy.cli.client import ENDED, Coordinator
from deploy.cli.errors import CommandError
from deploy.cli.result_files import ResultFiles, has_results, replace_file
from domain.report import CampaignReport

BUNDLE = "bundle.tar.gz"
HISTOGRAMS = "histograms"


def fetch_evidence(coordinator: Coordinator, report: CampaignReport, files: ResultFiles) -> None:
    """Write these files if all formats are wanted. One that cannot be had is reported, and the others are written."""
    if files.out is None or not has_results(report):
        return
    for path, fill in _wanted(coordinator, report, files.out):
        try:
            path.parent.mkdir(exist_ok=True)
            replace_file(path, fill)
        except OSError as error:
            click.echo(f"{path} cannot be written: {error.strerror}", err=True)
        except CommandError as error:
            click.echo(f"{path} is not written: {error.message}", err=True)


def _wanted(
    coordinator: Coordinator, report: CampaignReport, directory: Path
) -> Iterator[tuple[Path, Callable[[IO[bytes]], None]]]:
    campaign_id = str(report.campaign["id"])
    yield directory / "report.html", lambda file: coordinator.save_html(campaign_id, file)
    if report.campaign.get("state") in ENDED:
        yield directory / BUNDLE, lambda file: coordinator.save_bundle(campaign_id, file)
    for one in report.results:
        if one.latency_us is None and one.service_time_us is None:
            continue
        cell = f"{one.datapath}.{one.workload}.{one.level}"

        def fill(file: IO[bytes], cell: str = cell) -> None:
            coordinator.save_histogram_log(campaign_id, cell, file)

        yield directory / HISTOGRAMS / f"{cell}.hlog", fill
