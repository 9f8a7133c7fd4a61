"""The load balancer of ``ebpf_lb`` in XDP, before the kernel makes a packet of what came in.

Same hashing, same table of connections, same translation; checksums are changed by hand. workers/xdp.py tells what XDP
and a veth ask of a lab. The routed path is closed, so what the programs miss is dropped and counted.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import ClassVar

from domain.jobs import HostCapabilities
from workers import balance, dut, tc, xdp
from workers.datapaths.base import Attachment, Datapath, DatapathError
from workers.lab import Ends, Lab


class EbpfXdpLb(Datapath):
    """One program per direction; compiled once per worker process, loaded for each lab."""

    name = "ebpf_xdp_lb"
    function = "balance"
    summary = "XDP balances over four origins: Maglev hashing, own connection table, DNAT."
    without = xdp.WITHOUT
    # No packet exists in the DUT, so none is received or sent there.
    unseen: ClassVar[frozenset[str]] = frozenset({"forward", "device_hop"})

    def __init__(self, mode: xdp.Mode | None = None) -> None:
        self._programs = xdp.XdpPrograms(self.name, ("config", "counts", *balance.MAPS), mode, balance.DEFINES)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "bcc", "kernel_headers", "bpf.xdp", "xdp.generic")

    def ends(self, lab: Lab) -> Ends:
        """The virtual address is asked, the client is seen."""
        return balance.ends(lab)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return self._attached(lab)

    @contextmanager
    def _attached(self, lab: Lab) -> Iterator[balance.Balancing]:
        with ExitStack() as stack:
            try:
                path = stack.enter_context(dut.closed_path(lab))
                devices = stack.enter_context(dut.devices_of(lab))
                config, table = balance.config(lab, {}), balance.table(lab, {})
                programs = stack.enter_context(self._programs.attached(lab, config, maglev=table))
            except tc.ERRORS as error:
                raise DatapathError(f"{self.name}: {error}") from error
            yield balance.Balancing(self.name, lab, programs, path, devices)
