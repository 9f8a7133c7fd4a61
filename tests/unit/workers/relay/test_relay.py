"""The relay's command line, limits, shutdown and counters. test_relay_properties covers the data it carries."""

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.workers.relay.relay_rig import PATIENCE_S, PLAIN, SANITIZED, program, reset, running, send_until_blocked
from workers.relay.stats_page import COUNTER_NAMES, ENDED, StatsPage

BOTH_BUILDS = pytest.mark.parametrize("name", [PLAIN, SANITIZED])
ADDRESSES = ["--listen", "127.0.0.1:0", "--origin", "127.0.0.1:9"]
VALID = [*ADDRESSES, "--stats-page", "p"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--listen and --stats-page are required"),
        (["--listen", "80"], "--listen: '80' is not ADDRESS:PORT"),
        (["--listen", "127.0.0.1:http"], "--listen: 'http' is not a whole number from 0 to 65535"),
        (["--listen", "localhost:80"], "--listen: 'localhost' is no IPv4 address, and no IPv6 address in brackets"),
        (["--listen", "127.0.0.1:0", "--stats-page", "p"], "give either --origin or --transparent"),
        ([*VALID, "--transparent"], "give either --origin or --transparent"),
        ([*VALID, "--threads", "0"], "--threads: '0' is not a whole number from 1 to 256"),
        ([*VALID, "--targets-fd", "3"], "give --targets-fd and --verdict-fd together"),
        ([*VALID, "--colour"], "--colour: no such option"),
        ([*VALID, "--threads"], "--threads: needs a value"),
        ([*VALID, "more"], "'more' is not an option"),
        ([*ADDRESSES, "--stats-page", "no/such/directory/p"], "--stats-page: No such file or directory"),
    ],
)
@BOTH_BUILDS
def test_a_wrong_command_line_is_refused_with_a_message(
    name: str, options: list[str], message: str, tmp_path: Path
) -> None:
    done = subprocess.run([program(name), *options], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f"showdown-relay: {message}")


@BOTH_BUILDS
def test_more_connections_than_the_limit_of_open_files_allows_are_refused(name: str, tmp_path: Path) -> None:
    # Without CAP_SYS_RESOURCE the relay cannot raise the hard limit.
    setpriv = ["setpriv", "--bounding-set", "-sys_resource"] if os.geteuid() == 0 else []
    argv = ["prlimit", "--nofile=1000:1000", *setpriv, program(name), *VALID, "--connections", "500"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    message = "--connections: 500 connections need 3065 file descriptors, but the limit is 1000"
    assert (done.returncode, done.stderr) == (1, f"showdown-relay: {message}\n")


@BOTH_BUILDS
def test_help_names_every_option(name: str) -> None:
    done = subprocess.run([program(name), "--help"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: showdown-relay --listen ADDRESS:PORT")
    for option in ("--listen", "--origin", "--transparent", "--stats-page", "--threads", "--connections", "--backlog",
                   "--targets-fd", "--verdict-fd"):  # fmt: skip
        assert f"\n  {option}" in done.stdout


@BOTH_BUILDS
def test_a_port_in_use_is_reported(name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        argv = [program(name), "--listen", listen, "--origin", "127.0.0.1:9", "--stats-page", str(tmp_path / "p")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "showdown-relay: --listen: Address already in use\n")


@BOTH_BUILDS
def test_it_exits_on_sigterm_with_open_sessions_and_leaves_its_statistics(name: str, tmp_path: Path) -> None:
    with running(tmp_path, "--threads", "2", name=name) as relay, ExitStack() as stack:
        for _ in range(10):
            for side in relay.pair():
                stack.enter_context(side)
                side.sendall(b"x")
        relay.process.send_signal(signal.SIGTERM)
        assert relay.process.wait(PATIENCE_S) == 0
        page = StatsPage(tmp_path / "stats")
        assert page.state == ENDED
        assert (page.counters().accepted, page.counters().current) == (10, 0)
        page.close()


@BOTH_BUILDS
def test_clients_beyond_the_limit_wait_and_are_served_later(name: str, tmp_path: Path) -> None:
    with running(tmp_path, "--connections", "3", name=name) as relay, ExitStack() as stack:
        first = [tuple(map(stack.enter_context, relay.pair())) for _ in range(3)]
        waiting = stack.enter_context(relay.client())
        waiting.sendall(b"patience")
        relay.listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            relay.origin()
        counters = relay.counters()
        assert (counters.accepted, counters.current) == (3, 3)
        assert counters.held_back >= 1
        for side in first[0]:
            side.close()
        relay.listener.settimeout(PATIENCE_S)
        with relay.origin() as origin:
            assert origin.recv(100) == b"patience"
        relay.process.terminate()
        assert relay.process.stderr is not None
        message = relay.process.stderr.read()
        assert "all 3 connections or file descriptors are in use; new clients wait" in message
        assert message.count("\n") == 1


@BOTH_BUILDS
def test_a_reader_that_does_not_read_blocks_the_sender(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name) as relay:
        client, origin = relay.pair()
        with client, origin:
            left = send_until_blocked(client)
            assert left < 50_000_000, "the relay, or the kernel on its behalf, buffers without bound"
            while left:
                left -= len(origin.recv(min(left, 1 << 20)))
            origin.sendall(b"read")
            assert client.recv(10) == b"read"


@BOTH_BUILDS
def test_a_reset_by_a_blocked_sender_is_noticed(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name) as relay:
        client, origin = relay.pair()
        with origin:
            send_until_blocked(client, 0.3)
            reset(client)
            assert relay.counters_once_idle().current == 0
            assert relay.counters().resets == 1


@BOTH_BUILDS
def test_an_origin_that_refuses_is_a_reset_and_a_failure(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name) as relay:
        relay.listener.close()
        # The reset may come before connect(2) has returned.
        with pytest.raises(ConnectionResetError), relay.client() as client:
            client.recv(1)
        assert relay.counters_once_idle().failures == 1


@BOTH_BUILDS
def test_it_sleeps_while_nothing_happens_even_half_closed(name: str, tmp_path: Path) -> None:
    with running(tmp_path, "--threads", "2", name=name) as relay:
        client, origin = relay.pair()
        with client, origin:
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            assert (origin.recv(1), origin.recv(1)) == (b"x", b"")
            before = cpu_ticks(relay.process.pid)
            time.sleep(0.5)
            assert cpu_ticks(relay.process.pid) - before <= 1
            origin.sendall(b"y")
            assert client.recv(1) == b"y"


@BOTH_BUILDS
def test_ipv6(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name, family=socket.AF_INET6) as relay:
        client, origin = relay.pair()
        with client, origin:
            client.sendall(b"six")
            assert origin.recv(10) == b"six"


def test_few_connections_spread_evenly_over_the_threads(tmp_path: Path) -> None:
    with running(tmp_path, "--threads", "4") as relay, ExitStack() as stack:
        for _ in range(8):
            for side in relay.pair():
                stack.enter_context(side)
        current = COUNTER_NAMES.index("current")
        assert [counters[current] for counters in relay.stats_page.counters_by_thread()] == [2, 2, 2, 2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_it_drops_the_privileges_it_does_not_need(tmp_path: Path) -> None:
    with running(tmp_path) as relay:
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{relay.process.pid}/status").read_text().splitlines()
        )
        assert status["Uid"].split() == ["65534"] * 4
        assert (int(status["CapEff"], 16), int(status["CapPrm"], 16), status["NoNewPrivs"]) == (0, 0, "1")
        assert status["Groups"].strip() == ""


def cpu_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
