"""What datapaths share that defend a server against floods of SYNs: settings, counters, and judged sources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from domain.trials.counters import Counters
from domain.trials.figures import TrialFigure
from workers.datapaths.base import DatapathError, raised_by
from workers.lab import blocklist, dut, netns
from workers.lab.lab import Lab

SYN_COOKIES = "net/ipv4/tcp_syncookies"  # of both IP versions: 0 never, 1 if a listener's queue is full, 2 always
TIMESTAMPS = "net/ipv4/tcp_timestamps"  # 2: without a random offset for each connection
TIME_WAITS = "net/ipv4/tcp_max_tw_buckets"  # connections that a host remembers for a minute after they have ended
SOURCES_KEPT = 65_536
_DEFAULT_MTU, _HEADERS_BYTES = 1500, {4: 20 + 20, 6: 40 + 20}


@dataclass(frozen=True)
class Limit:
    """How many SYNs a source may send; above it, it opens no more connections."""

    per_s: int
    burst: int


def limit_of(lab: Lab) -> Limit:
    """In a flood half of what each source sends at 20,000 SYNs/s, else a limit that nothing reaches."""
    return Limit(500, 100) if lab.spec.flood_sources else Limit(1_000_000, 100_000)


@contextmanager
def settings(place: str, values: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """Set sysctls of a namespace, and restore them afterwards.

    Yields what raises :class:`DatapathError` if one has another value. Raises ``OSError``.
    """

    def read() -> dict[str, str]:
        return {key: Path("/proc/sys", key).read_text().strip() for key in values}

    def check() -> None:
        for key, found in netns.call_in(place, read).items():
            if found != values[key]:
                raise DatapathError(f"{key.replace('/', '.')} is {found}, not {values[key]}")

    before = netns.call_in(place, read)
    try:
        netns.call_in(place, lambda: netns.write_sysctls(dict(values)))
        check()
        yield check
    finally:
        netns.call_in(place, lambda: netns.write_sysctls(before))


class Defending:
    """An attached defence: its counters, and its settings, which must stay."""

    def __init__(self, name: str, read: Callable[[], Counters], check: Callable[[], None] = lambda: None) -> None:
        self._name, self._read, self._check = name, read, check

    def counters(self) -> Counters:
        """Raises ``DatapathError`` also if a setting has changed."""
        with raised_by(self._name):
            self._check()
            return self._read()


class Accounting(Defending):
    """A defence that judges sources; ``Figured`` of workers.datapaths.base."""

    def __init__(self, name: str, lab: Lab, read: Callable[[], Counters], found: Callable[[], Sequence[str]]) -> None:
        super().__init__(name, read)
        self._lab, self._found = lab, found

    def figures(self) -> tuple[TrialFigure, ...]:
        """Which sources it has found to send too much."""
        with raised_by(self._name):
            return found_figures(self._lab, self._found())


def found_figures(lab: Lab, found: Sequence[str]) -> tuple[TrialFigure, ...]:
    """Shares of the flood's addresses, and of the clients', that were found to send too much."""
    if not lab.spec.flood_sources:
        return ()
    network = ip_network(blocklist.NETWORKS[lab.spec.ip_version])
    attackers = sum(ip_address(one) in network for one in found)
    hurt = len(set(found) & set(lab.source_addresses))
    return (
        _share("attackers_found_percent", "attackers found", attackers, lab.spec.flood_sources),
        _share("clients_hurt_percent", "clients hurt", hurt, len(lab.source_addresses)),
    )


def _share(name: str, title: str, count: int, of: int) -> TrialFigure:
    return TrialFigure(name=name, title=title, unit="%", most=100.0, value=100 * count / of)


def in_server(name: str, lab: Lab, stack: ExitStack, syn_cookies: str) -> Defending:
    """The server's own kernel defends it; the DUT routes."""
    devices = stack.enter_context(dut.devices_of(lab))
    check = stack.enter_context(settings(lab.server_ns, {SYN_COOKIES: syn_cookies}))

    def read() -> Counters:
        return Counters(packets=min(devices.received("dut_client"), devices.sent("dut_server")))

    return Defending(name, read, check)


@dataclass(frozen=True)
class Offer:
    """What a SYN-ACK in the server's name must offer, so that the server agrees with it later."""

    mss: int
    window_scale: int


def offer_of(lab: Lab) -> Offer:
    """What the lab's server itself would offer."""

    def largest_buffer() -> int:
        sizes = [Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2]]
        sizes.append(Path("/proc/sys/net/core/rmem_max").read_text())
        return max(map(int, sizes))

    mtu = lab.spec.mtu or _DEFAULT_MTU
    # tcp_select_initial_window() of net/ipv4/tcp_output.c: 16 bits hold the buffer, shifted by 0 to 14.
    scale = max(0, min(14, netns.call_in(lab.server_ns, largest_buffer).bit_length() - 16))
    return Offer(mss=mtu - _HEADERS_BYTES[lab.spec.ip_version], window_scale=scale)
