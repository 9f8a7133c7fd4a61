"""Reports in other programs' formats, and the metrics."""

from xml.etree import ElementTree

import pytest
from prometheus_client.parser import text_string_to_metric_families

from coordinator.store.rows.quarantine import Kind, set_aside
from domain.reports.report import CampaignReport
from domain.reports.report_markdown import markdown_of
from tests.unit.coordinator.coordinator_app import CoordinatorApp

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def app(app_on_both: CoordinatorApp) -> CoordinatorApp:
    app_on_both.register()
    return app_on_both


def samples(app: CoordinatorApp) -> Samples:
    answer = app.client.get("/metrics", headers=app.user)
    assert answer.status_code == 200
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def test_a_report_is_markdown_and_junit(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=5, expect={"fast": "tproxy.requests_per_s >= 0.5 * direct"})
    coordinator_app.run_block()
    markdown = coordinator_app.get(f"campaigns/{campaign_id}/report.md")
    assert markdown.mimetype == "text/markdown"
    report = CampaignReport.model_validate(coordinator_app.get(f"campaigns/{campaign_id}/report").json)
    assert markdown.text == markdown_of(report)
    junit = coordinator_app.get(f"campaigns/{campaign_id}/junit.xml")
    assert junit.mimetype == "application/xml"
    cases = ElementTree.fromstring(junit.text).findall(".//testcase")
    assert [case.get("name") for case in cases] == [
        f"{one.name} at {one.level} of {one.workload}" for one in report.expectations
    ]
    assert cases
    for path in ("report.md", "junit.xml"):
        assert coordinator_app.get(f"campaigns/nosuch/{path}").status_code == 404


def test_metrics_need_the_token(coordinator_app: CoordinatorApp) -> None:
    assert coordinator_app.client.get("/metrics").status_code == 401
    assert coordinator_app.client.get("/metrics", headers=coordinator_app.worker).status_code == 401


def test_metrics_count_the_queue_the_hosts_and_the_telemetry(app: CoordinatorApp) -> None:
    assert samples(app)["showdown_campaigns", (("state", "running"),)] == 0
    app.submit(blocks=3)
    app.run_block()
    app.wait(1, present=("h1",))
    found = samples(app)
    assert found["showdown_campaigns", (("state", "running"),)] == 1
    assert found["showdown_blocks", (("host", "h1"), ("state", "done"))] == 1
    assert found["showdown_queue_depth", (("host", "h1"),)] == 2
    assert found["showdown_host_last_seen_timestamp_seconds", (("host", "h1"),)] == app.now
    assert found["showdown_host_online", (("host", "h1"),)] == 1
    points = {place: found["showdown_telemetry_points_last_day", (("host", "h1"), ("place", place))]
              for place in ("produced", "delivered", "lost")}  # fmt: skip
    assert points == {"produced": 10, "delivered": 9, "lost": 1}
    assert found["showdown_trouble", (("part", "database"),)] == 0
    set_aside(app.store, Kind.HOST, "h9", "reading it", ValueError("test"), app.now)
    app.now += 3600
    later = samples(app)
    assert later["showdown_host_online", (("host", "h1"),)] == 0
    assert later["showdown_quarantined", (("kind", "host"),)] == 1


def test_metrics_have_the_last_verdicts(coordinator_app: CoordinatorApp) -> None:
    app = coordinator_app
    app.register()
    campaign_id = app.submit(blocks=5, expect={"fast": "tproxy.requests_per_s >= 0.5 * direct"})
    for _ in range(5):
        app.run_block(rates={"tproxy": 1500})
        app.wait(1, present=("h1",))
    found = samples(app)
    ratios = {
        dict(labels)["metric"]: value for (name, labels), value in found.items() if name == "showdown_verdict_ratio"
    }
    assert ratios["requests_per_s"] == pytest.approx(1.5)
    words = [dict(labels) for (name, labels), _ in found.items() if name == "showdown_verdict"]
    assert {one["campaign"] for one in words} == {campaign_id}
    assert "better" in {one["verdict"] for one in words if one["metric"] == "requests_per_s"}
    checks = [dict(labels) for (name, labels), _ in found.items() if name == "showdown_expectation"]
    assert [(one["expectation"], one["outcome"]) for one in checks] == [("fast", "pass")]
