"""What a worker process has claimed and not reported yet, on disk: its successor reports it if the process is killed.

Without that the coordinator would wait for the end of the lease, and could only say that the worker fell silent.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from domain.service.jobs import BlockJob
from workers.lab.cleanup import ProcessId
from workers.lab.files import remove_drafts, write_whole

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LostClaim:
    """An attempt whose process has ended without a report."""

    block_id: str
    attempt: int
    lease: str


@dataclass(frozen=True)
class OpenClaim:
    """An attempt that a process of this host runs, since ``since_s`` (seconds since the epoch)."""

    block_id: str
    attempt: int
    since_s: float


def claims_dir(state_dir: Path) -> Path:
    """Where a worker keeps its claims."""
    return state_dir / "claims"


class Claims:
    """The open claims of this host, one file each in ``directory``. Errors of the disk are logged: leases remain."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, job: BlockJob) -> None:
        """Keep a claim of this process. Call it right after the coordinator granted it."""
        owner = ProcessId.of(os.getpid())
        content = {"block_id": job.block_id, "attempt": job.attempt, "lease": job.lease, "owner": vars(owner)}
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write_whole(self._file(job.block_id, job.attempt), json.dumps(content), sync=False)
        except OSError as error:
            log.warning("block %s: its claim is not on disk, so only its lease ends it: %s", job.block_id, error)

    def remove(self, block_id: str, attempt: int) -> None:
        """Forget a claim. Call it when its report is in the outbox, or given up; harmless if repeated."""
        try:
            self._file(block_id, attempt).unlink(missing_ok=True)
        except OSError as error:
            log.warning("the claim of block %s is not removed: %s", block_id, error)

    def lost(self) -> Iterator[LostClaim]:
        """Claims of processes that have ended. Files that cannot be understood are removed."""
        remove_drafts(self.directory)
        for file in self._files():
            try:
                claim, owner = _read(file)
            except (FileNotFoundError, PermissionError):
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("the claim in %s is not understood: %r", file, error)
                with contextlib.suppress(OSError):
                    file.unlink()
                continue
            if not owner.alive:
                yield claim

    def open(self) -> Iterator[OpenClaim]:
        """Claims of processes that run; changes nothing."""
        for file in self._files():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # removed meanwhile, or not understood
                (claim, owner), since_s = _read(file), file.stat().st_mtime
                if owner.alive:
                    yield OpenClaim(claim.block_id, claim.attempt, since_s)

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("*.json")) if self.directory.is_dir() else []

    def _file(self, block_id: str, attempt: int) -> Path:
        return self.directory / f"{block_id}-{attempt}.json"


def _read(file: Path) -> tuple[LostClaim, ProcessId]:
    """A claim and its process. Raises ``OSError``, and other errors if it cannot be understood."""
    content = json.loads(file.read_text())
    claim = LostClaim(str(content["block_id"]), int(content["attempt"]), str(content["lease"]))
    return claim, ProcessId(**content["owner"])
