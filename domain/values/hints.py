"""What makes a problem easy to mend: the field it belongs to, and the name that was probably meant. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from domain.values.problems import Problem

_COMPARED = 64  # characters; no name is longer
_ALIKE = 0.6  # the usual threshold of difflib
_EMPTY = {
    "datapaths": "choose at least one datapath",
    "workloads": "choose at least one workload",
    "levels": "give at least one load level",
}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that follows an unknown name: `` (did you mean 'tproxy'?)``; empty if no known name is like it."""
    found = get_close_matches(name[:_COMPARED].lower(), list(known), n=1, cutoff=_ALIKE)
    return f" (did you mean {found[0]!r}?)" if found else ""


def advised(problem: Problem, data: Mapping[str, Any], fields: Collection[str]) -> Problem:
    """The problem of a campaign's ``data`` with its right field, and with words for what a user would look for."""
    first = problem.field.partition(".")[0]
    if problem.field == "campaign":
        # Checks across fields run on the whole model; their message starts with the field to correct.
        field, separator, rest = problem.message.partition(": ")
        if separator and field.partition(".")[0] in fields:
            return Problem(field=field, message=rest)
    if problem.field == "name" and isinstance(name := data.get("name"), str) and (allowed := _allowed(name)):
        return Problem(field="name", message=f"{problem.message} (did you mean {allowed!r}?)")
    if problem.field in _EMPTY and data.get(problem.field) in ([], (), {}):
        return Problem(field=problem.field, message=_EMPTY[problem.field])
    if problem.field == first and first in data and first not in fields:
        return Problem(field=first, message=f"{problem.message}{did_you_mean(first, fields)}")
    return problem


def _allowed(name: str) -> str:
    """The nearest name that a campaign may have; empty if there is none."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name[:_COMPARED]).strip("-._")
