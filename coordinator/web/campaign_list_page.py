"""The page of all campaigns: search, filters, order, and one page after the other."""

from datetime import datetime
from typing import Any

from flask import abort, render_template, request, url_for
from pydantic import ValidationError

from coordinator.api.campaign_list import ListQuery, campaign_page, headlines_of
from coordinator.api.catalogue import host_list
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.services import services
from coordinator.store.campaigns.campaign_list import Archived, Order
from coordinator.web.entry import blueprint
from domain.reports.outcome import Outcome
from domain.values.problems import InvalidInput, problems_of

SHOWN = 50  # campaigns on a page
_ORDERS = {
    Order.NEWEST: "newest first",
    Order.OLDEST: "oldest first",
    Order.LAST_ENDED: "ended last",
    Order.FIRST_ENDED: "ended first",
    Order.NAME: "name, A to Z",
    Order.NAME_DOWN: "name, Z to A",
}
_ARCHIVES = {Archived.NO: "not archived", Archived.YES: "archived", Archived.ANY: "all"}


@blueprint.get("/campaigns")
def campaigns() -> str:
    """The campaigns that match the search, the newest first."""
    return render_template(
        "web/campaigns.html", **_campaign_list(), hosts=_host_names(), states=CampaignState, outcomes=Outcome,
        orders=_ORDERS, archives=_ARCHIVES,
    )  # fmt: skip


@blueprint.get("/campaigns/rows")
def campaign_rows() -> str:
    """The fragment of the list, polled while a campaign is running."""
    return render_template("web/_campaign_list.html", **_campaign_list())


def _campaign_list() -> dict[str, Any]:
    query = _query()
    try:
        page = campaign_page(query)
    except InvalidInput as error:
        abort(404, error.problems[0].message)
    return {
        "page": page,
        "query": query,
        "is_search": bool(query.arguments(cursor="", limit="")),
        "live": any(not CampaignState(one["state"]).ended for one in page.campaigns),
        "rows_url": _list_url("web.campaign_rows", query),
        "next_url": _page_url(query, page.next),
        "previous_url": _page_url(query, page.previous),
        "headlines": headlines_of([one["id"] for one in page.campaigns]),
        "took_s": {one["id"]: _took_s(one) for one in page.campaigns},
    }


def _query() -> ListQuery:
    """What the address asks for; an empty field of the form does not filter."""
    given = {name: value for name, value in request.args.items() if value and name in ListQuery.model_fields}
    try:
        return ListQuery.model_validate(given | {"limit": SHOWN})
    except ValidationError as error:
        abort(404, str(problems_of(error)[0]))


def _page_url(query: ListQuery, cursor: str | None) -> str | None:
    return None if cursor is None else _list_url("web.campaigns", query, cursor=cursor)


def _list_url(endpoint: str, query: ListQuery, **changes: str) -> str:
    arguments: dict[str, Any] = query.arguments(limit="", **changes)
    return url_for(endpoint, **arguments)


def _host_names() -> list[str]:
    known = services()
    with known.store.read() as session:
        return [host.name for host in host_list(session, known.clock())]


def _took_s(line: dict[str, Any]) -> float | None:
    if not line["started_at"] or not line["ended_at"]:
        return None
    began, ended = (datetime.fromisoformat(line[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()
