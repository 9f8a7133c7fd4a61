"""Reports of campaigns whose private stack is gone: 'run' keeps them, 'report' reads them."""

import contextlib
import json
import os
from pathlib import Path

from deploy.cli.errors import CommandError, UsageProblem
from deploy.cli.rest.answers import read_answer
from domain.reports.report import CampaignReport

DEFAULT_STATE_DIR = "/var/lib/showdown"
MOST_KEPT = 20


def state_directory() -> Path:
    """Where state is stored: SHOWDOWN_STATE_DIR, or the default."""
    return Path(os.environ.get("SHOWDOWN_STATE_DIR") or DEFAULT_STATE_DIR)


def keep(report: CampaignReport) -> Path:
    """Write a report as JSON and remove the oldest ones. Raises ``OSError``."""
    directory = state_directory() / "reports"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{report.campaign['id']}.json"
    draft = path.with_suffix(".tmp")
    try:
        draft.write_text(report.model_dump_json(indent=2), encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)  # half a report is none
        raise
    newest_first = sorted(directory.glob("*.json"), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in newest_first[MOST_KEPT:]:
        with contextlib.suppress(FileNotFoundError):  # another run removed it
            old.unlink()
    return path


def read_kept(path: Path) -> CampaignReport:
    """A kept report. Raises :class:`UsageProblem`."""
    try:
        return read_answer(CampaignReport, json.loads(path.read_bytes()), f"the report in {path}")
    except OSError as error:
        raise UsageProblem(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, CommandError) as error:
        raise UsageProblem(f"{path} is no report of this version of Showdown: {error}") from error
