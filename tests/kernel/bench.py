"""A lab with an origin that records its clients, for the tests of datapaths."""

import contextlib
import http.client
import os
import random
import socket
import string
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bpf import objects
from bpf.enums import AttachType
from bpf.links import detach_all
from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath
from workers.datapaths.lib import tc
from workers.lab import cleanup, netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec

_NGINX = """\
daemon off;
pid {run_dir}/nginx.pid;
error_log stderr;
worker_processes 2;
user root;
events {{ worker_connections 8192; }}
http {{
    log_format client "$remote_addr";
    log_format origin "$server_addr $remote_port";
    access_log {run_dir}/clients.log client;
    access_log {run_dir}/origins.log origin;
    server {{
        listen 80;
        listen [::]:80;
        location / {{ return 200 "hello"; }}
        location /origin {{ return 200 $server_addr; }}
        location /large {{ alias {run_dir}/large; }}
    }}
}}
"""
BODY = b"hello"
PATIENCE_S = 20.0  # for what must happen: a busy machine stops a process for seconds
SILENCE_S = 0.3  # for what must not happen
ASK = b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n"
_SWAPPED = {"dut_client": "dut_server", "dut_server": "dut_client"}


@dataclass
class Bench:
    """One lab, with its datapath attached and its origin listening."""

    lab: Lab
    attachment: Attachment
    _before: Counters | None = None
    _before_requests: int = 0

    def begin(self) -> "Bench":
        """Count from now on, for a test in a lab that others have used."""
        self._before, self._before_requests = self.attachment.counters(), 0
        self._before_requests = len(self.clients_seen())
        return self

    def counters(self) -> Counters:
        now = self.attachment.counters()
        return now if self._before is None else now.minus(self._before)

    def counters_with(self, payload_bytes: int) -> Counters:
        """The counters once they show ``payload_bytes``; HAProxy adds a connection's bytes when it has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while (now := self.counters()).bytes is not None and now.bytes < payload_bytes and time.monotonic() < deadline:
            time.sleep(0.005)
        return now

    def get(self, requests: int = 1, timeout_s: float = PATIENCE_S) -> int:
        """Send requests on one connection from the client's namespace; returns how many were answered."""

        def talk() -> int:
            answered = 0
            with contextlib.suppress(OSError), http_connection(self.lab, timeout_s) as connection:
                for _ in range(requests):
                    connection.request("GET", "/")
                    answered += connection.getresponse().read() == BODY
            return answered

        return netns.call_in(self.lab.client_endpoint.netns, talk)

    def clients_seen(self, expected: int = 0) -> list[str]:
        """The client's address of each request that reached the origin, once there are ``expected``."""
        return self._logged("clients.log", expected)

    def origins_seen(self, expected: int = 0) -> list[tuple[str, int]]:
        """The origin's address and the client's port of each request, once there are ``expected``."""
        lines = (line.split() for line in self._logged("origins.log", expected))
        return [(address, int(port)) for address, port in lines]

    def _logged(self, name: str, expected: int) -> list[str]:
        log, deadline = self.lab.run_dir / name, time.monotonic() + PATIENCE_S
        # nginx writes its log after the answer.
        while len(seen := self._lines(log)) < expected and time.monotonic() < deadline:
            time.sleep(0.005)
        return seen

    def _lines(self, log: Path) -> list[str]:
        return log.read_text().splitlines()[self._before_requests :]

    def in_dut(self, *argv: str) -> str:
        return netns.run_in(self.lab.dut_ns, argv)

    def connection(self, timeout_s: float = PATIENCE_S) -> socket.socket:
        """An established connection from the client's namespace; what is received on it must come within a second."""
        client = self.lab.client_endpoint
        made = netns.call_in(client.netns, lambda: client.connect(timeout_s))
        made.settimeout(1)
        return made


@contextmanager
def http_connection(lab: Lab, timeout_s: float = PATIENCE_S) -> Iterator[http.client.HTTPConnection]:
    """HTTP as the lab's client speaks it, from the calling thread's namespace. Raises ``OSError``."""
    client = lab.client_endpoint
    with contextlib.closing(http.client.HTTPConnection(client.address, client.port)) as connection:
        connection.sock = client.connect(timeout_s)
        yield connection


def answered(connection: socket.socket, timeout_s: float = PATIENCE_S) -> bool:
    """Whether a request on an established connection is answered; a reset, a FIN and a timeout are no answers."""
    connection.settimeout(timeout_s)
    try:
        connection.sendall(ASK)
        return bool(connection.recv(1000))
    except (TimeoutError, ConnectionError):
        return False


@contextmanager
def ifindexes(lab: Lab, change: Callable[[str], int]) -> Iterator[None]:
    """Within the context, the lab's devices have the interface indexes that ``change`` returns by role."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "ifindex", change)
        yield


@contextmanager
def wrong_ifindex(lab: Lab, role: str, ifindex: int = 4242) -> Iterator[None]:
    """Within the context, one of the lab's devices has an interface index that does not exist."""
    right = lab.ifindex
    with ifindexes(lab, lambda one: ifindex if one == role else right(one)):
        yield


@contextmanager
def swapped_devices(lab: Lab) -> Iterator[None]:
    """Within the context, the DUT's two devices are exchanged in the lab."""
    right, names = lab.ifindex, lab.devices
    lab.devices = {role: names[_SWAPPED.get(role, role)] for role in names}
    try:
        with ifindexes(lab, lambda role: right(_SWAPPED.get(role, role))):
            yield
    finally:
        lab.devices = names


def detach_ingress(lab: Lab, role: str) -> int:
    """Detach the tc programs at a DUT device's ingress, as another process could; returns how many there were."""
    if not tc.has_tcx():
        argv = ["tc", "qdisc", "del", "dev", lab.devices[role], "clsact"]
        return int(netns.call_in(lab.dut_ns, lambda: subprocess.run(argv, capture_output=True).returncode) == 0)
    return netns.call_in(lab.dut_ns, lambda: detach_all(lab.ifindex(role), AttachType.TCX_INGRESS))


def detach_link(hook: AttachType) -> None:
    """Detach the only BPF link at ``hook`` that this process holds, as another process could."""
    (link,) = (one for one in objects.own_links().values() if one.hook == hook)
    objects.detach(link)


class HeldNamespaces:
    """Labs' namespaces, which stay until the test has looked for processes in them.

    The kernel reuses the inode of a namespace that ended at once: processes of another test's lab could be found.
    """

    def __init__(self, *names: str) -> None:
        self._fds: list[int] = []
        self.add(*names)

    def add(self, *names: str) -> None:
        self._fds += [os.open(netns.path(name), os.O_RDONLY | os.O_CLOEXEC) for name in names]

    def inodes(self) -> set[int]:
        return {os.fstat(fd).st_ino for fd in self._fds}

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


def new_tag() -> str:
    return "".join(random.choices(string.digits + string.ascii_lowercase, k=6))


@contextmanager
def bench(datapath: Datapath, directory: Path, ip_version: int = 4, **more: Any) -> Iterator[Bench]:
    """Build a lab with ``datapath`` attached, of ``more`` fields; afterwards assert that nothing of it is left."""
    tag, descriptors = new_tag(), set(os.listdir("/proc/self/fd"))
    programs: set[int] = set()
    with ExitStack() as stack:
        fields = {"disabled_offloads": datapath.disabled_offloads, "ip_version": ip_version, **more}
        spec = LabSpec(tag, datapath.name, 1, **fields)
        lab = stack.enter_context(built(spec, CleanupRegister(directory)))
        held = HeldNamespaces(*lab.namespaces)
        lab.client_endpoint = datapath.client_endpoint(lab)
        start_origin(lab)
        attachment = stack.enter_context(datapath.attached(lab))
        programs = own_programs()
        yield Bench(lab, attachment)
    assert_nothing_left(tag, held, directory)
    assert_unloaded(programs - own_programs())
    # Only a compiled module stays open, for the next lab: its maps and their type information.
    still = {_target(fd) for fd in set(os.listdir("/proc/self/fd")) - descriptors}
    assert still <= {"anon_inode:bpf-map", "anon_inode:btf", ""}, still


def sharing(datapaths: Iterable[str | Datapath]) -> pytest.MarkDecorator:
    """Test each of the datapaths in the lab of the fixture ``shared``: one after the other, each in all such tests."""
    given = list(datapaths)
    ids = [one if isinstance(one, str) else one.name for one in given]
    return pytest.mark.parametrize("shared", given, ids=ids, indirect=True, scope="module")


def start_origin(lab: Lab) -> None:
    config = lab.run_dir / "nginx.conf"
    config.write_text(_NGINX.format(run_dir=lab.run_dir))
    process = lab.spawn("server", ["nginx", "-p", str(lab.run_dir), "-c", str(config)], task_role="origin")
    deadline = time.monotonic() + PATIENCE_S
    while not netns.call_in(lab.server_ns, lambda: _listens(lab)):
        assert process.poll() is None, process.output()
        assert time.monotonic() < deadline, "nginx does not listen"
        time.sleep(0.005)


def assert_nothing_left(tag: str, held: HeldNamespaces, directory: Path) -> None:
    """Assert that the labs of ``tag`` have left no object and no process; ``held`` is closed."""
    with contextlib.closing(held):
        assert netns.names(f"sd-{tag}") == []
        # The lab waits only for the leader of a process group that it killed: the others may still be exiting.
        deadline = time.monotonic() + PATIENCE_S
        while left := cleanup.processes_in(held.inodes()):
            assert time.monotonic() < deadline, f"still in the lab's namespaces: {[_command(one.pid) for one in left]}"
            time.sleep(0.005)
    assert list(cleanup.RUN_ROOT.glob(f"{tag}*")) == []
    assert list(directory.glob("*")) == []


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes().decode()}"
    return f"{pid}, which has ended"


def own_programs() -> set[int]:
    """The ids of the BPF programs that this process holds."""
    ids = set()
    for fd in os.listdir("/proc/self/fdinfo"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
                if line.startswith("prog_id:"):
                    ids.add(int(line.split()[1]))
    return ids


def assert_unloaded(programs: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while loaded := [program for program in programs if objects.is_loaded(program)]:
        assert time.monotonic() < deadline, f"BPF programs still loaded: {loaded}"
        time.sleep(0.01)  # the kernel frees a program after a grace period


def _listens(lab: Lab) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in lab.server_address else socket.AF_INET) as probe:
        return probe.connect_ex((lab.server_address, lab.origin_port)) == 0


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""  # closed meanwhile, as the descriptor of the listing itself
