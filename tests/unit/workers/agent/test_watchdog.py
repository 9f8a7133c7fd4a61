"""A worker that takes nothing though messages wait is ended; no other is."""

import pytest

from workers.agent.watchdog import DEAF_S, LOOK_S, Watchdog


class Worker:
    """What a watchdog sees of a worker."""

    def __init__(self) -> None:
        self.now = 0.0
        self.taken = self.waiting = 0
        self.is_busy = False
        self.away: Exception | None = None
        self.ended: list[float] = []
        self.watchdog = Watchdog(
            taken=lambda: self.taken,
            waiting=self.ask,
            busy=lambda: self.is_busy,
            end=lambda: self.ended.append(self.now),
            clock=lambda: self.now,
        )

    def ask(self) -> int:
        if self.away is not None:
            raise self.away
        return self.waiting

    def watch(self, seconds: float) -> None:
        for _ in range(round(seconds / LOOK_S)):
            self.now += LOOK_S
            self.watchdog.look()


def test_a_deaf_worker_is_ended_after_a_minute() -> None:
    worker = Worker()
    worker.watch(30)
    worker.waiting = 1
    worker.watch(DEAF_S)
    assert worker.ended == []
    worker.watch(LOOK_S)
    assert worker.ended == [30 + LOOK_S + DEAF_S]


def test_a_worker_that_takes_messages_lives_however_many_wait() -> None:
    worker = Worker()
    worker.waiting = 1000
    for _ in range(30):
        worker.taken += 1
        worker.watch(50)
    assert worker.ended == []


def test_an_idle_worker_lives() -> None:
    worker = Worker()
    worker.watch(600)
    assert worker.ended == []


def test_a_worker_that_runs_a_block_lives() -> None:
    worker = Worker()
    worker.waiting, worker.is_busy = 3, True
    worker.watch(600)
    assert worker.ended == []
    worker.is_busy = False  # the count begins when the block has ended
    worker.watch(DEAF_S)
    assert worker.ended == []
    worker.watch(LOOK_S)
    assert len(worker.ended) == 1


@pytest.mark.parametrize("error", [OSError("away"), RuntimeError("no connection")])
def test_without_redis_a_worker_lives_and_says_why(error: Exception) -> None:
    worker = Worker()
    worker.waiting, worker.away = 1, error
    worker.watch(600)
    assert worker.ended == []
    assert str(error) in worker.watchdog.broker_error
    assert worker.watchdog.queued is None
    worker.away = None
    worker.watch(LOOK_S)
    assert (worker.watchdog.broker_error, worker.watchdog.queued) == ("", 1)


def test_it_looks_again_and_again_whatever_happens() -> None:
    worker, pauses = Worker(), []

    def wait(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    def fails() -> int:
        raise MemoryError

    worker.watchdog.wait, worker.watchdog.taken = wait, fails
    with pytest.raises(KeyboardInterrupt):
        worker.watchdog.run()
    assert pauses == [LOOK_S] * 3
