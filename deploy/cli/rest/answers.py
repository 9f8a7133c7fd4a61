"""What a coordinator's answers say: values of the domain, or the refusal in a problem document.

A coordinator may be newer than its client. So answers are read tolerantly, and input strictly: an unknown field of a
campaign would be silently without effect.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import click
import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from deploy.cli.errors import CommandError
from domain.values.answer_words import reading_answer
from domain.values.places import Place, at, place_of, remove
from domain.values.problems import Problem
from domain.values.texts import counted

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_ROUNDS = 8  # what is unknown may hide more behind it
_REMEDY = "Install the coordinator's version of Showdown."
_MOST_OF_A_WORD = 40
_DECIDE = frozenset({"expectations", "results"})
"""Parts of a report that decide the exit code: without an entry it could be success where something failed."""
_UNKNOWN_WORD = frozenset({"enum", "literal_error", "union_tag_invalid"})


def read_answer(kind: type[M], data: Any, what: str) -> M:
    """An answer of the coordinator, which may be newer. Raises :class:`CommandError` if it cannot be read.

    Unknown fields are ignored. An unknown judgement is the neutral word of its kind. Entries of lists with another
    unknown word are left out. The last two are said on standard error. What decides the exit code is never left out.
    """
    return _read(TypeAdapter(kind), data, what)


def read_entries(kind: type[M], data: Any, what: str) -> list[M]:
    """A list of an answer, read as by :func:`read_answer`: entries with unknown words are left out."""
    return _read(TypeAdapter(list[kind]), data, what)  # type: ignore[valid-type]  # mypy: a variable as a type


def _read(adapter: TypeAdapter[T], data: Any, what: str) -> T:
    left_out = 0
    with reading_answer() as unknown:
        for _ in range(_ROUNDS):
            try:
                found = adapter.validate_python(data)
                _tell(what, left_out, unknown)
                return found
            except ValidationError as error:
                fields, entries = _unknown_parts(data, error)
                if not fields and not entries:
                    message = f"{what} cannot be read; is the coordinator of the same version? {error}"
                    raise CommandError(message) from error
            if deciding := sorted({str(place[0]) for place in entries} & _DECIDE):
                message = f"{what} has {' and '.join(deciding)} with words that only a newer version knows. {_REMEDY}"
                raise CommandError(message)
            left_out += len(entries)
            data = copy.deepcopy(data)
            for place in sorted(fields | entries, key=_last_first, reverse=True):
                remove(data, place)
    raise CommandError(f"{what} cannot be read: too much of it is unknown. {_REMEDY}")


def _unknown_parts(data: Any, error: ValidationError) -> tuple[set[Place], set[Place]]:
    """The places of unknown fields and keys, and of the entries of lists that have unknown words."""
    fields, entries = set[Place](), set[Place]()
    for one in error.errors(include_url=False):
        location, kind = one["loc"], one["type"]
        is_key = bool(location) and location[-1] == "[key]"  # of a mapping by words
        if kind == "extra_forbidden" or (kind in _UNKNOWN_WORD and is_key):
            if place := place_of(data, location[:-1] if is_key else location):
                fields.add(place)
        elif kind in _UNKNOWN_WORD and (entry := _entry_of(data, location)):
            entries.add(entry)
    return fields, entries


def _entry_of(data: Any, location: Sequence[int | str]) -> Place | None:
    """The innermost entry of a list that has this place."""
    place = place_of(data, location) or place_of(data, location[:-1]) or ()
    in_lists = (end for end in range(len(place), 0, -1) if isinstance(at(data, place[: end - 1]), list))
    end = next(in_lists, 0)
    return place[:end] or None


def _last_first(place: Place) -> tuple[int, int]:
    """Sorts inner places, and later entries of a list, behind: removed first, they move no other place."""
    return len(place), place[-1] if isinstance(place[-1], int) else -1


def _tell(what: str, left_out: int, unknown: Iterable[str]) -> None:
    """Say on standard error what an answer has that this version cannot show."""
    parts = [f"{counted(left_out, 'row')} left out"] if left_out else []
    if words := sorted(unknown):
        parts.append(f"unknown words: {', '.join(word[:_MOST_OF_A_WORD] for word in words)}")
    if parts:
        click.echo(f"warning: {what} is of a newer coordinator: {'; '.join(parts)}. {_REMEDY}", err=True)


def error_of(answer: httpx.Response) -> tuple[str, list[Problem]]:
    """What a problem document says (RFC 9457), or an earlier coordinator's error; else the status."""
    try:
        data = answer.json()
        problems = [Problem.model_validate(problem) for problem in data.get("errors") or data.get("problems") or ()]
        return str(data.get("detail") or data.get("message") or answer.reason_phrase), problems
    except (ValueError, AttributeError, TypeError):
        return answer.reason_phrase or str(answer.status_code), []
