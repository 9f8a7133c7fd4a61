"""nftables TPROXY to HAProxy: the classic way to steer traffic to a transparent proxy.

The rule fails open by itself (without a listener the kernel goes on behind it), so a counting drop follows it, and the
DUT does not forward.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from domain.jobs import HostCapabilities
from domain.trial import Counters
from workers import dut, haproxy, netns
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Lab

TABLE = "showdown"

_RULES = """\
table ip {table} {{
    counter steered {{ }}
    counter past {{ }}
    counter unclaimed {{ }}
    chain prerouting {{
        type filter hook prerouting priority mangle; policy accept;
        iifname "{client}" ip daddr {origin} tcp dport {port} jump from_client
        iifname "{server}" ip saddr {origin} tcp sport {port} jump from_origin
    }}
    chain from_client {{
        ip protocol tcp tproxy to :{listen} meta mark set {mark} counter name steered accept
        counter name past drop
    }}
    chain from_origin {{
        socket transparent 1 meta mark set {mark} accept
        counter name unclaimed drop
    }}
}}
"""


class Tproxy(Datapath):
    """nft ``tproxy`` towards the origin, ``socket transparent`` back."""

    name = "tproxy"
    function = "steer"
    summary = "nftables TPROXY to HAProxy, which keeps the client's address."

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "program.nft", "program.haproxy", "nft.tproxy", "nft.socket"
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    with ExitStack() as stack:
        try:
            path = stack.enter_context(dut.closed_path(lab))
            proxy = stack.enter_context(haproxy.running(lab))
            stack.enter_context(dut.local_delivery(lab))
            stack.enter_context(_rules(lab))
            attachment = Steering(lab, proxy, path)
        except (OSError, haproxy.ProxyError) as error:
            raise DatapathError(f"tproxy: {error}") from error
        yield attachment


@contextmanager
def _rules(lab: Lab) -> Iterator[None]:
    rules = _RULES.format(
        table=TABLE,
        client=lab.devices["dut_client"],
        server=lab.devices["dut_server"],
        origin=lab.server_address,
        port=lab.origin_port,
        listen=haproxy.LISTEN_PORT,
        mark=dut.MARK,
    )
    _nft(lab, "-f", "-", stdin=rules)
    try:
        yield
    finally:
        # Two commands, one transaction: the first makes sure that there is something to delete.
        _nft(lab, "-f", "-", stdin=f"table ip {TABLE}\ndelete table ip {TABLE}\n")


class Steering:
    """Counts by the rule itself, by the drop behind it, and by HAProxy."""

    def __init__(self, lab: Lab, proxy: haproxy.HaProxy, path: dut.ClosedPath) -> None:
        self._lab, self._proxy, self._path = lab, proxy, path

    def counters(self) -> Counters:
        """See the contract. ``dropped_packets`` are the origin's packets that no connection of HAProxy claimed."""
        try:
            connections, sent = self._proxy.connections_and_bytes()
        except haproxy.ProxyError as error:
            raise DatapathError(f"tproxy: {error}") from error
        packets = self._packets()
        return Counters(
            packets=packets["steered"],
            bytes=sent,
            connections=connections,
            leaked_packets=packets["past"] + self._path.leaked_packets(),
            dropped_packets=packets["unclaimed"],
        )

    def _packets(self) -> dict[str, int]:
        listing = json.loads(_nft(self._lab, "-j", "list", "counters", "table", "ip", TABLE))
        found = {
            item["counter"]["name"]: item["counter"]["packets"] for item in listing["nftables"] if "counter" in item
        }
        if not {"steered", "past", "unclaimed"} <= set(found):
            raise DatapathError("tproxy: the nft counters are gone")
        return found


def _nft(lab: Lab, *arguments: str, stdin: str = "") -> str:
    try:
        return netns.run_in(lab.dut_ns, ["nft", *arguments], stdin=stdin)
    except subprocess.SubprocessError as error:
        detail = getattr(error, "stderr", None) or str(error)
        raise DatapathError(f"tproxy: nft: {detail.strip()}") from error
