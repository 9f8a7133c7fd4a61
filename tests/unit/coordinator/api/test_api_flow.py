"""A campaign over REST, from submission to its end, and everything that can go wrong with its blocks."""

import threading

import pytest
from sqlalchemy import func, select

from coordinator import ticker
from coordinator.store.models import AttemptRow, TrialRow
from domain.jobs import LEASE_S, BlockMessage
from tests.unit.coordinator.coordinator_app import House, result


def attempts(house: House, block_id: str) -> list[tuple[int, str]]:
    with house.store.read() as session:
        query = select(AttemptRow).where(AttemptRow.block_id == block_id).order_by(AttemptRow.number)
        return [(row.number, row.state) for row in session.scalars(query)]


def test_a_campaign_runs_to_its_end(house: House) -> None:
    house.register()
    campaign_id = house.submit()
    assert house.view(campaign_id)["state"] == "queued"
    assert house.dispatcher.sent == [("h1", BlockMessage(block_id=f"{campaign_id}-0", attempt=1))]

    lease = house.claim(house.last_sent())
    house.now += 2
    beat = {"lease": lease, "phase": "slices", "datapath": "tproxy", "slices_done": 1}
    assert house.call("heartbeat", house.last_sent(), beat).json == {"cancel": False}
    view = house.view(campaign_id)
    assert (view["state"], view["progress"]["phase"], view["progress"]["block"]) == ("running", "slices", 0)
    assert view["progress"]["cell"] == {"datapath": "tproxy", "workload": "http_keepalive", "level": "low"}
    assert (view["progress"]["slices_done"], view["progress"]["slices_total"]) == (1, 20)
    assert view["progress"]["elapsed_s"] == 2

    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    assert house.call("report", house.last_sent(), body).status_code == 204
    assert house.last_sent().block_id == f"{campaign_id}-1"  # the next one follows at once
    house.now += 3
    assert house.view(campaign_id)["progress"]["left_s"] == 2.0  # one block to go, the first took two seconds
    house.run_block()

    view = house.view(campaign_id)
    assert (view["state"], view["blocks_done"], view["blocks_total"]) == ("complete", 2, 2)
    assert view["progress"]["left_s"] is None
    report = house.get(f"campaigns/{campaign_id}/report").json
    assert [cell["valid_trials"] for cell in report["results"]] == [2, 2]
    telemetry = report["telemetry"]
    assert (telemetry["produced"], telemetry["delivered"], telemetry["lost"], telemetry["missing"]) == (20, 18, 2, "")
    assert (telemetry["spooled"], telemetry["queued"], telemetry["losses"]) == (0, 0, {})


def test_trials_come_with_their_evidence(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    house.run_block(reasons=("bypassed",))
    trials = house.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [t["id"] for t in trials] == [f"{campaign_id}-0-1-0", f"{campaign_id}-0-1-1"]
    bad, good = trials
    assert bad["validity"] == {"valid": False, "reasons": ["bypassed"], "details": ["bypassed was seen"]}
    assert bad["requests_per_s"] is None  # an invalid trial gives no figure
    assert good["validity"]["valid"]
    assert good["requests_per_s"] == 1000
    assert good["cpu_us_per_request"] == pytest.approx(400)
    assert good["counters"]["connections"] == 8
    assert good["slices"][0]["requests"] == 1000
    alone = house.get(f"trials/{good['id']}").json
    assert alone["service_time_us"]["p50"] == pytest.approx(100, rel=0.01)
    assert alone | good == alone
    assert house.get("trials/nosuch").status_code == 404


def test_a_report_counts_once(house: House) -> None:
    house.register()
    campaign_id = house.submit()
    message = house.last_sent()
    lease = house.claim(message)
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    for _ in range(3):
        assert house.call("report", message, body).status_code == 204
    late = {"lease": lease, "failure": "something else"}
    assert house.call("report", message, late).status_code == 204
    assert attempts(house, message.block_id) == [(1, "done")]
    with house.store.read() as session:
        assert session.scalar(select(func.count()).select_from(TrialRow)) == 2
    assert house.view(campaign_id)["blocks_done"] == 1
    assert len(house.dispatcher.sent) == 2


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
def test_a_report_that_does_not_fit_is_refused(house: House, body: dict[str, object], status: int) -> None:
    house.register()
    house.submit()
    message = house.last_sent()
    lease = house.claim(message)
    body = {k: lease if v == "LEASE" else v for k, v in body.items()}
    assert house.call("report", message, body).status_code == status
    assert attempts(house, message.block_id) == [(1, "running")]


def test_of_claims_at_once_exactly_one_wins(house: House) -> None:
    house.register()
    house.submit()
    message = house.last_sent()
    barrier, answers = threading.Barrier(8), []

    def claim() -> None:
        client = house.app.test_client()
        path = f"/api/v1/worker/blocks/{message.block_id}/attempts/1/claim"
        barrier.wait()
        answers.append(client.post(path, json={"host": "h1"}, headers=house.worker).status_code)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7


def test_claims_are_refused_to_others_and_for_what_is_not_there(house: House) -> None:
    house.register("h1")
    house.submit()
    house.register("h2")
    message = house.last_sent()
    assert house.call("claim", message, {"host": "h2"}).status_code == 409
    assert house.call("claim", message.model_copy(update={"attempt": 2}), {"host": "h1"}).status_code == 409
    assert house.call("claim", BlockMessage(block_id="nosuch-0", attempt=1), {"host": "h1"}).status_code == 409
    house.claim(message)


def test_a_silent_worker_loses_its_attempt_and_the_block_is_tried_again(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    first = house.last_sent()
    lease = house.claim(first)
    house.wait(LEASE_S - 1, present=("h1",))
    assert attempts(house, first.block_id) == [(1, "running")]
    house.wait(2, present=("h1",))
    assert attempts(house, first.block_id) == [(1, "lost"), (2, "dispatched")]
    beat = {"lease": lease, "phase": "slices"}
    assert house.call("heartbeat", first, beat).status_code == 409
    assert house.call("report", first, {"lease": lease, "failure": "x"}).status_code == 409
    house.claim(house.last_sent())
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
    assert house.call("report", first, body).status_code == 409  # it is measured again already
    house.wait(LEASE_S + 1, present=("h1",))
    assert house.last_sent().attempt == 3
    house.run_block()
    assert house.view(campaign_id)["state"] == "complete"
    report = house.get(f"campaigns/{campaign_id}/report").json
    assert [(f["attempt"], "silent" in f["reason"]) for f in report["failed_attempts"]] == [(1, True), (2, True)]


@pytest.mark.parametrize(("reasons", "after"), [((), [(1, "done")]), (("steal",), [(1, "done"), (2, "dispatched")])])
def test_a_late_result_counts_while_nobody_measures_again(
    house: House, reasons: tuple[str, ...], after: list[tuple[int, str]]
) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    first = house.last_sent()
    lease = house.claim(first)
    house.wait(LEASE_S + 1, present=("h1",))
    assert attempts(house, first.block_id) == [(1, "lost"), (2, "dispatched")]
    body = {"lease": lease, "result": result("h1", ["direct", "tproxy"], reasons=reasons)}
    for _ in range(2):
        assert house.call("report", first, body).status_code == 204
    assert attempts(house, first.block_id) == after
    if reasons:
        house.run_block()
    else:
        assert house.call("claim", house.last_sent(), {"host": "h1"}).status_code == 409  # its message is void
    assert house.view(campaign_id)["state"] == "complete"


def test_heartbeats_keep_the_lease(house: House) -> None:
    house.register()
    house.submit()
    message = house.last_sent()
    lease = house.claim(message)
    for _ in range(10):
        house.wait(LEASE_S - 1)
        assert house.call("heartbeat", message, {"lease": lease, "phase": "slices"}).status_code == 200
    assert attempts(house, message.block_id) == [(1, "running")]
    assert house.get("hosts").json["hosts"][0]["online"]  # its heartbeats alone say so


def test_three_failures_end_the_block_and_no_done_block_fails_the_campaign(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    for number in (1, 2, 3):
        message = house.last_sent()
        assert message.attempt == number
        lease = house.claim(message)
        house.call("report", message, {"lease": lease, "failure": f"no nginx\x00\x1b[31m ({number})"})
    view = house.view(campaign_id)
    assert (view["state"], view["blocks_failed"]) == ("failed", 1)
    assert "no nginx" in view["error"]
    assert "(3)" in view["error"]
    assert "\x00" not in view["error"]
    assert "\x1b" not in view["error"]
    assert len(house.dispatcher.sent) == 3


def test_one_done_block_completes_a_campaign_with_failed_ones(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=2)
    house.run_block()
    for _ in range(3):
        message = house.last_sent()
        house.call("report", message, {"lease": house.claim(message), "failure": "gone"})
    view = house.view(campaign_id)
    assert (view["state"], view["blocks_done"], view["blocks_failed"]) == ("complete", 1, 1)


def test_weather_is_measured_again_and_the_earlier_attempt_stays_visible(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    house.run_block(reasons=("steal",))
    assert house.last_sent().attempt == 2
    house.run_block()
    trials = house.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [(t["attempt"], t["accepted"]) for t in trials] == [(1, False), (1, False), (2, True), (2, True)]
    assert house.view(campaign_id)["state"] == "complete"


def test_a_result_stands_when_the_attempts_after_it_fail(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    house.run_block(reasons=("interference",))
    for _ in range(2):
        message = house.last_sent()
        house.call("report", message, {"lease": house.claim(message), "failure": "gone"})
    assert house.view(campaign_id)["state"] == "complete"
    trials = house.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [t["accepted"] for t in trials] == [True, True]


def test_what_is_wrong_with_the_datapath_is_not_measured_again(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=1)
    house.run_block(reasons=("steal", "bypassed"))
    assert house.view(campaign_id)["state"] == "complete"
    assert len(house.dispatcher.sent) == 1


def test_cancel_stops_what_waits_at_once_and_flags_what_runs(house: House) -> None:
    house.register()
    campaign_id = house.submit(blocks=3)
    message = house.last_sent()
    lease = house.claim(message)
    assert house.cancel(campaign_id).json["state"] == "cancelling"
    assert house.call("heartbeat", message, {"lease": lease, "phase": "slices"}).json == {"cancel": True}
    house.wait(2)
    assert house.dispatcher.revoked == []
    house.wait(2)
    assert house.dispatcher.revoked == [message]
    house.wait(1)
    assert house.dispatcher.revoked == [message]  # not every second
    assert house.call("report", message, {"lease": lease, "cancelled": True}).status_code == 204
    assert house.view(campaign_id)["state"] == "cancelled"
    assert house.cancel(campaign_id).json["state"] == "cancelled"
    assert len(house.dispatcher.sent) == 1


def test_cancel_before_the_claim_refuses_the_claim(house: House) -> None:
    house.register()
    campaign_id = house.submit()
    message = house.last_sent()
    assert house.cancel(campaign_id).json["state"] == "cancelled"
    assert house.call("claim", message, {"host": "h1"}).status_code == 409
    house.wait(60, present=("h1",))
    assert len(house.dispatcher.sent) == 1


def test_a_cancelled_campaign_ends_even_when_its_worker_is_dead(house: House) -> None:
    house.register()
    campaign_id = house.submit()
    house.claim(house.last_sent())
    house.cancel(campaign_id)
    house.wait(LEASE_S + 1)
    assert house.view(campaign_id)["state"] == "cancelled"


def test_a_worker_stopped_by_its_operator_hands_the_block_on(house: House) -> None:
    house.register()
    house.submit()
    message = house.last_sent()
    house.call("report", message, {"lease": house.claim(message), "cancelled": True})
    assert attempts(house, message.block_id) == [(1, "cancelled"), (2, "dispatched")]


def test_a_broker_that_is_down_breaks_no_request_and_the_ticker_sends_later(house: House) -> None:
    house.register()
    house.dispatcher.down = True
    campaign_id = house.submit()
    house.wait(1)
    assert house.dispatcher.sent == []
    house.dispatcher.down = False
    house.wait(1)
    assert house.last_sent() == BlockMessage(block_id=f"{campaign_id}-0", attempt=1)


def test_a_lost_message_is_sent_again_with_the_same_attempt(house: House) -> None:
    house.register()
    house.submit()
    house.wait(ticker.RESEND_S - 1)
    assert len(house.dispatcher.sent) == 1
    house.wait(2)
    assert len(house.dispatcher.sent) == 2
    assert house.dispatcher.sent[0] == house.dispatcher.sent[1]
    house.claim(house.last_sent())
    house.wait(ticker.RESEND_S + 1)
    assert len(house.dispatcher.sent) == 2


def test_a_host_has_one_block_at_a_time_over_all_campaigns(house: House) -> None:
    house.register()
    first = house.submit()
    house.wait(1)
    second = house.submit(name="second")
    house.wait(1)
    assert {m.block_id for _, m in house.dispatcher.sent} == {f"{first}-0"}
    house.run_block()
    house.run_block()
    assert house.last_sent().block_id == f"{second}-0"  # the older campaign came first


def test_blocks_of_a_silent_host_move_to_another(house: House) -> None:
    house.register("h1")
    house.register("h2")
    campaign_id = house.submit(blocks=4)
    message = next(m for host, m in house.dispatcher.sent if host == "h1")
    house.wait(30, present=("h2",))
    house.wait(31, present=("h2",))
    assert house.call("claim", message, {"host": "h1"}).status_code == 409  # its message is void
    done = 0
    while house.view(campaign_id)["state"] != "complete":
        house.run_block("h2")
        done += 1
        assert done <= 4
    assert done == 4
    assert [attempts(house, f"{campaign_id}-{i}") for i in range(4)] == [[(1, "done")]] * 4  # none was wasted
    assert "h1 is silent" in str(house.view(campaign_id)["history"])


def test_blocks_of_a_silent_host_wait_when_there_is_no_other(house: House) -> None:
    house.register("h1")
    campaign_id = house.submit()
    house.wait(500)
    sent = len(house.dispatcher.sent)
    house.wait(500)
    assert len(house.dispatcher.sent) == sent  # its queue does not fill up
    house.wait(1, present=("h1",))
    house.run_block()
    assert house.view(campaign_id)["blocks_done"] == 1


def test_two_tickers_do_no_harm(house: House) -> None:
    house.register()
    house.submit(blocks=1)
    house.claim(house.last_sent())
    house.now += LEASE_S + 1
    block_id = house.last_sent().block_id
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def tick() -> None:
        barrier.wait()
        try:
            for _ in range(5):
                ticker.tick(house.store, house.dispatcher, house.now)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert attempts(house, block_id) == [(1, "lost"), (2, "dispatched")]


def test_the_ticker_outlives_a_failing_round(house: House, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        rounds = 0

        def read(self) -> None:
            Broken.rounds += 1
            raise OSError("the database is away")

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return Broken.rounds >= 2

    ticker.run(Broken(), house.dispatcher, lambda: 0.0, Stop())  # type: ignore[arg-type]
    assert Broken.rounds == 2
    assert "the database is away" in caplog.text
