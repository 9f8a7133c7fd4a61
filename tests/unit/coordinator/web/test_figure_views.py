"""The results table has one figure at a time, and of each cell only what is exceptional."""

import re

import pytest
from flask.testing import FlaskClient

from coordinator.web.figure_views import FigureView, chosen_view, tables_of, views_of
from coordinator.web.showdown_table import Row, Table
from tests.unit.coordinator.coordinator_app import CoordinatorApp

CLOSED, OPEN = Row("connections", "closed(8)", ()), Row("half", "open(100)", (), open_loop=True)
CAPACITY = Row("slo", "capacity(p99<=5ms)", (), is_capacity=True)


def table(*rows: Row) -> Table:
    return Table("http_keepalive", (), (), rows)


@pytest.mark.parametrize(
    ("rows", "views"),
    [
        ((CLOSED, OPEN, CAPACITY), (FigureView.CPU, FigureView.LATENCY, FigureView.RATE)),
        ((CLOSED,), (FigureView.CPU, FigureView.RATE)),
        ((OPEN,), (FigureView.CPU, FigureView.LATENCY)),
        ((CAPACITY,), (FigureView.RATE,)),
    ],
)
def test_a_campaign_has_the_figures_of_its_levels(rows: tuple[Row, ...], views: tuple[FigureView, ...]) -> None:
    assert views_of([table(*rows)]) == views


def test_the_first_figure_is_what_the_levels_are_for() -> None:
    assert chosen_view([table(CLOSED, OPEN)], "") is FigureView.CPU
    assert chosen_view([table(CLOSED)], "") is FigureView.RATE
    assert chosen_view([table(CLOSED)], "latency") is FigureView.RATE, "no level has a latency"
    assert chosen_view([table(CLOSED, OPEN)], "latency") is FigureView.LATENCY


def test_levels_without_the_figure_have_no_row() -> None:
    both = [table(CLOSED, OPEN), table(CLOSED)]
    assert [one.rows for one in tables_of(both, FigureView.LATENCY)] == [(OPEN,)]
    assert [one.rows for one in tables_of(both, FigureView.RATE)] == [(CLOSED,), (CLOSED,)]


def test_the_page_shows_the_figure_of_its_address(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(workloads=["http_open"], levels={"low": "closed(8)", "half": "open(100)"})
    for _ in range(4):
        coordinator_app.run_block(latency_ns=100_000)
        coordinator_app.wait(1, present=("h1",))

    def cells(figure: str) -> list[str]:
        page = browser.get(f"/campaigns/{campaign_id}/verdicts{figure}").text
        assert page.count('aria-current="true"') == 1
        shown = page.partition('<table class="showdown">')[2].partition("</table>")[0]
        return [
            re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cell)).strip() for cell in re.findall(r"(?s)<td.*?</td>", shown)
        ]

    assert len(cells("")) == 4
    assert all("CPU-µs/req" in one and "p50" not in one for one in cells(""))
    latency = cells("?figure=latency")
    assert len(latency) == 2, "one level is open"
    assert latency[0] == "100 µs p50 1 × 100 µs p99", latency
    rates = cells("?figure=rate")
    assert len(rates) == 2
    assert not any("valid" in one for one in rates), "nothing is exceptional"
