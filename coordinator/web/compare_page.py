"""The page that compares campaigns: choose two sides, see what differs."""

from collections.abc import Sequence

from flask import render_template, request

from coordinator.api import comparisons as api
from coordinator.services import services
from coordinator.store.campaign_list import Wanted, campaign_page
from coordinator.web.entry import blueprint
from domain.comparison import COLUMNS, Comparison
from domain.problems import InvalidInput, Problem

_OFFERED, _OFFERED_BELOW = 50, 20  # campaigns: to begin with, and below a comparison
_SIDES = ("baseline", "other")


@blueprint.get("/compare")
def compare() -> str | tuple[str, int]:
    """Two sides of campaigns. Without both, the page offers the newest ones."""
    chosen = {side: ",".join(request.args.getlist(side)) for side in _SIDES}
    if not any(chosen.values()):
        return _page(chosen)
    try:
        return _page(chosen, api.comparison_of(**chosen))
    except InvalidInput as error:
        return _page(chosen, problems=error.problems), 422


def _page(chosen: dict[str, str], found: Comparison | None = None, problems: Sequence[Problem] = ()) -> str:
    with services().store.read() as session:
        newest = campaign_page(session, Wanted(), limit=_OFFERED_BELOW if found else _OFFERED).campaigns
    return render_template(
        "web/compare.html",
        chosen={side: [word.strip() for word in text.split(",")] for side, text in chosen.items()},
        offered=[one for one in newest if one["blocks_done"]],
        found=found,
        problems=problems,
        columns=COLUMNS,
    )
