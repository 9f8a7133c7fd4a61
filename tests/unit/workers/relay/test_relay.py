"""The relay: its command line, its limits, its end, its counters; what it carries is in test_relay_properties."""

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.workers.relay.relay_rig import PATIENCE_S, PLAIN, SANITIZED, program, reset, running, send_until_held_up
from workers.relay.page import ENDED, Page

EVERY = pytest.mark.parametrize("name", [PLAIN, SANITIZED])
GOOD = ["--listen", "127.0.0.1:0", "--origin", "127.0.0.1:9"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--listen and --page are needed"),
        (["--listen", "80"], "--listen: '80' is not ADDRESS:PORT"),
        (["--listen", "127.0.0.1:http"], "--listen: 'http' is not a whole number from 0 to 65535"),
        (["--listen", "localhost:80"], "--listen: 'localhost' is no IPv4 address, and no IPv6 address in brackets"),
        (["--listen", "127.0.0.1:0", "--page", "p"], "give either --origin or --transparent"),
        ([*GOOD, "--page", "p", "--transparent"], "give either --origin or --transparent"),
        ([*GOOD, "--page", "p", "--threads", "0"], "--threads: '0' is not a whole number from 1 to 256"),
        ([*GOOD, "--page", "p", "--targets-fd", "3"], "--targets-fd and --verdict-fd belong together"),
        ([*GOOD, "--page", "p", "--colour"], "an option is not known, or lacks its value"),
        ([*GOOD, "--page", "p", "more"], "'more' is no option"),
        ([*GOOD, "--page", "p", "--connections", "999999"], "--connections: 999999 need "),
        ([*GOOD, "--page", "no/such/directory/p"], "--page: No such file or directory"),
    ],
)
@EVERY
def test_a_wrong_command_line_is_refused_and_says_what_is_wrong(
    name: str, options: list[str], message: str, tmp_path: Path
) -> None:
    done = subprocess.run([program(name), *options], capture_output=True, text=True, cwd=tmp_path, timeout=10)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith(f"showdown-relay: {message}")


@EVERY
def test_a_port_in_use_is_told(name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        argv = [program(name), "--listen", listen, "--origin", "127.0.0.1:9", "--page", str(tmp_path / "p")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stderr) == (1, "showdown-relay: --listen: Address already in use\n")


@EVERY
def test_it_ends_on_sigterm_with_connections_open_and_its_page_stays(name: str, tmp_path: Path) -> None:
    with running(tmp_path, "--threads", "2", name=name) as relay, ExitStack() as stack:
        for _ in range(10):
            for end in relay.pair():
                stack.enter_context(end)
                end.sendall(b"x")
        relay.process.send_signal(signal.SIGTERM)
        assert relay.process.wait(PATIENCE_S) == 0
        page = Page(tmp_path / "page")
        assert page.state == ENDED
        assert (page.tally().accepted, page.tally().current) == (10, 0)
        page.close()


@EVERY
def test_more_clients_than_connections_wait_and_are_served_later(name: str, tmp_path: Path) -> None:
    with running(tmp_path, "--connections", "3", name=name) as relay, ExitStack() as stack:
        first = [tuple(map(stack.enter_context, relay.pair())) for _ in range(3)]
        waiting = stack.enter_context(relay.client())
        waiting.sendall(b"patience")
        relay.listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            relay.origin()
        tally = relay.page.tally()
        assert (tally.accepted, tally.current) == (3, 3)
        assert tally.held_back >= 1
        for end in first[0]:
            end.close()
        relay.listener.settimeout(PATIENCE_S)
        with relay.origin() as origin:
            assert origin.recv(100) == b"patience"
        relay.process.terminate()
        assert relay.process.stderr is not None
        assert "all 3 connections or the descriptors are in use; more clients wait" in relay.process.stderr.read()


@EVERY
def test_a_reader_that_does_not_read_holds_the_sender_up(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name) as relay:
        client, origin = relay.pair()
        with client, origin:
            left = send_until_held_up(client)
            assert left < 50_000_000, "the relay, or the kernel for it, keeps without bound"
            while left:
                left -= len(origin.recv(min(left, 1 << 20)))
            origin.sendall(b"read")
            assert client.recv(10) == b"read"


@EVERY
def test_a_sender_that_is_held_up_and_goes_is_noticed(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name) as relay:
        client, origin = relay.pair()
        with origin:
            send_until_held_up(client, 0.3)
            reset(client)
            assert relay.quiet().current == 0
            assert relay.page.tally().resets == 1


@EVERY
def test_an_origin_that_is_not_there_is_a_reset_and_a_failure(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name) as relay:
        relay.listener.close()
        # The reset may come before connect(2) has returned.
        with pytest.raises(ConnectionResetError), relay.client() as client:
            client.recv(1)
        assert relay.quiet().failures == 1


@EVERY
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


@EVERY
def test_ipv6(name: str, tmp_path: Path) -> None:
    with running(tmp_path, name=name, family=socket.AF_INET6) as relay:
        client, origin = relay.pair()
        with client, origin:
            client.sendall(b"six")
            assert origin.recv(10) == b"six"


def test_few_connections_are_spread_over_the_threads(tmp_path: Path) -> None:
    with running(tmp_path, "--threads", "4") as relay, ExitStack() as stack:
        for _ in range(8):
            for end in relay.pair():
                stack.enter_context(end)
        raw = memoryview((tmp_path / "page").read_bytes()).cast("Q")
        assert [raw[8 + 8 * thread + 1] for thread in range(4)] == [2, 2, 2, 2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_it_drops_what_it_does_not_need(tmp_path: Path) -> None:
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
