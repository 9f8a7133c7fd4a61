"""A campaign over REST, from submission to its end, with every failure of its blocks."""

import threading

import pytest
from sqlalchemy import func, select

from coordinator.store.rows.models import TrialRow
from domain.service.jobs import LEASE_S, BlockMessage
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts, result


def test_a_campaign_runs_to_its_end(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    assert coordinator_app.view(campaign_id)["state"] == "queued"
    assert coordinator_app.dispatcher.sent == [("h1", BlockMessage(block_id=f"{campaign_id}-0", attempt=1))]

    lease = coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.now += 2
    beat = {"lease": lease, "phase": "slices", "datapath": "tproxy", "slices_done": 1}
    assert coordinator_app.call("heartbeat", coordinator_app.last_sent(), beat).json == {"cancel": False}
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["progress"]["phase"], view["progress"]["block"]) == ("running", "slices", 0)
    assert view["progress"]["cell"] == {"datapath": "tproxy", "workload": "http_keepalive", "level": "low"}
    assert (view["progress"]["slices_done"], view["progress"]["slices_total"]) == (1, 20)
    assert view["progress"]["elapsed_s"] == 2

    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    assert coordinator_app.call("report", coordinator_app.last_sent(), body).status_code == 204
    assert coordinator_app.last_sent().block_id == f"{campaign_id}-1"  # the next one follows at once
    coordinator_app.now += 3
    assert coordinator_app.view(campaign_id)["progress"]["left_s"] == 2.0  # one block to go, the first took two seconds
    coordinator_app.run_block()

    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_done"], view["blocks_total"]) == ("complete", 2, 2)
    assert view["progress"]["left_s"] is None
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    assert [cell["valid_trials"] for cell in report["results"]] == [2, 2]
    telemetry = report["telemetry"]
    assert (telemetry["produced"], telemetry["delivered"], telemetry["lost"], telemetry["missing"]) == (20, 18, 2, "")
    assert (telemetry["spooled"], telemetry["queued"], telemetry["losses"]) == (0, 0, {})


def test_trials_come_with_their_evidence(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block(reasons=("bypassed",))
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [t["id"] for t in trials] == [f"{campaign_id}-0-1-0", f"{campaign_id}-0-1-1"]
    bad, good = trials
    assert bad["validity"] == {"valid": False, "reasons": ["bypassed"], "details": ["bypassed was seen"]}
    assert bad["requests_per_s"] is None  # an invalid trial has no figure
    assert good["validity"]["valid"]
    assert good["requests_per_s"] == 1000
    assert good["cpu_us_per_request"] == pytest.approx(400)
    assert (good["cpus_used"], good["cpus"]) == (pytest.approx(0.4), 2)
    assert (good["delivered"], good["due"], good["queued_share"], good["lag_p99_us"]) == (None, None, None, None)
    assert (good["censored"], good["cautions"]) == (0, [])
    assert good["counters"]["connections"] == 8
    assert good["slices"][0]["requests"] == 1000
    alone = coordinator_app.get(f"trials/{good['id']}").json
    assert alone["service_time_us"]["p50"] == pytest.approx(100, rel=0.01)
    assert alone | good == alone
    assert coordinator_app.get("trials/nosuch").status_code == 404


def test_a_report_counts_once(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    for _ in range(3):
        assert coordinator_app.call("report", message, body).status_code == 204
    late = {"lease": lease, "failure": "something else"}
    assert coordinator_app.call("report", message, late).status_code == 204
    assert attempts(coordinator_app, message.block_id) == [(1, "done")]
    with coordinator_app.store.read() as session:
        assert session.scalar(select(func.count()).select_from(TrialRow)) == 2
    assert coordinator_app.view(campaign_id)["blocks_done"] == 1
    assert len(coordinator_app.dispatcher.sent) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"lease": "another", "failure": "x"}, 409),
        ({"lease": "LEASE"}, 422),
        ({"lease": "LEASE", "failure": "x", "result": result("h1", ["direct", "tproxy"])}, 422),
        ({"lease": "LEASE", "result": result("h1", ["direct"])}, 422),
        ({"lease": "LEASE", "result": result("h1", ["direct", "direct"])}, 422),
        ({"lease": "LEASE", "result": result("h1", ["direct", "tproxy"], level="high")}, 422),
        ({"lease": "LEASE", "result": result("h1", ["direct", "tproxy"]) | {"schema_version": 2}}, 422),
        ({"lease": "LEASE", "result": result("h1", ["direct", "tproxy"]) | {"wall_s": "nan"}}, 422),
    ],
)
def test_a_report_that_does_not_fit_is_refused(
    coordinator_app: CoordinatorApp, body: dict[str, object], status: int
) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    body = {k: lease if v == "LEASE" else v for k, v in body.items()}
    assert coordinator_app.call("report", message, body).status_code == status
    assert attempts(coordinator_app, message.block_id) == [(1, "running")]


def test_of_claims_at_once_exactly_one_wins(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    message = coordinator_app.last_sent()
    barrier, answers = threading.Barrier(8), []

    def claim() -> None:
        client = coordinator_app.app.test_client()
        path = f"/api/v1/worker/blocks/{message.block_id}/attempts/1/claim"
        barrier.wait()
        answers.append(client.post(path, json={"host": "h1"}, headers=coordinator_app.worker).status_code)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7


def test_claims_are_refused_to_others_and_for_what_is_not_there(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.submit()
    coordinator_app.register("h2")
    message = coordinator_app.last_sent()
    assert coordinator_app.call("claim", message, {"host": "h2"}).status_code == 409
    assert coordinator_app.call("claim", message.model_copy(update={"attempt": 2}), {"host": "h1"}).status_code == 409
    assert (
        coordinator_app.call("claim", BlockMessage(block_id="nosuch-0", attempt=1), {"host": "h1"}).status_code == 409
    )
    coordinator_app.claim(message)


def test_a_silent_worker_loses_its_attempt_and_the_block_is_tried_again(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    first = coordinator_app.last_sent()
    lease = coordinator_app.claim(first)
    coordinator_app.wait(LEASE_S - 1, present=("h1",))
    assert attempts(coordinator_app, first.block_id) == [(1, "running")]
    coordinator_app.wait(2, present=("h1",))
    assert attempts(coordinator_app, first.block_id) == [(1, "lost"), (2, "dispatched")]
    beat = {"lease": lease, "phase": "slices"}
    assert coordinator_app.call("heartbeat", first, beat).status_code == 409
    assert coordinator_app.call("report", first, {"lease": lease, "failure": "x"}).status_code == 409
    coordinator_app.claim(coordinator_app.last_sent())
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    assert coordinator_app.call("report", first, body).status_code == 409  # the block is already measured again
    coordinator_app.wait(LEASE_S + 1, present=("h1",))
    assert coordinator_app.last_sent().attempt == 3
    coordinator_app.run_block()
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    assert [(f["attempt"], "stopped reporting" in f["reason"]) for f in report["failed_attempts"]] == [
        (1, True),
        (2, True),
    ]


@pytest.mark.parametrize(("reasons", "after"), [((), [(1, "done")]), (("steal",), [(1, "done"), (2, "dispatched")])])
def test_a_late_result_counts_until_the_block_is_measured_again(
    coordinator_app: CoordinatorApp, reasons: tuple[str, ...], after: list[tuple[int, str]]
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    first = coordinator_app.last_sent()
    lease = coordinator_app.claim(first)
    coordinator_app.wait(LEASE_S + 1, present=("h1",))
    assert attempts(coordinator_app, first.block_id) == [(1, "lost"), (2, "dispatched")]
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"], reasons=reasons)}
    for _ in range(2):
        assert coordinator_app.call("report", first, body).status_code == 204
    assert attempts(coordinator_app, first.block_id) == after
    if reasons:
        coordinator_app.run_block()
    else:
        assert (
            coordinator_app.call("claim", coordinator_app.last_sent(), {"host": "h1"}).status_code == 409
        )  # the message is void
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_heartbeats_keep_the_lease(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    for _ in range(10):
        coordinator_app.wait(LEASE_S - 1)
        assert coordinator_app.call("heartbeat", message, {"lease": lease, "phase": "slices"}).status_code == 200
    assert attempts(coordinator_app, message.block_id) == [(1, "running")]
    assert coordinator_app.get("hosts").json["hosts"][0]["online"]  # because of its heartbeats alone


def test_three_failures_end_the_block_and_no_done_block_fails_the_campaign(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    for number in (1, 2, 3):
        message = coordinator_app.last_sent()
        assert message.attempt == number
        lease = coordinator_app.claim(message)
        coordinator_app.call("report", message, {"lease": lease, "failure": f"no nginx\x00\x1b[31m ({number})"})
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_failed"]) == ("failed", 1)
    assert "no nginx" in view["error"]
    assert "(3)" in view["error"]
    assert "\x00" not in view["error"]
    assert "\x1b" not in view["error"]
    assert len(coordinator_app.dispatcher.sent) == 3


def test_one_done_block_completes_a_campaign_with_failed_ones(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    coordinator_app.run_block()
    for _ in range(3):
        message = coordinator_app.last_sent()
        coordinator_app.call("report", message, {"lease": coordinator_app.claim(message), "failure": "gone"})
    view = coordinator_app.view(campaign_id)
    assert (view["state"], view["blocks_done"], view["blocks_failed"]) == ("complete", 1, 1)


def test_a_disturbed_block_is_measured_again_and_its_first_attempt_stays_visible(
    coordinator_app: CoordinatorApp,
) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block(reasons=("steal",))
    assert coordinator_app.last_sent().attempt == 2
    coordinator_app.run_block()
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [(t["attempt"], t["accepted"]) for t in trials] == [(1, False), (1, False), (2, True), (2, True)]
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_a_result_counts_when_the_attempts_after_it_fail(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block(reasons=("interference",))
    for _ in range(2):
        message = coordinator_app.last_sent()
        coordinator_app.call("report", message, {"lease": coordinator_app.claim(message), "failure": "gone"})
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [t["accepted"] for t in trials] == [True, True]


def test_what_is_wrong_with_the_datapath_is_not_measured_again(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block(reasons=("overloaded", "bypassed"))
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    assert len(coordinator_app.dispatcher.sent) == 1
