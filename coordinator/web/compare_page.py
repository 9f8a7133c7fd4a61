"""The page that compares campaigns: choose the sides, see what differs from the baseline."""

from collections.abc import Sequence
from typing import Any

from flask import redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from coordinator.api import comparisons as api
from coordinator.api.campaign_list import MOST_LISTED
from coordinator.api.comparison_sides import BETWEEN_SIDES, other_sides
from coordinator.services import services
from coordinator.store.campaigns.campaign_list import Archived, Wanted, campaign_lines, campaign_page
from coordinator.web.entry import blueprint
from domain.runs import comparison_table
from domain.runs.comparison import COLUMNS, MOST_SIDES, Comparison
from domain.runs.label_sides import sides_by_label, too_few_values
from domain.values.problems import InvalidInput, Problem
from domain.values.texts import words_of

_OFFERED, _OFFERED_BELOW = 50, 20  # campaigns: to begin with, and below a comparison
_SIDES = ("baseline", "other")
_SEARCH = ("q", "label")
_LONGEST = 500  # characters of a search
_NUMBERS = {str(number): number for number in range(MOST_SIDES + 1)}


@blueprint.get("/compare")
def compare() -> str | Response | tuple[str, int]:
    """A baseline and other sides. Without both, the page offers the newest campaigns, or those that match a search."""
    if key := request.args.get("by", "").strip():
        return _by_label(key)
    if "pick" in request.args:
        sides: dict[str, Any] = _picked(request.args.getlist("pick")) | _search()
        return redirect(url_for("web.compare", **sides), code=303)
    chosen = {side: ",".join(request.args.getlist(side)) for side in _SIDES}
    if not any(chosen.values()) or (_search() and not all(chosen.values())):
        return _page(chosen)
    try:
        return _page(chosen, api.comparison_of(**chosen))
    except InvalidInput as error:
        return _page(chosen, problems=error.problems), 422


def _by_label(key: str) -> Response | tuple[str, int]:
    """A side for each value of a label among the campaigns that match the search."""
    search = _search()
    wanted = Wanted(search.get("q", ""), label=",".join(filter(None, (key, search.get("label")))))
    with services().store.read() as session:
        found = sides_by_label(campaign_page(session, wanted, limit=MOST_LISTED).campaigns, key)
    if len(found) < 2:
        problem = Problem(field="by", message=too_few_values(key, len(found)))
        return _page(dict.fromkeys(_SIDES, ""), problems=[problem]), 422
    sides: dict[str, Any] = {"baseline": found[0], "other": BETWEEN_SIDES.join(found[1:]), **search}
    return redirect(url_for("web.compare", **sides), code=303)


def _search() -> dict[str, str]:
    """What to search for among the campaigns that are offered; empty fields are left out."""
    return {name: text for name in _SEARCH if (text := request.args.get(name, "").strip()[:_LONGEST])}


def _picked(picks: Sequence[str]) -> dict[str, str]:
    """The sides that a form has, as ``ID=NUMBER`` for each campaign; numbers without a campaign leave no gap."""
    sides: dict[int, list[str]] = {}
    for one, _, number in (pick.rpartition("=") for pick in picks):
        if one and number in _NUMBERS:
            sides.setdefault(_NUMBERS[number], []).append(one)
    others = (",".join(sides[number]) for number in sorted(sides) if number)
    found = {"baseline": ",".join(sides.get(0, ())), "other": BETWEEN_SIDES.join(others)}
    return {name: text for name, text in found.items() if text}


def _page(chosen: dict[str, str], found: Comparison | None = None, problems: Sequence[Problem] = ()) -> str:
    limit = _OFFERED_BELOW if found else _OFFERED
    with services().store.read() as session:
        offered = _offered(session, _places(chosen), limit)
    return render_template(
        "web/compare.html",
        offered=offered,
        limit=limit,
        search=_search(),
        by=request.args.get("by", "").strip(),
        found=found,
        is_several=found is not None and len(found.numbers) > 1,
        problems=problems,
        columns=COLUMNS,
        most=MOST_SIDES,
        table=comparison_table,
        baselines=_baselines(chosen) if found else {},
    )


def _places(chosen: dict[str, str]) -> dict[str, int]:
    """The side of each campaign that is chosen; an id may have a host."""
    sides = [chosen["baseline"], *other_sides(chosen["other"])]
    return {one: number for number, text in enumerate(sides) for one in words_of(text)}


def _offered(session: Session, places: dict[str, int], limit: int) -> list[dict[str, Any]]:
    """What is chosen, then campaigns with results that match the search, the newest first.

    ``value`` is what a side calls it, ``place`` the number of its side, if it has one.
    """
    search = _search()
    wanted = Wanted(search.get("q", ""), label=search.get("label", ""), archived=Archived.NO)
    newest = campaign_page(session, wanted, limit=limit).campaigns
    known = {one["id"]: one for one in campaign_lines(session, {one.partition(":")[0] for one in places})}
    first = ((value, number, known.get(value.partition(":")[0])) for value, number in places.items())
    rows = [{**line, "value": value, "place": number} for value, number, line in first if line]
    return rows + [{**one, "value": one["id"]} for one in newest if one["blocks_done"] and one["id"] not in places]


def _baselines(chosen: dict[str, str]) -> dict[int, str]:
    """For each other side: the address of the comparison with it as the baseline."""
    first, others = chosen["baseline"], other_sides(chosen["other"])
    return {
        number: url_for("web.compare", baseline=one, other=BETWEEN_SIDES.join([first, *_without(others, one)]))
        for number, one in enumerate(others, start=1)
    }


def _without(sides: Sequence[str], left_out: str) -> list[str]:
    return [one for one in sides if one != left_out]
