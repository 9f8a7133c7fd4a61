"""What a bundle says about itself, and what is signed: the name, size and hash of every file."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from coordinator.bundle.archive import MOST_BYTES, MOST_FILES
from coordinator.bundle.refusal import Unreadable, quoted
from coordinator.bundle.version import AnalysisVersion, Sha256
from domain.values.bounds import MAX_COUNT, Word
from domain.values.frozen import Frozen
from domain.values.names import CampaignId, CampaignName
from domain.values.problems import problems_of

FORMAT = "showdown-bundle"
VERSION: Literal[1] = 1
"""Of the format; every version that was ever released can be read, or the refusal says what is missing."""

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
CAMPAIGN, RECORD, PATH, REPORT = "campaign.toml", "record.json", "path.json", "report.json"
MOST_MANIFEST_BYTES = 16 << 20


class FileEntry(Frozen):
    """One file of the bundle."""

    name: Annotated[str, Field(pattern=r"^[a-z]+(/[0-9]+-[0-9]+)?\.(json|toml)$", max_length=64)]
    size_bytes: int = Field(ge=0, le=MOST_BYTES)
    sha256: Sha256

    @classmethod
    def of(cls, name: str, data: bytes) -> "FileEntry":
        """The entry of a file."""
        return cls(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def is_of(self, data: bytes) -> bool:
        """True if that is the content."""
        return len(data) == self.size_bytes and hashlib.sha256(data).hexdigest() == self.sha256


class Manifest(Frozen):
    """The signed part; the files follow it in this order."""

    format: Literal["showdown-bundle"] = "showdown-bundle"
    version: Literal[1] = VERSION
    campaign: CampaignId
    name: CampaignName
    state: Word
    seed: int = Field(ge=-MAX_COUNT, le=MAX_COUNT, description="Of the analysis and of the order of slices.")
    analysis: AnalysisVersion
    public_key: Annotated[str, Field(max_length=100)]
    files: tuple[FileEntry, ...] = Field(max_length=MOST_FILES)

    @property
    def encoded(self) -> bytes:
        """The signed bytes."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def read_manifest(data: bytes) -> Manifest:
    """A manifest. Raises :class:`Unreadable`, and says so if it is of another version."""
    found = read_json(data, MANIFEST)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Unreadable("it is no bundle of Showdown")
    if (theirs := found.get("version")) != VERSION:
        newer = isinstance(theirs, int) and theirs > VERSION
        advice = "use the version of Showdown that made it, or a newer one" if newer else "it is damaged"
        raise Unreadable(f"its format is version {quoted(theirs)}, and this program reads {VERSION}: {advice}")
    try:
        return Manifest.model_validate(found)
    except ValidationError as error:
        raise Unreadable(f"{MANIFEST}: {first_problem(error)}") from error


def read_json(data: bytes, name: str) -> Any:
    """A file as JSON. Raises :class:`Unreadable`."""
    try:
        return json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{name} is not JSON: {str(error)[:100]}") from error


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def first_problem(error: ValidationError) -> str:
    """The first problem in one line."""
    return quoted(str(problems_of(error)[0])).strip('"')
