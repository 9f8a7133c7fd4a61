"""The coordinator's own clock is set back or forth, or its machine is suspended: campaigns go on."""

import threading
from collections.abc import Iterator

import pytest

from coordinator import ticker
from coordinator.scheduling.clock_steps import ClockSteps
from coordinator.store.upkeep.clock_repair import pull_back_times
from coordinator.store.upkeep.rounds import RESEND_S
from domain.service.jobs import LEASE_S
from tests.unit.coordinator.coordinator_app import CoordinatorApp, attempts

HOUR_S = 3600.0


def test_a_message_is_sent_again_though_the_clock_was_set_back(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    coordinator_app.now -= HOUR_S
    coordinator_app.wait(1)
    coordinator_app.wait(RESEND_S + 1)
    assert len(coordinator_app.dispatcher.sent) == 2


def test_a_dead_workers_lease_expires_though_the_clock_was_set_back(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    coordinator_app.claim(coordinator_app.last_sent())
    block_id = coordinator_app.last_sent().block_id
    coordinator_app.now -= HOUR_S
    coordinator_app.wait(1, present=("h1",))
    coordinator_app.wait(LEASE_S - 2)
    assert attempts(coordinator_app, block_id) == [(1, "running")]
    coordinator_app.wait(4)
    assert attempts(coordinator_app, block_id)[0] == (1, "lost")


def test_a_silent_host_goes_offline_though_the_clock_was_set_back(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.now -= HOUR_S
    coordinator_app.wait(1)
    coordinator_app.wait(59)
    assert coordinator_app.get("hosts").json["hosts"][0]["online"]
    coordinator_app.wait(3)
    assert not coordinator_app.get("hosts").json["hosts"][0]["online"]


def test_times_that_can_be_are_left_alone(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    coordinator_app.submit()
    coordinator_app.claim(coordinator_app.last_sent())
    assert not pull_back_times(coordinator_app.store, coordinator_app.now)
    assert not pull_back_times(coordinator_app.store, coordinator_app.now - 0.5)
    assert pull_back_times(coordinator_app.store, coordinator_app.now - HOUR_S)
    assert not pull_back_times(coordinator_app.store, coordinator_app.now - HOUR_S)


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S, 30.0])
def test_after_a_step_of_the_clock_nobody_is_called_silent_for_a_while(step_s: float) -> None:
    steps = ClockSteps()
    for second in range(60):
        assert steps.steady_s(1e9 + second + 0.01 * (second % 2), float(second)) == second
    assert [steps.steady_s(1e9 + step_s + 60 + n, 60.0 + n) for n in range(3)] == [0, 1, 2]


def test_after_a_pause_of_the_machine_nobody_is_called_silent_for_a_while() -> None:
    steps = ClockSteps()
    steps.steady_s(1e9, 0.0)
    assert steps.steady_s(1e9 + 1, 1.0) == 1.0
    assert steps.steady_s(1e9 + 601, 601.0) == 0.0


def test_a_step_forward_gives_no_running_block_up(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register("h1")
    coordinator_app.register("h2")
    campaign_id = coordinator_app.submit(blocks=4)
    message = next(m for host, m in coordinator_app.dispatcher.sent if host == "h1")
    lease = coordinator_app.claim(message, "h1")
    clock, rounds = _rounds(coordinator_app.now, HOUR_S)
    ticker.run(coordinator_app.store, coordinator_app.dispatcher, clock, rounds)
    assert attempts(coordinator_app, message.block_id) == [(1, "running")]
    assert "moved" not in str(coordinator_app.view(campaign_id)["history"])
    coordinator_app.now += HOUR_S + 3
    assert coordinator_app.call("heartbeat", message, {"lease": lease, "phase": "slices"}).status_code == 200


def _rounds(now: float, step_s: float) -> tuple["Clock", "Rounds"]:
    return Clock(iter([now, now, now + step_s, now + step_s, now + step_s])), Rounds()


class Clock:
    """A wall clock that makes a step between two rounds."""

    def __init__(self, times: Iterator[float]) -> None:
        self.times = times

    def __call__(self) -> float:
        return next(self.times)


class Rounds(threading.Event):
    """Lets five rounds pass, without a pause."""

    count = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.count += 1
        return self.count > 5
