"""Bad input, said clearly: each problem names the field and what to do about it."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Problem(BaseModel):
    """One thing wrong with one field; ``field`` is a dotted path such as ``datapaths.1``."""

    model_config = ConfigDict(frozen=True)

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidInput(ValueError):
    """Input was refused; nothing was created. ``problems`` is never empty."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def problems_of(error: ValidationError) -> tuple[Problem, ...]:
    """Translate a pydantic error into problems, one per field and message."""
    return tuple(Problem(field=_path(e["loc"]), message=_sentence(e)) for e in error.errors())


def _path(location: tuple[int | str, ...]) -> str:
    # pydantic appends "[key]" to a mapping's bad key and names of union members; neither helps a reader.
    parts = [str(part) for part in location if part != "[key]"]
    return ".".join(parts) or "campaign"


def _sentence(error: Any) -> str:
    message: str = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return "unknown field; remove it or check its spelling"
    if error["type"] == "missing":
        return "is required"
    return message
