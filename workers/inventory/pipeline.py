"""The health of this host's telemetry for ``showdown doctor``, read from the state directory alone.

The worker's counters are in a mapped file (probes/stream/counters.py), so the values are those of a running worker.
``python -m workers.inventory.pipeline DIRECTORY`` prints them as JSON.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from domain.probes.telemetry import TelemetryAccount
from probes.stream.counters import COUNTERS_FILE, read_counters
from probes.stream.segment_files import broken_files, spool_content
from probes.stream.spool import LOCK


class PipelineHealth(BaseModel):
    """The telemetry pipeline of one host. Times are ages, in seconds."""

    model_config = ConfigDict(frozen=True)

    directory: str
    worker_pid: int | None = Field(default=None, description="Of the running worker; none if it has ended.")
    spool_points: int = 0
    spool_bytes: int = 0
    oldest_age_s: float | None = None
    last_error: str = ""
    last_error_age_s: float | None = None
    set_aside: tuple[str, ...] = Field(default=(), description="Files of the spool that could not be used.")
    life: TelemetryAccount | None = Field(default=None, description="Of all points since the state directory was made.")
    last_block: TelemetryAccount | None = None
    last_block_age_s: float | None = None
    problem: str = Field(default="", description="Why the health is not known.")

    @property
    def well(self) -> bool:
        """No points wait on disk, and the last block lost none."""
        block = self.last_block
        calm = not self.problem and not self.spool_points and not self.set_aside
        return calm and (block is None or not block.lost)


def pipeline_health(directory: Path, *, now_s: Callable[[], float] = time.time) -> PipelineHealth:
    """Read the telemetry directory of a worker, running or not; changes nothing."""
    bare = PipelineHealth(directory=str(directory))
    try:
        points, size, oldest_s = spool_content(directory)
        noted, aside = read_counters(directory / COUNTERS_FILE), broken_files(directory)
    except OSError as error:
        return bare.model_copy(update={"problem": f"{directory} cannot be read: {error.strerror}"})
    oldest_age_s = _age(oldest_s, now_s())
    found = {"spool_points": points, "spool_bytes": size, "oldest_age_s": oldest_age_s, "set_aside": tuple(aside)}
    if noted is None:
        return bare.model_copy(update=found)
    runs = _has_open(noted.pid, directory / LOCK)
    life = noted.life
    if not runs and life.queued:
        missing = f"{life.queued:,} points were in the memory of a killed worker; the next worker counts them as lost"
        life = life.model_copy(update={"missing": missing})
    return bare.model_copy(
        update={
            **found,
            "worker_pid": noted.pid if runs else None,
            "last_error": noted.error,
            "last_error_age_s": _age(noted.error_at_s, now_s()),
            "life": life,
            "last_block": noted.block,
            "last_block_age_s": _age(noted.block_at_s, now_s()),
        }
    )


def rows(health: PipelineHealth) -> list[tuple[str, str]]:
    """The health as rows of name and text."""
    if health.problem:
        return [("problem", health.problem)]
    spool = f"{health.spool_points:,} points, {health.spool_bytes / 2**20:.1f} MiB"
    if health.oldest_age_s is not None:
        spool += f", the oldest {_words(health.oldest_age_s)} ago"
    found = [
        ("worker", f"process {health.worker_pid}" if health.worker_pid else "none runs"),
        ("spool", spool if health.spool_points else "empty"),
        ("last error", f"{health.last_error} ({_words(health.last_error_age_s)} ago)" if health.last_error else "none"),
    ]
    if health.set_aside:
        found.append(("set aside", f"{', '.join(health.set_aside[:5])}: the worker's log says why"))
    if health.last_block is not None:
        found.append((f"last block, {_words(health.last_block_age_s)} ago", _sum(health.last_block)))
    if health.life is not None:
        found.append(("all blocks", _sum(health.life)))
    return found


def _sum(account: TelemetryAccount) -> str:
    text = (
        f"{account.produced:,} produced = {account.delivered:,} delivered + {account.spooled:,} spooled"
        f" + {account.queued:,} queued + {account.lost:,} lost"
    )
    notes = "; ".join(filter(None, (account.causes, account.missing)))
    return f"{text} ({notes})" if notes else text


def _has_open(pid: int, path: Path) -> bool:
    """Whether the process has the file open. The id alone is no proof, because the kernel reuses ids."""
    try:
        return any(link.exists() and link.samefile(path) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _age(at_s: float | None, now_s: float) -> float | None:
    return max(0.0, now_s - at_s) if at_s else None


def _words(age_s: float | None) -> str:
    if age_s is None:
        return "some time"
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= 2 * seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:.0f} s"


if __name__ == "__main__":
    print(pipeline_health(Path(sys.argv[1])).model_dump_json())
