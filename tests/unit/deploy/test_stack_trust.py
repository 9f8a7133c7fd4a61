"""The private stack gives tokens to its own children only, and takes nothing that another user has prepared."""

import os
import signal
import socket

import pytest

from deploy.stack.children import StackError
from tests.unit.deploy.fake_showdown import wait_for_death


def test_the_coordinators_port_stays_its_own_while_it_is_dead(stack):
    with stack() as up:
        address = ("127.0.0.1", int(up.url.rpartition(":")[2]))
        os.kill(up.pids["coordinator"], signal.SIGKILL)
        wait_for_death("coordinator", up)
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                squatter.bind(address)
        with socket.create_connection(address, 60) as waiting:  # answered by the next coordinator
            waiting.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            up.watch()
            assert waiting.recv(100).startswith(b"HTTP/1.0 200")


def test_a_port_that_answers_like_a_coordinator_gets_no_token(stack, tmp_path):
    """A listener of another process was taken for ours, because its answer came first."""
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        with pytest.raises(StackError, match=f"127.0.0.1:{port} is used"), stack(port=port):
            pytest.fail("it was up")
        squatter.settimeout(0.1)
        with pytest.raises(TimeoutError):
            squatter.accept()


def test_a_state_directory_that_others_can_enter_is_refused(stack, tmp_path):
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    directory.chmod(0o755)
    with pytest.raises(StackError, match=r"other users can enter .*chmod 700"), stack():
        pytest.fail("it was up")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_state_directory_of_another_user_is_refused(stack, tmp_path):
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    os.chown(directory, 65534, 65534)
    with pytest.raises(StackError, match="belongs to the user with id 65534"), stack():
        pytest.fail("it was up")


@pytest.mark.parametrize("name", ["stack.lock", "coordinator.log", "secrets.json"])
def test_a_link_in_the_state_directory_is_not_followed(stack, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text('{"token": "chosen-by-another", "worker_token": "chosen-by-another"}')
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    (directory / name).symlink_to(victim)
    environment = {"KEEP_SECRETS": "1"} if name == "secrets.json" else {}
    with pytest.raises(StackError), stack(environment=environment):
        pytest.fail("it was up")
    assert "chosen-by-another" in victim.read_text()
