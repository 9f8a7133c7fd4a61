"""nftables TPROXY to HAProxy: the classic way to steer traffic to a transparent proxy.

The rule fails open by itself (without a listener the kernel goes on behind it), so a counting drop follows it, and the
DUT does not forward.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from domain.jobs import HostCapabilities
from workers import dut, haproxy, nft, steering
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Lab
from workers.proxied import Proxied


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
            stack.enter_context(nft.table(lab, steering.tproxy_rules(lab)))
        except (OSError, DatapathError, haproxy.ProxyError) as error:
            raise DatapathError(f"tproxy: {error}") from error
        yield Proxied("tproxy", proxy, path, lambda: steering.tproxy_crossed(lab))
