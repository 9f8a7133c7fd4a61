"""What a run discards with its directory: telemetry that InfluxDB had not taken when the last process ended."""

import json
import os
import subprocess
import sys
from pathlib import Path

from domain.hosts.environment import PYTHON_OPTIONS, own_environment
from domain.probes.telemetry import LossCause
from domain.reports.report import CampaignReport

HEALTH = (
    sys.executable,
    *PYTHON_OPTIONS,
    "-m",
    "workers.inventory.pipeline",
)  # it may not import the worker's
_LIMIT_S = 10.0


def settled(report: CampaignReport, state_dir: Path) -> CampaignReport:
    """The report with a final account, for a stack that has ended and whose directory is removed next.

    The blocks' accounts say what waited when each block ended. Some of it was delivered since; the rest is lost.
    """
    account = report.telemetry
    waited = account.spooled + account.queued
    if not waited:
        return report
    discarded = min(waited, _undelivered(state_dir, waited))
    losses = dict(account.losses)
    if discarded:
        losses[LossCause.DISCARDED] = losses.get(LossCause.DISCARDED, 0) + discarded
    final = account.model_copy(
        update={
            "delivered": account.delivered + waited - discarded,
            "spooled": 0,
            "queued": 0,
            "lost": account.lost + discarded,
            "losses": losses,
            "missing": account.missing if discarded or account.lost else "",
        }
    )
    return report.model_copy(update={"telemetry": final})


def _undelivered(state_dir: Path, at_most: int) -> int:
    """Points in the telemetry directories of the stack's workers; ``at_most`` if that is not known."""
    found = 0
    for directory in sorted(state_dir.glob("workers/*/telemetry")):
        try:
            argv = [*HEALTH, str(directory)]
            done = subprocess.run(
                argv, env=own_environment(os.environ), capture_output=True, timeout=_LIMIT_S, check=True
            )
            life = json.loads(done.stdout)["life"] or {}
        except (OSError, subprocess.SubprocessError, ValueError, KeyError):
            return at_most
        found += life.get("spooled", 0) + life.get("queued", 0)
    return found
