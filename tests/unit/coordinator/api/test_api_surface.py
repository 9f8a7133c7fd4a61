"""The API as a whole: its specification, errors, limits, lists and CSV."""

import csv
import io

import pytest
from flask import request

from coordinator.telemetry import reader
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities

PROBLEM = {"type", "title", "status", "detail", "code", "errors", "request_id", "message", "problems"}


def test_campaigns_are_json_or_toml(coordinator_app: CoordinatorApp) -> None:
    spec = coordinator_app.get("openapi.json").json
    assert spec["openapi"].startswith("3.1")
    bodies = spec["paths"]["/api/v1/campaigns"]["post"]["requestBody"]["content"]
    assert set(bodies) == {"application/json", "application/toml"}
    assert "levels" in spec["components"]["schemas"]["Campaign"]["properties"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *[
            ("GET", f"campaigns/nosuch{more}", 404)
            for more in ("", "/trials", "/results", "/verdicts", "/report", "/expectations")
        ],
        *[("GET", f"campaigns/nosuch/{more}.csv", 404) for more in ("results", "verdicts", "expectations")],
        ("POST", "campaigns/nosuch/cancel", 404),
        ("GET", "trials/nosuch", 404),
        ("GET", "trials/nosuch/kernel-latency", 404),
        ("GET", "nosuch", 404),
        ("DELETE", "campaigns", 405),
        ("GET", "campaigns/%00", 404),
        ("GET", "campaigns/..%2f..%2fetc", 404),
    ],
)
def test_errors_have_one_shape(coordinator_app: CoordinatorApp, method: str, path: str, status: int) -> None:
    answer = coordinator_app.client.open(f"/api/v1/{path}", method=method, headers=coordinator_app.user)
    assert answer.status_code == status
    assert set(answer.json) == PROBLEM


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[NaN]", "NaN is not a JSON number"),
        (b'{"name": "a", "name": "b"}', "'name' is given twice"),
        (b'{"slice_s": 1e999}', "1e999 is out of range"),
        (b"{", "double quotes"),
        (b"\xff", "utf-8"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_reason(
    coordinator_app: CoordinatorApp, body: bytes, why: str
) -> None:
    headers = {**coordinator_app.user, "Content-Type": "application/json"}
    answer = coordinator_app.client.post("/api/v1/campaigns", data=body, headers=headers)
    assert answer.status_code == 400
    assert [p["field"] for p in answer.json["problems"]] == ["body"]
    assert "is not JSON: " in answer.json["message"]
    assert why in answer.json["problems"][0]["message"]


def test_users_bodies_are_capped_and_workers_are_larger(coordinator_app: CoordinatorApp) -> None:
    @coordinator_app.app.post("/api/v1/test/read")
    def read() -> dict[str, int]:
        return {"bytes": len(request.get_data())}

    for size, status in ((1 << 20, 200), ((1 << 20) + 1, 413)):
        assert (
            coordinator_app.client.post("/api/v1/test/read", data=b"x" * size, headers=coordinator_app.user).status_code
            == status
        )
    features = [{"name": f"f{i}", "present": False, "reason": "x" * 3_000} for i in range(400)]
    body = capabilities("h1").model_dump(mode="json") | {"features": features}
    assert (
        coordinator_app.client.put("/api/v1/worker/hosts/h1", json=body, headers=coordinator_app.worker).status_code
        == 204
    )
    huge = b'{"host": "' + b"x" * (17 << 20) + b'"}'
    answer = coordinator_app.client.put(
        "/api/v1/worker/hosts/h1", data=huge, content_type="application/json", headers=coordinator_app.worker
    )
    assert answer.status_code == 413


def test_a_host_registers_under_its_own_name(coordinator_app: CoordinatorApp) -> None:
    body = capabilities("h1").model_dump(mode="json")
    answer = coordinator_app.client.put("/api/v1/worker/hosts/h2", json=body, headers=coordinator_app.worker)
    assert (answer.status_code, answer.json["problems"][0]["field"]) == (422, "host")
    answer = coordinator_app.client.put(
        "/api/v1/worker/hosts/h2", json=body | {"nosuch": 1}, headers=coordinator_app.worker
    )
    assert (answer.status_code, answer.json["problems"][0]["field"]) == (422, "nosuch")
    assert coordinator_app.get("hosts").json["hosts"] == []


def test_the_catalogue_says_where_each_variant_runs(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1", missing={"tproxy": ("HAProxy is not installed",)})
    coordinator_app.register("h2")
    datapaths = {d["name"]: d for d in coordinator_app.get("datapaths").json["datapaths"]}
    assert datapaths["tproxy"]["available"]
    assert datapaths["tproxy"]["function"] == "steer"
    assert datapaths["tproxy"]["hosts"] == {"h1": ["HAProxy is not installed"], "h2": []}
    assert coordinator_app.get("workloads").json["workloads"][0]["level_kinds"] == ["closed"]
    assert "run_queue" in {one["stage"] for one in coordinator_app.get("probes").json["probes"]}
    coordinator_app.now += 61
    coordinator_app.register("h1", missing={"tproxy": ("HAProxy is not installed",)})
    assert [(h["name"], h["online"]) for h in coordinator_app.get("hosts").json["hosts"]] == [
        ("h1", True),
        ("h2", False),
    ]
    datapaths = {d["name"]: d for d in coordinator_app.get("datapaths").json["datapaths"]}
    assert not datapaths["tproxy"]["available"]  # the only host that has it is offline


def test_only_hosts_that_can_run_it_take_part(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1", missing={"tproxy": ("no",)})
    coordinator_app.register("h2")
    coordinator_app.register("h3")
    campaign_id = coordinator_app.submit()
    assert coordinator_app.view(campaign_id)["hosts"] == ["h2", "h3"]
    answer = coordinator_app.client.post(
        "/api/v1/campaigns",
        json={"name": "x", "datapaths": ["direct", "tproxy"], "levels": {"low": "closed(1)"}, "hosts": ["h2", "h1"]},
        headers=coordinator_app.user,
    )
    assert answer.json["problems"] == [
        {"field": "datapaths.1", "message": "tproxy cannot run on every named host: h1: no"}
    ]


def test_everything_runs_somewhere_but_nowhere_together(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1", missing={"tproxy": ("no",)})
    coordinator_app.register("h2", missing={"direct": ("no",)})
    body = {"name": "x", "datapaths": ["direct", "tproxy"], "levels": {"low": "closed(1)"}}
    answer = coordinator_app.client.post("/api/v1/campaigns", json=body, headers=coordinator_app.user)
    assert [p["field"] for p in answer.json["problems"]] == ["hosts"]


def test_seed_zero_draws_one_and_records_it(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    seeds = {coordinator_app.view(coordinator_app.submit(seed=0))["seed"] for _ in range(3)}
    assert 0 not in seeds
    assert len(seeds) == 3
    assert coordinator_app.view(coordinator_app.submit(seed=42))["seed"] == 42


def test_the_list_is_newest_first(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    ids = []
    for _ in range(3):
        coordinator_app.now += 1
        ids.append(coordinator_app.submit())
    listed = coordinator_app.get("campaigns").json["campaigns"]
    assert [c["id"] for c in listed] == ids[::-1]
    assert "campaign" not in listed[0]


def test_csv_agrees_with_json(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    coordinator_app.run_block()
    coordinator_app.run_block()
    for what in ("results", "verdicts"):
        rows = coordinator_app.get(f"campaigns/{campaign_id}/{what}").json[what]
        answer = coordinator_app.get(f"campaigns/{campaign_id}/{what}.csv")
        assert answer.mimetype == "text/csv"
        table = list(csv.DictReader(io.StringIO(answer.text)))
        assert [r["datapath"] for r in table] == [r["datapath"] for r in rows]
        assert all(None not in line and None not in line.values() for line in table)
    results = coordinator_app.get(f"campaigns/{campaign_id}/results").json["results"]
    table = list(csv.DictReader(io.StringIO(coordinator_app.get(f"campaigns/{campaign_id}/results.csv").text)))
    for row, line in zip(results, table, strict=True):
        assert float(line["requests_per_s"]) == row["requests_per_s"] == pytest.approx(1000)
        assert float(line["service_time_us_p50"]) == row["service_time_us"]["p50"]
        share = row["share_of_direct"]
        assert line["share_of_direct_value"] == ("" if share is None else str(share["value"]))
    assert any(row["share_of_direct"] for row in results)


def test_kernel_latency_asks_influx_about_the_trial(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def kernel_latency(influx: object, campaign: str, run: str, cell: object) -> dict[str, object]:
        asked.append((influx, campaign, run, cell))
        if len(asked) > 1:
            raise reader.TelemetryUnavailable("InfluxDB is down")
        return {"campaign": campaign, "run": run, "stages": []}

    monkeypatch.setattr(reader, "kernel_latency", kernel_latency)
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block()
    path = f"trials/{campaign_id}-0-1-1/kernel-latency"
    assert coordinator_app.get(path).json["stages"] == []
    cell = {"host": "h1", "datapath": "tproxy", "workload": "http_keepalive", "level": "low"}
    assert asked == [(coordinator_app.settings.influx, campaign_id, f"{campaign_id}-0-1-1", cell)]
    answer = coordinator_app.get(path)
    assert (answer.status_code, answer.json["message"]) == (503, "InfluxDB is down")


def test_the_database_gone_is_an_error_not_a_leak(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator_app.app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken() -> None:
        raise OSError("disk of /secret/place is full")

    monkeypatch.setattr(coordinator_app.store, "read", broken)
    answer = coordinator_app.get("campaigns")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert set(answer.json) == PROBLEM
