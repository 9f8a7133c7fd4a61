"""Series of campaigns, and their trends."""

from typing import NoReturn

from apiflask import APIBlueprint
from flask import abort
from pydantic import BaseModel, Field

from coordinator.services import services
from coordinator.store.rows.cursors import BadCursor
from coordinator.store.runs import series as store
from coordinator.store.runs import series_list as store_list
from coordinator.store.runs.series_list import SeriesPage, Sought
from domain.runs.trend import Series, TrendReport
from domain.values.frozen import Frozen
from domain.values.problems import InvalidInput, Problem

blueprint = APIBlueprint("series", __name__, tag="Trends")


class SeriesQuery(Frozen):
    """Which series, and how many."""

    q: str = Field(default="", max_length=200, description="Each word must be in the name of one of its campaigns.")
    host: str = Field(default="", max_length=253, description="Only series on this host.")
    label: str = Field(
        default="",
        max_length=500,
        description="Only series with a campaign that has this label, `key` or `key=value`; with ',' all of several.",
    )
    limit: int = Field(default=100, ge=1, le=500, description="Series in one answer, the newest first.")
    cursor: str = Field(default="", max_length=500, description="An earlier answer's `next` or `previous`.")


class SeriesList(BaseModel):
    """A page of the list of series, the one with the newest campaign first."""

    series: list[Series]
    total: int = Field(description="How many series match, on all pages.")
    first: int = Field(description="The number of the first series here, from 1; 0 if there is none.")
    next: str | None = Field(default=None, description="The `cursor` of the next page; null on the last one.")
    previous: str | None = Field(default=None, description="The `cursor` of the page before; null on the first one.")


@blueprint.get("/series")
@blueprint.input(SeriesQuery, location="query", arg_name="query")
@blueprint.output(SeriesList)
def list_series(query: SeriesQuery) -> SeriesList:
    """Series: campaigns of one file on the same hosts, whose figures can be followed over time.

    The answer's `next` is the `cursor` of the next page.
    """
    return SeriesList(**vars(series_page(query)))


@blueprint.get("/series/<series_id>")
@blueprint.output(TrendReport)
@blueprint.doc(responses=[404])
def get_series(series_id: str) -> TrendReport:
    """A series with all its trends: values, changes of level, and what was new about its hosts."""
    return trend_report(series_id)


def series_page(query: SeriesQuery) -> SeriesPage:
    """One page of the list. Raises :class:`InvalidInput`."""
    sought = Sought(query.q, query.host, query.label)
    try:
        with services().store.read() as session:
            return store_list.series_page(session, sought, limit=query.limit, cursor=query.cursor)
    except BadCursor as error:
        raise InvalidInput([Problem(field="cursor", message=str(error))]) from error


def trend_report(series_id: str) -> TrendReport:
    """A series with all its trends, computed once per campaign that it gets. Aborts with 404."""
    known = services()
    with known.store.read() as session:
        version = store.version_of(session, series_id)
        if version is None:
            no_series(series_id)
        return known.trends.get(
            series_id, version, lambda: store.trend_report(session, series_id) or no_series(series_id)
        )


def no_series(series_id: str) -> NoReturn:
    """Abort with 404."""
    abort(404, f"there is no series {series_id[:64]!r}")
