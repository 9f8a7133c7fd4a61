"""nftables TPROXY to the project's own relay, which moves bytes by splice(2): the control arm for ``ebpf_sockmap``.

Steering is that of the datapath ``tproxy``, so against it only the proxy differs. It fails closed in the same way.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from domain.jobs import HostCapabilities
from workers import dut, nft, steering
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Lab
from workers.proxied import Proxied, ProxyError
from workers.relay import driver


class SpliceProxy(Datapath):
    """nft ``tproxy``, and a small relay in C."""

    name = "splice_proxy"
    function = "splice"
    summary = "A small relay moves bytes by splice(2), steered to by TPROXY; the client's address is kept."

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking(
            "root", "netns", "veth", "program.nft", "program.showdown-relay", "nft.tproxy", "nft.socket"
        )

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator[Attachment]:
    with ExitStack() as stack:
        try:
            path = stack.enter_context(dut.closed_path(lab))
            relay = stack.enter_context(driver.running(lab))
            stack.enter_context(dut.local_delivery(lab))
            stack.enter_context(nft.table(lab, steering.tproxy_rules(lab)))
        except (OSError, DatapathError, ProxyError) as error:
            raise DatapathError(f"splice_proxy: {error}") from error
        yield Proxied("splice_proxy", relay, path, lambda: steering.tproxy_crossed(lab))
