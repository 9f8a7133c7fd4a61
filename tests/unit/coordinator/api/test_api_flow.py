"""A campaign over REST, from submission to its end, and everything that can go wrong with its blocks."""

import threading

import pytest
from sqlalchemy import func, select

from coordinator import ticker
from coordinator.store.models import AttemptRow, TrialRow
from domain.jobs import LEASE_S, BlockMessage
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result


def attempts(coordinator_app: CoordinatorApp, block_id: str) -> list[tuple[int, str]]:
    with coordinator_app.store.read() as session:
        query = select(AttemptRow).where(AttemptRow.block_id == block_id).order_by(AttemptRow.number)
        return [(row.number, row.state) for row in session.scalars(query)]


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
    assert bad["requests_per_s"] is None  # an invalid trial gives no figure
    assert good["validity"]["valid"]
    assert good["requests_per_s"] == 1000
    assert good["cpu_us_per_request"] == pytest.approx(400)
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
        ({"lease": "LEASE", "result": result("h1", ["direct", "tproxy"]) | {"wall_s": float("nan")}}, 400),
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
    assert coordinator_app.call("report", first, body).status_code == 409  # it is measured again already
    coordinator_app.wait(LEASE_S + 1, present=("h1",))
    assert coordinator_app.last_sent().attempt == 3
    coordinator_app.run_block()
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    report = coordinator_app.get(f"campaigns/{campaign_id}/report").json
    assert [(f["attempt"], "silent" in f["reason"]) for f in report["failed_attempts"]] == [(1, True), (2, True)]


@pytest.mark.parametrize(("reasons", "after"), [((), [(1, "done")]), (("steal",), [(1, "done"), (2, "dispatched")])])
def test_a_late_result_counts_while_nobody_measures_again(
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
        )  # its message is void
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
    assert coordinator_app.get("hosts").json["hosts"][0]["online"]  # its heartbeats alone say so


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


def test_weather_is_measured_again_and_the_earlier_attempt_stays_visible(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1)
    coordinator_app.run_block(reasons=("steal",))
    assert coordinator_app.last_sent().attempt == 2
    coordinator_app.run_block()
    trials = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [(t["attempt"], t["accepted"]) for t in trials] == [(1, False), (1, False), (2, True), (2, True)]
    assert coordinator_app.view(campaign_id)["state"] == "complete"


def test_a_result_stands_when_the_attempts_after_it_fail(coordinator_app: CoordinatorApp) -> None:
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
    coordinator_app.run_block(reasons=("steal", "bypassed"))
    assert coordinator_app.view(campaign_id)["state"] == "complete"
    assert len(coordinator_app.dispatcher.sent) == 1


def test_cancel_stops_what_waits_at_once_and_flags_what_runs(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=3)
    message = coordinator_app.last_sent()
    lease = coordinator_app.claim(message)
    assert coordinator_app.cancel(campaign_id).json["state"] == "cancelling"
    assert coordinator_app.call("heartbeat", message, {"lease": lease, "phase": "slices"}).json == {"cancel": True}
    coordinator_app.wait(2)
    assert coordinator_app.dispatcher.revoked == []
    coordinator_app.wait(2)
    assert coordinator_app.dispatcher.revoked == [message]
    coordinator_app.wait(1)
    assert coordinator_app.dispatcher.revoked == [message]  # not every second
    assert coordinator_app.call("report", message, {"lease": lease, "cancelled": True}).status_code == 204
    assert coordinator_app.view(campaign_id)["state"] == "cancelled"
    assert coordinator_app.cancel(campaign_id).json["state"] == "cancelled"
    assert len(coordinator_app.dispatcher.sent) == 1


def test_cancel_before_the_claim_refuses_the_claim(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    message = coordinator_app.last_sent()
    assert coordinator_app.cancel(campaign_id).json["state"] == "cancelled"
    assert coordinator_app.call("claim", message, {"host": "h1"}).status_code == 409
    coordinator_app.wait(60, present=("h1",))
    assert len(coordinator_app.dispatcher.sent) == 1


def test_a_cancelled_campaign_ends_even_when_its_worker_is_dead(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit()
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.cancel(campaign_id)
    coordinator_app.wait(LEASE_S + 1)
    assert coordinator_app.view(campaign_id)["state"] == "cancelled"


def test_a_worker_stopped_by_its_operator_hands_the_block_on(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    message = coordinator_app.last_sent()
    coordinator_app.call("report", message, {"lease": coordinator_app.claim(message), "cancelled": True})
    assert attempts(coordinator_app, message.block_id) == [(1, "cancelled"), (2, "dispatched")]


def test_a_broker_that_is_down_breaks_no_request_and_the_ticker_sends_later(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.dispatcher.down = True
    campaign_id = coordinator_app.submit()
    coordinator_app.wait(1)
    assert coordinator_app.dispatcher.sent == []
    coordinator_app.dispatcher.down = False
    coordinator_app.wait(1)
    assert coordinator_app.last_sent() == BlockMessage(block_id=f"{campaign_id}-0", attempt=1)


def test_a_lost_message_is_sent_again_with_the_same_attempt(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    coordinator_app.wait(ticker.RESEND_S - 1)
    assert len(coordinator_app.dispatcher.sent) == 1
    coordinator_app.wait(2)
    assert len(coordinator_app.dispatcher.sent) == 2
    assert coordinator_app.dispatcher.sent[0] == coordinator_app.dispatcher.sent[1]
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.wait(ticker.RESEND_S + 1)
    assert len(coordinator_app.dispatcher.sent) == 2


def test_a_host_has_one_block_at_a_time_over_all_campaigns(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    first = coordinator_app.submit()
    coordinator_app.wait(1)
    second = coordinator_app.submit(name="second")
    coordinator_app.wait(1)
    assert {m.block_id for _, m in coordinator_app.dispatcher.sent} == {f"{first}-0"}
    coordinator_app.run_block()
    coordinator_app.run_block()
    assert coordinator_app.last_sent().block_id == f"{second}-0"  # the older campaign came first


def test_blocks_of_a_silent_host_move_to_another(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    campaign_id = coordinator_app.submit(blocks=4)
    message = next(m for host, m in coordinator_app.dispatcher.sent if host == "h1")
    coordinator_app.wait(30, present=("h2",))
    coordinator_app.wait(31, present=("h2",))
    assert coordinator_app.call("claim", message, {"host": "h1"}).status_code == 409  # its message is void
    done = 0
    while coordinator_app.view(campaign_id)["state"] != "complete":
        coordinator_app.run_block("h2")
        done += 1
        assert done <= 4
    assert done == 4
    assert [attempts(coordinator_app, f"{campaign_id}-{i}") for i in range(4)] == [[(1, "done")]] * 4  # none was wasted
    assert "h1 is silent" in str(coordinator_app.view(campaign_id)["history"])


def test_blocks_of_a_silent_host_wait_when_there_is_no_other(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    campaign_id = coordinator_app.submit()
    coordinator_app.wait(500)
    sent = len(coordinator_app.dispatcher.sent)
    coordinator_app.wait(500)
    assert len(coordinator_app.dispatcher.sent) == sent  # its queue does not fill up
    coordinator_app.wait(1, present=("h1",))
    coordinator_app.run_block()
    assert coordinator_app.view(campaign_id)["blocks_done"] == 1


def test_two_tickers_do_no_harm(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit(blocks=1)
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.now += LEASE_S + 1
    block_id = coordinator_app.last_sent().block_id
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def tick() -> None:
        barrier.wait()
        try:
            for _ in range(5):
                ticker.tick(coordinator_app.store, coordinator_app.dispatcher, coordinator_app.now)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert attempts(coordinator_app, block_id) == [(1, "lost"), (2, "dispatched")]


def test_the_ticker_outlives_a_failing_round(coordinator_app: CoordinatorApp, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        rounds = 0

        def read(self) -> None:
            Broken.rounds += 1
            raise OSError("the database is away")

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return Broken.rounds >= 2

    ticker.run(Broken(), coordinator_app.dispatcher, lambda: 0.0, Stop())  # type: ignore[arg-type]
    assert Broken.rounds == 2
    assert "the database is away" in caplog.text
