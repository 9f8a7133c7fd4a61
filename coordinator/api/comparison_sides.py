"""Which campaigns are on which side of a comparison, as a query names them. Pure."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple, NoReturn

from domain.runs.comparison import MOST_CAMPAIGNS, MOST_IN_ALL, MOST_SIDES
from domain.values.names import is_campaign_id, is_host_name
from domain.values.problems import InvalidInput, Problem
from domain.values.texts import words_of

BETWEEN_SIDES = ";"


class Wanted(NamedTuple):
    """One campaign of a side; ``host`` is empty for all of its hosts."""

    campaign_id: str
    host: str


def wanted_sides(baseline: str, other: str) -> list[list[Wanted]]:
    """The baseline, then each other side. Raises :class:`InvalidInput`."""
    parts = other_sides(other) or [""]
    if len(parts) > MOST_SIDES:
        _refuse("other", f"has {len(parts)} sides; at most {MOST_SIDES} are compared with one baseline")
    sides = [_side(baseline, "baseline"), *(_side(part, "other") for part in parts)]
    for first, second in combinations(sides, 2):
        for one in first:
            if _is_among(one, second):
                _refuse("other", f"{one.campaign_id} is on {'both' if len(sides) == 2 else 'two'} sides; name it once")
    if (every := sum(map(len, sides))) > MOST_IN_ALL:
        _refuse("other", f"and the baseline have {every} campaigns; at most {MOST_IN_ALL} are compared: name fewer")
    return sides


def other_sides(text: str) -> list[str]:
    """The parts of a query for each other side; empty parts are left out."""
    return [part for part in text.split(BETWEEN_SIDES) if part.strip()]


def _is_among(one: Wanted, others: Sequence[Wanted]) -> bool:
    """Whether its blocks are on the other side, too."""
    same = [other.host for other in others if other.campaign_id == one.campaign_id]
    return bool(same) and (not one.host or "" in same or one.host in same)


def _side(text: str, field: str) -> list[Wanted]:
    parts = [word.partition(":") for word in words_of(text)]
    wanted = list(dict.fromkeys(Wanted(one, host) for one, _, host in parts))
    wrong = [one for one, colon, host in parts if not is_campaign_id(one) or (colon and not is_host_name(host))]
    if not wanted or wrong:
        _refuse(field, f"{wrong[0][:40]!r} is no campaign's id" if wrong else "name at least one campaign's id")
    if len(wanted) > MOST_CAMPAIGNS:
        _refuse(field, f"has {len(wanted)} campaigns; at most {MOST_CAMPAIGNS}")
    return wanted


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidInput([Problem(field=field, message=message)])
