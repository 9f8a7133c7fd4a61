"""In what a report differs from another one of the same trials: every word, and every number to nine digits. Pure."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

TOLERANCE = 1e-9  # of a number: libraries and processors may differ in the last digits of a double
_ABSENT = object()
_NAMES = ("name", "datapath", "over", "reference", "workload", "level", "metric", "stage", "id")
_MOST_NAME = 60  # characters


class Difference(NamedTuple):
    """One place of a report; ``is_lack``: only one of the two reports has it."""

    place: str
    bundle: Any
    found: Any
    is_lack: bool = False


def differences(bundle: Any, found: Any, place: str = "") -> Iterator[Difference]:
    """Each difference between the report of a bundle and the one that was found again, both as JSON values."""
    if isinstance(bundle, Mapping) and isinstance(found, Mapping):
        for key in (*bundle, *(key for key in found if key not in bundle)):
            yield from _of_key(bundle.get(key, _ABSENT), found.get(key, _ABSENT), f"{place}.{key}" if place else key)
    elif isinstance(bundle, list) and isinstance(found, list):
        if len(bundle) != len(found):
            yield Difference(f"{place} (how many)", len(bundle), len(found))
        for number, (one, other) in enumerate(zip(bundle, found, strict=False)):
            yield from differences(one, other, f"{place}[{_name(one, number)}]")
    elif not _is_same(bundle, found):
        yield Difference(place, bundle, found)


def _of_key(bundle: Any, found: Any, place: str) -> Iterator[Difference]:
    if bundle is _ABSENT or found is _ABSENT:
        bundle, found = (None if one is _ABSENT else one for one in (bundle, found))
        yield Difference(place, bundle, found, is_lack=True)
    else:
        yield from differences(bundle, found, place)


def _is_same(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other):
        try:
            return one == other or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE * TOLERANCE)
        except OverflowError:  # an integer beyond every double
            return False
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _name(entry: Any, number: int) -> str:
    """What an entry of a list is about, if it says so."""
    if not isinstance(entry, Mapping):
        return str(number)
    words = [entry[name] for name in _NAMES if isinstance(entry.get(name), str) and entry[name]]
    return " ".join(word[:_MOST_NAME] for word in words) or str(number)
