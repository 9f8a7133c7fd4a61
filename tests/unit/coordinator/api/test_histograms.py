"""HDR logs over REST: the sum of a cell's intervals is what its report shows, and trials that do not count are out."""

from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from werkzeug.test import TestResponse

from domain.reports.report import CampaignReport
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.domain.reports.test_hdr_log import read

CELL = "tproxy.http_open.half"


@pytest.fixture
def app(coordinator_app: CoordinatorApp) -> CoordinatorApp:
    """Five blocks; the environment disturbed the second one's first attempt, and the third's datapath lost packets."""
    coordinator_app.register()
    coordinator_app.submit(workloads=["http_open"], levels={"half": "open(1000)"}, blocks=5)
    for block in range(6):
        reasons = {1: ("steal",), 3: ("drops",)}.get(block, ())
        coordinator_app.now += 10
        coordinator_app.run_block(reasons=reasons, latency_ns=100_000 * (block + 1))
        coordinator_app.wait(1, present=("h1",))
    return coordinator_app


def campaign_of(app: CoordinatorApp) -> str:
    return str(app.get("campaigns").json["campaigns"][0]["id"])


def logged(answer: TestResponse, directory: Path) -> list[HdrHistogram]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"].endswith('.hlog"')
    return read(answer.text, directory)


def test_the_sum_of_a_cell_s_intervals_is_what_the_report_shows(app: CoordinatorApp, tmp_path: Path) -> None:
    campaign_id = campaign_of(app)
    report = CampaignReport.model_validate(app.get(f"campaigns/{campaign_id}/report").json)
    for cell in report.results:
        name = f"{cell.datapath}.{cell.workload}.{cell.level}"
        intervals = logged(app.get(f"campaigns/{campaign_id}/histograms.hlog?cell={name}"), tmp_path)
        shown = [one for one in intervals if one.get_tag() is None]
        starts = [one.get_start_time_stamp() for one in shown]
        assert starts == sorted(starts)
        assert len(shown) == cell.valid_trials == (4 if cell.datapath == "direct" else 5)
        total = HdrHistogram(10, 120_000_000_000, 3)
        for one in shown:
            total.add(one)
        assert cell.latency_us is not None
        assert total.get_total_count() == cell.latency_us.count
        assert total.get_value_at_percentile(99) / 1000 == pytest.approx(cell.latency_us.p99, rel=2e-3)


def test_a_trial_has_its_log_even_if_it_is_invalid(app: CoordinatorApp, tmp_path: Path) -> None:
    trials = app.get(f"campaigns/{campaign_of(app)}/trials").json["trials"]
    invalid = next(one for one in trials if not one["validity"]["valid"])
    answer = app.get(f"trials/{invalid['id']}/histograms.hlog")
    assert "#invalid: " in answer.text
    assert {one.get_tag() for one in logged(answer, tmp_path)} == {None, "service_time"}


def test_what_has_no_times_is_not_found(app: CoordinatorApp) -> None:
    campaign_id, app.now = campaign_of(app), app.now + 100
    assert app.get(f"campaigns/nosuch/histograms.hlog?cell={CELL}").status_code == 404
    assert app.get("trials/nosuch/histograms.hlog").status_code == 404
    unknown = app.get(f"campaigns/{campaign_id}/histograms.hlog?cell=nosuch.http_open.half")
    assert unknown.status_code == 404
    assert "the first of 2 is direct.http_open.half" in unknown.json["detail"]
    assert app.get(f"campaigns/{campaign_id}/histograms.hlog").status_code == 422
    app.register()
    empty = app.submit()
    nothing = app.get(f"campaigns/{empty}/histograms.hlog?cell=tproxy.http_keepalive.low")
    assert nothing.status_code == 404
    assert "no times were recorded" in nothing.json["detail"]
