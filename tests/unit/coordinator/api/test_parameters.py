"""Parameters of workloads and protocols of datapaths, from submission to the worker's block."""

from typing import Any

import pytest

from tests.unit.coordinator.coordinator_app import STREAM, CoordinatorApp, campaign, capabilities

TOKENS = {"workloads": ["stream"], "parameters": {"stream": {"tokens": 200, "gap_us": 2000}}}


def refused(coordinator_app: CoordinatorApp, **changes: Any) -> dict[str, str]:
    """The problems, by field."""
    answer = coordinator_app.client.post("/api/v1/campaigns", json=campaign(**changes), headers=coordinator_app.user)
    assert answer.status_code == 422, answer.text
    assert coordinator_app.get("campaigns").json["campaigns"] == []
    return {problem["field"]: problem["message"] for problem in answer.json["problems"]}


def block_of(coordinator_app: CoordinatorApp) -> dict[str, Any]:
    answer = coordinator_app.call("claim", coordinator_app.last_sent(), {"host": "h1"})
    assert answer.status_code == 200, answer.text
    block: dict[str, Any] = answer.json["block"]
    return block


def test_given_values_reach_the_worker_and_the_report(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(**TOKENS)
    assert block_of(coordinator_app)["parameters"] == {"tokens": 200, "gap_us": 2000}
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    assert report["campaign"]["campaign"]["parameters"] == TOKENS["parameters"]


def test_what_is_not_given_is_recorded_with_its_default(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(workloads=["stream", "http_keepalive"], parameters={"stream": {"gap_us": 0}})
    assert coordinator_app.view(campaign_id)["campaign"]["parameters"] == {"stream": {"tokens": 16, "gap_us": 0}}
    other = coordinator_app.submit(workloads=["stream"])
    assert coordinator_app.view(other)["campaign"]["parameters"] == {"stream": {"tokens": 16, "gap_us": 5000}}


def test_a_campaign_as_toml_has_a_table_of_parameters(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    toml = """
        name = "t"
        datapaths = ["direct"]
        workloads = ["stream"]
        levels.low = "closed(8)"
        [parameters.stream]
        tokens = 3
    """
    headers = {**coordinator_app.user, "Content-Type": "application/toml"}
    answer = coordinator_app.client.post("/api/v1/campaigns", data=toml, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json["campaign"]["parameters"] == {"stream": {"tokens": 3, "gap_us": 5000}}


def test_an_ip_version_that_a_datapath_does_not_carry_is_refused(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    why = "IPv6 is not carried by tproxy (it carries IPv4); leave out the condition, or those datapaths"
    said = refused(coordinator_app, levels={"four": "closed(8)", "six": "closed(8) under ipv6"})
    assert said == {"levels.six": why}
    coordinator_app.submit(datapaths=["direct"], levels={"six": "closed(8) under ipv6"})


def test_the_calibration_is_of_the_same_traffic(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit(**TOKENS, levels={"half": "open(50%)"})
    block = block_of(coordinator_app)
    assert block["calibration"]
    assert block["parameters"] == {"tokens": 200, "gap_us": 2000}


@pytest.mark.parametrize(
    ("parameters", "field", "message"),
    [
        ({"stream": {"tokens": 0}}, "parameters.stream.tokens", "0 is out of range; choose 1 to 1,000 tokens"),
        ({"stream": {"gap_us": 50_001}}, "parameters.stream.gap_us", "50,001 is out of range; choose 0 to 50,000 µs"),
        ({"stream": {"tokens": "5"}}, "parameters.stream.tokens", "must be a whole number"),
        ({"stream": {"tokens": 1.0}}, "parameters.stream.tokens", "must be a whole number"),
        ({"stream": {"words": 5}}, "parameters.stream.words",
         "stream has no parameter 'words'; it takes tokens, gap_us"),
        ({"nosuch": {"tokens": 5}}, "parameters.nosuch",
         "the campaign does not run nosuch; add it to the workloads, or remove its parameters"),
        ({"http_open": {}}, "parameters.http_open",
         "the campaign does not run http_open; add it to the workloads, or remove its parameters"),
    ],
)  # fmt: skip
def test_wrong_ones_are_refused_by_name(
    coordinator_app: CoordinatorApp, parameters: dict[str, object], field: str, message: str
) -> None:
    coordinator_app.register()
    assert refused(coordinator_app, workloads=["stream"], parameters=parameters) == {field: message}


def test_all_that_is_wrong_is_said_at_once(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    said = refused(
        coordinator_app, datapaths=["direct", "nosuch"], workloads=["stream", "http_open"],
        parameters={"stream": {"tokens": 0, "gap_us": -0}, "http_open": {"size": 1}},
    )  # fmt: skip
    assert set(said) == {"datapaths.1", "parameters.stream.tokens", "parameters.http_open.size"}
    assert said["parameters.http_open.size"].endswith("it takes none")


def test_every_host_must_take_them(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    known = capabilities("h2")
    narrow = STREAM[0].model_copy(update={"maximum": 100})
    workloads = tuple(
        w.model_copy(update={"parameters": (narrow, STREAM[1])}) if w.name == "stream" else w for w in known.workloads
    )
    body = known.model_copy(update={"workloads": workloads}).model_dump(mode="json")
    assert (
        coordinator_app.client.put(
            "/api/v1/worker/hosts/h2", json=body, headers=coordinator_app.worker_of("h2")
        ).status_code
        == 204
    )
    assert refused(coordinator_app, **TOKENS) == {
        "parameters.stream.tokens": "200 is out of range; choose 1 to 100 tokens (on h2)"
    }
    coordinator_app.submit(**TOKENS, hosts=["h1"])


def test_what_a_datapath_cannot_carry_is_refused_with_the_reason(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    assert refused(coordinator_app, workloads=["stream", "udp_rr"]) == {
        "workloads.1": "udp_rr sends UDP, which is not carried by tproxy (it carries TCP); "
        "leave out udp_rr, or those datapaths"
    }
    coordinator_app.submit(workloads=["udp_rr"], datapaths=["direct", "direct"])
    coordinator_app.submit(workloads=["stream"])


def test_a_host_that_states_no_protocols_is_taken_to_carry_tcp(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    said = refused(coordinator_app, workloads=["udp_rr"], datapaths=["direct", "ebpf_redirect"])
    assert "the worker of h1 states no protocols, so TCP is assumed; update Showdown on h1" in said["workloads.0"]
    coordinator_app.submit(workloads=["stream"], datapaths=["direct", "ebpf_redirect"])


def test_the_catalogue_has_parameters_and_protocols(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    workloads = {w["name"]: w for w in coordinator_app.get("workloads").json["workloads"]}
    assert workloads["stream"]["parameters"] == [one.model_dump() for one in STREAM]
    assert workloads["http_keepalive"]["parameters"] == []
    assert workloads["udp_rr"]["protocols"] == ["udp"]
    datapaths = {d["name"]: d for d in coordinator_app.get("datapaths").json["datapaths"]}
    assert (datapaths["direct"]["protocols"], datapaths["tproxy"]["protocols"]) == (["tcp", "udp"], ["tcp"])
