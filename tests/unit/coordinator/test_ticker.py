"""The ticker over the real application: lost messages, silent hosts, a broker that is down."""

import threading

import pytest

from coordinator import ticker
from coordinator.store.upkeep import rounds
from domain.service.jobs import LEASE_S, BlockMessage
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts


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
    coordinator_app.wait(rounds.RESEND_S - 1)
    assert len(coordinator_app.dispatcher.sent) == 1
    coordinator_app.wait(2)
    assert len(coordinator_app.dispatcher.sent) == 2
    assert coordinator_app.dispatcher.sent[0] == coordinator_app.dispatcher.sent[1]
    coordinator_app.claim(coordinator_app.last_sent())
    coordinator_app.wait(rounds.RESEND_S + 1)
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
    assert coordinator_app.last_sent().block_id == f"{second}-0"  # the older campaign goes first


def test_blocks_of_a_silent_host_move_to_another(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    campaign_id = coordinator_app.submit(blocks=4)
    message = next(m for host, m in coordinator_app.dispatcher.sent if host == "h1")
    coordinator_app.wait(30, present=("h2",))
    coordinator_app.wait(31, present=("h2",))
    assert coordinator_app.call("claim", message, {"host": "h1"}).status_code == 409  # the message is void
    done = 0
    while coordinator_app.view(campaign_id)["state"] != "complete":
        coordinator_app.run_block("h2")
        done += 1
        assert done <= 4
    assert done == 4
    assert [attempts(coordinator_app, f"{campaign_id}-{i}") for i in range(4)] == [
        [(1, "done")]
    ] * 4  # no attempt was lost
    assert "h1 is silent" in str(coordinator_app.view(campaign_id)["history"])


def test_blocks_of_a_silent_host_wait_when_there_is_no_other(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    campaign_id = coordinator_app.submit()
    coordinator_app.wait(500)
    sent = len(coordinator_app.dispatcher.sent)
    coordinator_app.wait(500)
    assert len(coordinator_app.dispatcher.sent) == sent  # the silent host's queue does not fill up
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


class Turns(threading.Event):
    """Lets the ticker look so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


def test_an_idle_ticker_only_asks(coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its CPU time is missing to what the host measures."""
    rounds_run: list[float] = []
    monkeypatch.setattr(ticker, "tick", lambda *_args, **_more: rounds_run.append(1.0))
    monkeypatch.setattr(ticker.time, "monotonic", iter(range(1000)).__next__)
    ticker.run(coordinator_app.store, coordinator_app.dispatcher, lambda: coordinator_app.now, Turns(25))
    assert len(rounds_run) == 3  # at 0, 10 and 20 s

    coordinator_app.register("h1")
    coordinator_app.submit(blocks=1)
    coordinator_app.now += rounds.RESEND_S + 1
    rounds_run.clear()
    ticker.run(coordinator_app.store, coordinator_app.dispatcher, lambda: coordinator_app.now, Turns(5))
    assert len(rounds_run) == 5  # a message was not claimed
