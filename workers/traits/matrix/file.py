"""The matrix of traits on a host's disk. Imports little, because the worker's main process uses it."""

import logging
import platform
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from domain.trials.traits import TraitMatrix
from workers.inventory.fingerprint import commit
from workers.lab.files import write_whole

log = logging.getLogger(__name__)

FILE = "matrix.json"


def made_by() -> dict[str, str]:
    """The kernel and the version of Showdown that the findings apply to."""
    return {"kernel": platform.release(), "version": version("showdown"), "commit": commit()}


def keep(matrix: TraitMatrix, state_dir: Path) -> TraitMatrix:
    """Merge it into the matrix in the host's state directory, row by row; returns the merged one.

    What a full disk does not keep can still be reported.
    """
    whole = matrix.replacing(kept(state_dir))
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        write_whole(state_dir / FILE, whole.model_dump_json(indent=1), sync=False)
    except OSError as error:
        log.error("the matrix is not kept in %s: %s", state_dir / FILE, error)
    return whole


def kept(state_dir: Path) -> TraitMatrix | None:
    """The matrix in the state directory; ``None`` if there is none, or one that cannot be read."""
    try:
        return TraitMatrix.model_validate_json((state_dir / FILE).read_bytes())
    except (OSError, ValidationError) as problem:
        if not isinstance(problem, FileNotFoundError):
            log.warning("%s cannot be read: %s", state_dir / FILE, problem)
        return None
