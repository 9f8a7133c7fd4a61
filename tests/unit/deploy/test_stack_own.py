"""What belongs to the stack alone: files, ports, and how often children may be started again."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from deploy.stack.listeners import OwnPort, close_listener, listen, owns_listener
from deploy.stack.private_files import read_own, write_own
from deploy.stack.restarts import LIMIT, WINDOW_S, Restarts


def test_files_of_the_state_directory_are_this_users_alone(tmp_path):
    write_own(tmp_path / "one", "text")
    write_own(tmp_path / "one", "t")
    assert read_own(tmp_path / "one") == "t"
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    with pytest.raises(PermissionError):
        read_own(tmp_path / "one")


def test_whose_listener_a_port_is(tmp_path):
    with listen(0) as ours:
        port = ours.getsockname()[1]
        assert owns_listener(os.getpid(), port)
        with subprocess.Popen(["sleep", "60"]) as other:
            assert not owns_listener(other.pid, port)
            other.kill()
    assert not owns_listener(os.getpid(), port)


def test_a_listener_of_another_process_can_be_closed():
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', 0))"
    code += "; print(s.getsockname()[1], flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        port = int(other.stdout.readline())
        socket.create_connection(("127.0.0.1", port)).close()
        close_listener(other.pid, port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with pytest.raises(OSError, match="does not listen"):
            close_listener(other.pid, port)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone binds such ports")
def test_another_user_cannot_take_the_port_of_influxd():
    ports = [OwnPort() for _ in range(20)]
    assert all(port.number < 1024 for port in ports)
    assert len({port.number for port in ports}) == 20, "two stacks never choose one port, though no server listens yet"
    for port in ports:
        port.close()


def test_the_limit_of_restarts_counts_over_time_and_not_over_life():
    now = 0.0
    restarts = Restarts(lambda: now)
    for _ in range(4 * LIMIT):
        assert restarts.allow()
        now += WINDOW_S / LIMIT + 1
    assert [restarts.allow() for _ in range(LIMIT + 1)].count(False) >= 1
    assert restarts.total >= 4 * LIMIT
