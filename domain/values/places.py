"""Places in decoded JSON, as the errors of pydantic name them."""

from collections.abc import Sequence
from typing import Any

Place = tuple[int | str, ...]


def place_of(data: Any, location: Sequence[int | str]) -> Place | None:
    """The place that a location of an error names; ``None`` if there is nothing.

    Pydantic adds the names of a union's members to locations; they are left out.
    """
    *path, last = location
    place: list[int | str] = []
    for part in path:
        if _has(data, part):
            data = data[part]
            place.append(part)
    return (*place, last) if _has(data, last) else None


def at(data: Any, place: Sequence[int | str]) -> Any:
    """The value at a place."""
    for part in place:
        data = data[part]
    return data


def remove(data: Any, place: Place) -> None:
    """Remove the value at a place."""
    del at(data, place[:-1])[place[-1]]


def _has(data: Any, part: int | str) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data
