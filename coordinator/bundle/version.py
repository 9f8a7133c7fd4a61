"""Which analysis made a report: the sources that decide it, and the libraries that compute it."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from pydantic import Field

import coordinator.analysis
import coordinator.scheduling
import domain
from domain.values.bounds import Word
from domain.values.frozen import Frozen

_PACKAGES = (coordinator.analysis, coordinator.scheduling, domain)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AnalysisVersion(Frozen):
    """Equal ``code`` means the same analysis; another one may find other figures, or use other words."""

    showdown: Word
    code: Sha256 = Field(description="Of the sources of analysis, scheduling and domain.")
    numpy: Word
    scipy: Word

    @property
    def text(self) -> str:
        """As shown to users."""
        return f"Showdown {self.showdown}, analysis {self.code[:12]}, numpy {self.numpy}, scipy {self.scipy}"


@cache
def analysis_version() -> AnalysisVersion:
    """Of this program."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{package.__name__}/{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(path.read_bytes() + b"\0")
    return AnalysisVersion(
        showdown=version("showdown"), code=digest.hexdigest(), numpy=version("numpy"), scipy=version("scipy")
    )
