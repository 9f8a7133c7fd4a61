"""Failures by their time, and the origin's port for health checks."""

import socket
import threading

from tests.unit.workers.traffic.test_traffic_errors import BODY, head, server
from tests.unit.workers.traffic.traffic_rig import SANITIZED, good, load, origin, target
from workers.traffic.event import Failed

OPTIONS = ("--workload", "http_churn", "--duration-ms", "300", "--failed-ms", "10", "--check", "none")


def test_each_failure_is_in_the_step_in_which_it_was_due_and_in_that_in_which_it_happened() -> None:
    answers = threading.Semaphore(60)

    def mortal(connection: socket.socket) -> None:
        """Answers 60 requests, and no more."""
        if answers.acquire(blocking=False):
            connection.sendall(head(10, more="Connection: close\r\n") + BODY)
        connection.close()

    with server(mortal) as port:
        run = load(*OPTIONS, "--open", "400", "--target", target(port), name=SANITIZED)
    (one,) = run.final["slices"]
    lost, errors = one["failed"]["lost"], one["failed"]["errors"]
    assert one["failed"]["step_ns"] == 10_000_000
    assert len(lost) == len(errors) == 31, "a step for what is later than the slice's end"
    assert sum(lost) == one["errors"] == one["sent"] - 60 > 0
    assert sum(errors) == sum(run.one["errors"].values())
    assert not any(lost[:14]), "60 of 400 per second last for 0.15 s"
    assert lost[-1] == 0, "nothing is due after the end"
    assert all(sum(errors[:step]) <= sum(lost[:step]) for step in range(30)), "no error precedes its request"


def test_without_failures_and_without_the_option_there_is_nothing() -> None:
    with origin() as running:
        run = good(*OPTIONS, "--open", "100", "--target", target(running.ports["http"]))
        plain = good(*OPTIONS[:4], "--open", "100", "--target", target(running.ports["http"]))
    failed = run.final["slices"][0]["failed"]
    assert failed["lost"] == failed["errors"] == [0] * 31
    assert "failed" not in plain.final["slices"][0]


def test_health_checks_are_counted_apart_and_anyone_may_check() -> None:
    with origin("--health", "0", "--expect-client", "127.0.0.9", name=SANITIZED) as running:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", running.ports["health"]), timeout=20) as check:
                assert check.recv(1) == b""
    counts = {name: running.final[name] for name in ("checks", "connections", "wrong_clients")}
    assert counts == {"checks": 3, "connections": 0, "wrong_clients": 0}


def test_failures_of_two_clients_add_up_and_are_summed_over_a_time() -> None:
    failed = Failed(0.1, (1, 0, 2, 0), (0, 1, 2, 4)).plus(Failed(0.1, (1, 1, 1, 0), (1, 1, 1, 0)))
    assert failed == Failed(0.1, (2, 1, 3, 0), (1, 2, 3, 4))
    assert failed.between(0.1, 0.3) == (4, 5)
    assert failed.between(0.05, 9.0) == (4, 9)
