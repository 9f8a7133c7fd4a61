"""nginx as a transparent proxy in the DUT: its module ``stream``, which forwards bytes.

nginx cannot make a transparent listener. So the listener is made here, in the DUT, and nginx takes it over as it does
when its program is replaced (the variable ``NGINX``). The address that a client asked for is the one of the accepted
socket, ``$server_addr``. nginx counts the connections that it accepts, and logs the bytes of each when it has ended.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from workers.datapaths.lib.proxied import LISTEN_PORT, ProxyError, threads
from workers.inventory.features import NGINX_STREAM
from workers.lab import limits, netns, unprivileged
from workers.lab.lab import Lab, LabError
from workers.lab.process import Process
from workers.origins.base import OriginError
from workers.origins.nginx import accepted_by

CAPABILITIES = ("net_admin", "net_bind_service")
START_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 10_000
SPARE_FDS = 64  # listeners, logs and channels of a process of nginx
BACKLOG = 65_535

_ANY_ADDRESS = {4: "0.0.0.0", 6: "[::]"}  # noqa: S104  # in the lab's namespace
_ASKED = {4: "$server_addr", 6: "[$server_addr]"}
_FAMILIES = {4: (socket.AF_INET, socket.SOL_IP, 19), 6: (socket.AF_INET6, socket.IPPROTO_IPV6, 75)}
"""The family, and the level and the number of the option IP_TRANSPARENT or IPV6_TRANSPARENT."""

CONFIG = """\
load_module {module};
daemon off;
worker_processes {threads};
worker_rlimit_nofile {files};
pid {place}/nginx.pid;
error_log {place}/nginx.log warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {place};
    proxy_temp_path {place};
    fastcgi_temp_path {place};
    uwsgi_temp_path {place};
    scgi_temp_path {place};
    server {{
        listen unix:{place}/status.sock;
        location / {{ stub_status; }}
    }}
}}
stream {{
    log_format sent "$bytes_sent";
    access_log {place}/sent.log sent buffer=64k flush=10ms;
    proxy_connect_timeout 5s;
    proxy_timeout 1h;
    server {{
        listen {any_address}:{port};
        proxy_bind $remote_addr transparent;
        proxy_pass {asked}:{port};
    }}
}}
"""


class NginxStream:
    """A running nginx. Its counters are cumulative since its start."""

    def __init__(self, process: Process, place: Path) -> None:
        self.process = process
        self._place = place
        self._queries = 0
        self._read_bytes = self._sent_bytes = 0

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted from clients, and bytes sent to those that have ended. Raises :class:`ProxyError`."""
        if self.process.poll() is not None:
            raise ProxyError(f"nginx ended with status {self.process.returncode}: {self.process.output()[-300:]}")
        try:
            accepted = accepted_by(self._place / "status.sock")
        except OriginError as error:
            raise ProxyError(str(error)) from error
        self._queries += 1  # each is a connection, too
        return accepted - self._queries, self._logged_bytes()

    def _logged_bytes(self) -> int:
        with (self._place / "sent.log").open("rb") as log:
            log.seek(self._read_bytes)
            *lines, rest = log.read().split(b"\n")  # nginx may have written half of the last line
            self._read_bytes = log.tell() - len(rest)
        self._sent_bytes += sum(map(int, lines))
        return self._sent_bytes


@contextmanager
def running(lab: Lab) -> Iterator[NginxStream]:
    """Run nginx in the lab's DUT from listening to stopped. Raises :class:`ProxyError` with nothing left."""
    place, config = unprivileged.directory(lab.run_dir, "nginx-stream"), lab.run_dir / "nginx-stream.conf"
    files = limits.open_files(2 * MAX_CONNECTIONS + SPARE_FDS)  # of each process; two for each connection
    version = lab.spec.ip_version
    config.write_text(
        CONFIG.format(
            module=NGINX_STREAM,
            threads=threads(lab),
            files=files,
            connections=files - SPARE_FDS,
            place=place,
            any_address=_ANY_ADDRESS[version],
            port=LISTEN_PORT,
            asked=_ASKED[version],
        )
    )
    config.chmod(0o644)
    with closing(netns.call_in(lab.dut_ns, lambda: transparent_listener(version))) as listener:
        number = listener.fileno()
        argv = ["env", f"NGINX={number};", "nginx", "-p", str(place), "-e", str(place / "nginx.log"), "-c", str(config)]
        try:
            process = lab.spawn("dut", argv, task_role="proxy", fds=(number,), keeping=CAPABILITIES)
        except LabError as error:
            raise ProxyError(str(error)) from error
        try:
            proxy = NginxStream(process, place)
            _wait_until_running(proxy)
            listener.close()  # so that nobody listens once nginx is gone
            yield proxy
        finally:
            lab.stop(process)


def transparent_listener(version: int) -> socket.socket:
    """A listening socket in the calling thread's namespace that takes connections to any address."""
    family, level, option = _FAMILIES[version]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(level, option, 1)
        if version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as nginx compares it with its own
        made.bind(("", LISTEN_PORT))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _wait_until_running(proxy: NginxStream) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            proxy.connections_and_bytes()
        except (ProxyError, OSError):
            if proxy.process.poll() is not None or time.monotonic() > deadline:
                raise ProxyError(f"nginx did not start: {proxy.process.output() or 'no message'}") from None
            time.sleep(0.002)
        else:
            return
