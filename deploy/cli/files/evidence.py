"""What only the coordinator has of a campaign, for ``--out``: HTML file, tables, signed bundle, trials, HDR logs.

The bundle and the logs hold what no report has: histograms.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import click

from deploy.cli.errors import CommandError, UsageProblem
from deploy.cli.files.result_files import ResultFiles, has_results, replace_file
from deploy.cli.rest.client import ENDED, TABLES, Coordinator
from domain.reports.report import CampaignReport

BUNDLE = "bundle.tar.gz"
HISTOGRAMS = "histograms"  # of cells
TRIALS = "trials"  # their histograms

Fill = Callable[[IO[bytes]], None]


def fetch_evidence(coordinator: Coordinator, report: CampaignReport, files: ResultFiles) -> None:
    """Write these files if all formats are wanted. One that cannot be had is reported, and the others are written."""
    if files.out is None or not has_results(report):
        return
    for path, fill in _wanted(coordinator, report, files.out):
        try:
            _save(path, fill)
        except OSError as error:
            click.echo(f"{path} cannot be written: {error.strerror}", err=True)
        except CommandError as error:
            click.echo(f"{path} is not written: {error.message}", err=True)
    _fetch_trial_logs(coordinator, str(report.campaign["id"]), files.out / TRIALS)


def _wanted(coordinator: Coordinator, report: CampaignReport, directory: Path) -> Iterator[tuple[Path, Fill]]:
    campaign_id = str(report.campaign["id"])
    yield directory / "report.html", lambda file: coordinator.save_html(campaign_id, file)
    for table in TABLES:
        if getattr(report, table):

            def fill_table(file: IO[bytes], table: str = table) -> None:
                coordinator.save_table(campaign_id, table, file)

            yield directory / f"{table}.csv", fill_table
    if report.campaign.get("state") in ENDED:
        yield directory / BUNDLE, lambda file: coordinator.save_bundle(campaign_id, file)
    for one in report.results:
        if one.latency_us is None and one.service_time_us is None:
            continue
        cell = f"{one.datapath}.{one.workload}.{one.level}"

        def fill(file: IO[bytes], cell: str = cell) -> None:
            coordinator.save_histogram_log(campaign_id, cell, file)

        yield directory / HISTOGRAMS / f"{cell}.hlog", fill
    yield directory / "trials.json", lambda file: coordinator.save_trials(campaign_id, file)


def _fetch_trial_logs(coordinator: Coordinator, campaign_id: str, directory: Path) -> None:
    """A log for each trial, valid or not. The first one that cannot be had for another reason than its own ends it."""
    try:
        for trial_id in coordinator.trial_ids(campaign_id):

            def fill(file: IO[bytes], trial_id: str = trial_id) -> None:
                coordinator.save_trial_log(trial_id, file)

            with suppress(UsageProblem):  # such a trial has no times
                _save(directory / f"{trial_id}.hlog", fill)
    except OSError as error:
        click.echo(f"{directory} cannot be written: {error.strerror}", err=True)
    except CommandError as error:
        click.echo(f"{directory} lacks files: {error.message}", err=True)


def _save(path: Path, fill: Fill) -> None:
    path.parent.mkdir(exist_ok=True)
    replace_file(path, fill)
