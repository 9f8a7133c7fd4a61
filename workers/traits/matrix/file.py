"""The matrix of traits on a host's disk. Imports little, because the worker's main process uses it."""

import logging
import os
import platform
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from domain.traits import TraitMatrix
from workers.inventory.fingerprint import commit

log = logging.getLogger(__name__)

FILE = "matrix.json"


def made_by() -> dict[str, str]:
    """The kernel and the version of Showdown that the findings apply to."""
    return {"kernel": platform.release(), "version": version("showdown"), "commit": commit()}


def keep(matrix: TraitMatrix, state_dir: Path) -> TraitMatrix:
    """Merge it into the matrix in the host's state directory, row by row; returns the merged one."""
    whole = matrix.replacing(kept(state_dir))
    state_dir.mkdir(parents=True, exist_ok=True)
    temporary = state_dir / f"{FILE}.tmp"
    temporary.write_text(whole.model_dump_json(indent=1), encoding="utf-8")
    os.replace(temporary, state_dir / FILE)
    return whole


def kept(state_dir: Path) -> TraitMatrix | None:
    """The matrix in the state directory; ``None`` if there is none, or one that cannot be read."""
    try:
        return TraitMatrix.model_validate_json((state_dir / FILE).read_bytes())
    except (OSError, ValidationError) as problem:
        if not isinstance(problem, FileNotFoundError):
            log.warning("%s cannot be read: %s", state_dir / FILE, problem)
        return None
