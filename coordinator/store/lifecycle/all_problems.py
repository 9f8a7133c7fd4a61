"""Every problem of a refused campaign in one answer: of its fields, across its fields, and with its hosts."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from coordinator.scheduling.admission import admit
from coordinator.scheduling.leaving_out import without_missing
from coordinator.store.lifecycle.submission import known_hosts
from domain.campaigns.campaign import read_campaign
from domain.service.variant_names import known_names, unknown_names
from domain.values.problems import MAX_PROBLEMS, InvalidInput, Problem

_STAND_IN = "campaign"  # for a name that is missing or wrong
_STRUCTURE = frozenset({"datapaths", "workloads", "levels", "conditions", "parameters"})
"""Other fields depend on these: without them, a further check would find what is no problem."""


def all_problems(session: Session, data: Mapping[str, Any], found: Iterable[Problem], now: float) -> list[Problem]:
    """The ``found`` problems of a campaign's fields, and those that a second attempt would have shown."""
    problems = list(found)
    hosts = known_hosts(session, now)
    if hosts:
        known = known_names(host.capabilities for host in hosts) | {"hosts": [host.name for host in hosts]}
        _add(problems, unknown_names(data, known))
    if (rest := _without(data, problems)) is not None:
        try:
            admit(without_missing(read_campaign(rest), hosts), hosts)
        except InvalidInput as more:
            _add(problems, more.problems)
    return problems[:MAX_PROBLEMS]


def _add(problems: list[Problem], more: Iterable[Problem]) -> None:
    fields = {problem.field for problem in problems}
    problems += [problem for problem in more if problem.field not in fields]


def _without(data: Mapping[str, Any], problems: Iterable[Problem]) -> dict[str, Any] | None:
    """The data without its wrong fields; ``None`` if other fields depend on one of them."""
    wrong = {problem.field.partition(".")[0] for problem in problems}
    if wrong & _STRUCTURE:
        return None
    rest = {field: value for field, value in data.items() if field not in wrong}
    return {"name": _STAND_IN, **rest}
