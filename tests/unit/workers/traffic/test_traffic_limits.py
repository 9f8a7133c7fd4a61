"""Refusals and limits: targets that refuse, too few descriptors, invalid requests, wrong command lines."""

import contextlib
import os
import random
import socket

import pytest

from tests.unit.workers.traffic.traffic_rig import PLAIN, SANITIZED, load, origin, target


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("workload", ["http_keepalive", "http_churn", "tcp_rr", "udp_rr"])
def test_a_refusing_target_is_a_failure(workload: str) -> None:
    run = load("--workload", workload, "--closed", "--duration-ms", "50", "--target", target(free_port()))
    assert run.code == 1
    assert "only (127.0.0.1:" in run.err
    assert "refused" in run.final["failure"]
    assert set(run.one["errors"]) == {"refused"}


def test_an_unreachable_target_is_a_failure() -> None:
    run = load(
        "--workload", "tcp_rr", "--closed", "--duration-ms", "50", "--target", target(9, address="255.255.255.255")
    )
    assert run.code == 1
    assert "255.255.255.255:9" in run.final["failure"]


UNPRIVILEGED = ("setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource")


def test_too_few_descriptors_are_reported_before_traffic() -> None:
    with origin() as running:
        run = load(
            *("--workload", "tcp_rr", "--closed", "--connections", "100", "--duration-ms", "50"),
            *("--target", target(running.ports["tcp"])),
            # Without the capability, because a generator with it would raise the limit.
            prefix=("prlimit", "--nofile=60:60", *(UNPRIVILEGED if os.geteuid() == 0 else ())),
        )
    assert run.code == 1
    assert "need 132 open files, the limit is 60" in run.final["failure"]
    assert run.final["failure"] in run.err


def test_descriptors_that_run_out_are_reported_too() -> None:
    """The check before traffic does not count inherited descriptors: here, forty."""
    with origin() as running:
        shell = 'i=10; while [ $i -lt 50 ]; do eval "exec $i</dev/null"; i=$((i+1)); done; exec "$@"'
        run = load(
            *("--workload", "http_churn", "--closed", "--connections", "20", "--duration-ms", "80"),
            *("--target", target(running.ports["http"])),
            prefix=("prlimit", "--nofile=64:64", "bash", "-c", shell, "bash"),
        )
    assert run.code == 1
    assert "Too many open files; the limit of open files is 64" in run.final["failure"]
    assert run.one["errors"]["descriptors"] > 0
    assert run.one["requests"] > 0  # some requests succeeded, but the run has failed


REQUESTS = [
    b"GET /bytes/300000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /stream?tokens=3&cadence_us=100&size=24 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET /whoami HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 400,
    b"PUT /echo HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000 + b"GET /whoami HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 9000,
    b"\0" * 100,
]


def test_the_origin_survives_invalid_requests() -> None:
    """Mutated, pipelined, truncated and abandoned requests, under the sanitizers; then the origin still serves."""
    rng = random.Random(11)
    with origin(name=SANITIZED) as running:
        for index in range(250):
            data = bytearray(b"".join(rng.choices(REQUESTS, k=rng.randint(1, 3))))
            for _ in range(rng.randint(0, 5) if index >= len(REQUESTS) else 0):
                at = rng.randint(0, len(data) - 1)
                data[at : at + rng.randint(0, 5)] = rng.randbytes(rng.randint(0, 5))
            with socket.create_connection(("127.0.0.1", running.ports["http"]), timeout=60) as client:
                client.setblocking(False)
                with contextlib.suppress(OSError):
                    client.send(data[: rng.randint(1, len(data))])
                    if index % 3:
                        client.shutdown(socket.SHUT_WR)
                    if index % 5 == 0:
                        client.recv(100)
        run = load(
            *("--workload", "bulk_upload", "--closed", "--connections", "2", "--duration-ms", "50"),
            *("--target", target(running.ports["http"])),
        )
        assert (run.code, run.one["errors"]) == (0, {})
    assert running.final["bad_requests"] > 10


def test_pipelined_requests_are_answered_in_order() -> None:
    with origin(name=SANITIZED) as running, socket.create_connection(("127.0.0.1", running.ports["http"])) as client:
        client.sendall(b"".join(REQUESTS[:4]) + b"GET /bytes/3 HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = b""
        while more := client.recv(65536):
            answer += more
    assert answer.count(b"HTTP/1.1 200 OK") == 5
    assert answer.count(b"HTTP/1.1 100 Continue") == 1
    assert answer.index(b"Content-Length: 300000") < answer.index(b"text/event-stream") < answer.index(b'"bytes":5')
    assert answer.count(b"data: 000000000") == 3
    assert answer.endswith(b"Connection: close\r\n\r\n3zE")


TARGET = ("--target", "address=127.0.0.1,port=9")
LOAD = ("--workload", "tcp_rr", "--closed", "--duration-ms", "10", *TARGET)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --workload"),
        (("--workload", "smtp"), "--workload: 'smtp' is not known"),
        (("--workload", "tcp_rr"), "give at least one --target"),
        (("--workload", "tcp_rr", *TARGET), "give either --closed or --open RATE"),
        (("--workload", "tcp_rr", "--closed", "--open", "5", *TARGET), "give either --closed or --open RATE"),
        (("--workload", "tcp_rr", "--closed", *TARGET), "give --duration-ms"),
        ((*LOAD, "--open"), "--open: needs a value"),
        ((*LOAD, "--connections", "-1"), "--connections: '-1' is not a whole number from 1 to 1000000"),
        ((*LOAD, "--duration-ms", "1x"), "--duration-ms: '1x' is not a whole number"),
        ((*LOAD, "--speed", "9"), "--speed: no such option"),
        ((*LOAD, "extra"), "'extra' is not an option"),
        ((*LOAD, "--cpus", "0,0"), "CPU 0 is named twice"),
        ((*LOAD, "--cpus", "1000"), "CPU 1000"),
        ((*LOAD, "--cpus", "0,1", "--connections", "1"), "fewer than the 2 threads"),
        ((*LOAD, "--order", "nobody"), "'nobody' is no target's label"),
        ((*LOAD, *TARGET, "--target", "label=target0,address=::1,port=1"), "label 'target0' is given twice"),
        ((*LOAD, "--target", "address=localhost,port=9"), "'localhost' is not an IPv4 or IPv6 address"),
        ((*LOAD, "--target", "address=::1,port=0"), "port: '0' is not a whole number"),
        ((*LOAD, "--target", "address=::1"), "give address= and port="),
        ((*LOAD, "--target", "address=::1,port=9,source=127.0.0.1"), "two families"),
        ((*LOAD, "--target", "address=::1,port=9,netns=/nowhere/x"), "/nowhere/x: No such file"),
        ((*LOAD, "--target", "address=::1,port=9,label=a b"), "not a label"),
        ((*LOAD, "--body-bytes", "0"), "tcp_rr takes 1 to"),
        ((*LOAD, "--ports", "90-80"), "--ports: '80' is not a whole number from 90"),
        ((*LOAD, "--steps", "5"), "--ramp-to and --steps need --open"),
        ((*LOAD, "--check", "file=/nowhere"), "--check: /nowhere: No such file"),
        ((*LOAD, "--path", "x"), "--path: must begin with /"),
        ((*LOAD, "--path", "/a\r\nb"), "only visible ASCII"),
        ((*LOAD, "--slice-ms", "1", "--duration-ms", "86400000"), "more than 20000 slices"),
    ],
)
@pytest.mark.parametrize("name", [PLAIN, SANITIZED])
def test_bad_arguments_are_refused_clearly(options: tuple[str, ...], message: str, name: str) -> None:
    run = load(*options, name=name)
    assert run.code in (1, 2)
    assert message in run.err
    assert message in run.final["failure"]
    assert len(run.lines) == 1
