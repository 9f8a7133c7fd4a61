"""The version of the interface between coordinator and workers, and how bodies of another version are read. Pure.

A minor version adds optional fields, which an older peer ignores. Everything else is a new major version, and so is a
new value of an enumeration.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domain.values.places import place_of, remove

HEADER = "Showdown-Protocol"
"""The header of every request and answer of the worker API: the sender's protocol."""

_MOST_DIGITS = 4
_ROUNDS = 8  # an unknown field may hide others behind it

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, order=True)
class Protocol:
    """A version of the worker API and of broker messages."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> "Protocol":
        """``2.0``. Raises ``ValueError``."""
        parts = text.split(".")
        if len(parts) != 2 or not all(p.isascii() and p.isdigit() and len(p) <= _MOST_DIGITS for p in parts):
            raise ValueError(f"{text[:20]!r} is no protocol version such as {PROTOCOL}")
        return cls(int(parts[0]), int(parts[1]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    def works_with(self, other: "Protocol") -> bool:
        """True if two peers of these versions understand each other."""
        return self.major == other.major


PROTOCOL = Protocol(2, 3)
"""What this program speaks. Version 1 had one token for all workers and stated no version; 2.1 added the processes of a
finding, 2.2 the start of a campaign, 2.3 costs."""


def mismatch(coordinator: Protocol, worker: Protocol) -> str:
    """Why the two cannot work together, with both versions and the remedy; empty if they can."""
    if coordinator.works_with(worker):
        return ""
    older = "worker" if worker < coordinator else "coordinator"
    return (
        f"the worker speaks protocol {worker}, the coordinator {coordinator}; "
        f"install on the {older} the version of Showdown that the other one has"
    )


def decode(model: type[Model], data: Any, *, tolerant: bool) -> Model:
    """Read a body. If ``tolerant``, fields that ``model`` does not know are ignored at every depth.

    Raises ``pydantic.ValidationError``.
    """
    if tolerant:
        data = copy.deepcopy(data)
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(data)
        except ValidationError as error:
            unknown = [e["loc"] for e in error.errors(include_url=False) if e["type"] == "extra_forbidden"]
            if not tolerant or not sum(_removed(data, location) for location in unknown):
                raise
    return model.model_validate(data)


def _removed(data: Any, location: Sequence[int | str]) -> bool:
    """Remove one field; false if it is not there any more."""
    place = place_of(data, location)
    if place is None or not isinstance(place[-1], str):
        return False
    remove(data, place)
    return True
