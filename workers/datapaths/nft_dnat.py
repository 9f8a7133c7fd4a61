"""nftables DNAT over the origins, by a hash of the client's address and port; connection tracking remembers the choice.

The DUT forwards, so two things close the path: nobody has a route to the virtual address, and a table of its own lets
through only what was translated, and drops and counts the rest.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from domain.counters import Counters
from domain.jobs import HostCapabilities
from workers.datapaths.base import Attachment, Datapath, DatapathError, Tracking
from workers.datapaths.lib import balancing
from workers.datapaths.lib.errors import raised_by
from workers.lab import dut, nft
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_GUARD = "showdown_guard"
_RULES = """\
    {counters}
    counter refused {{ }}
    chain balance {{
        type nat hook prerouting priority dstnat; policy accept;
        {rule}
    }}
    {chains}
"""
_GUARDING = """\
    counter steered {{ }}
    counter past {{ }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        iifname "{client}" ct status dnat counter name steered accept
        iifname "{server}" ct status dnat accept
        counter name past drop
    }}
"""


class NftDnat(Datapath):
    """``dnat`` behind ``jhash`` in a nat chain."""

    name = "nft_dnat"
    function = "balance"
    summary = "nftables DNAT over four origins: jhash of the client's address and port, conntrack."
    ip_versions = frozenset({4, 6})
    tracking = Tracking.ALWAYS

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """See the contract."""
        return capabilities.lacking("root", "netns", "veth", "program.nft", "nft.dnat")

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The virtual address is asked, the client is seen."""
        return balancing.client_endpoint(lab)

    def attached(self, lab: Lab) -> AbstractContextManager[Attachment]:
        """See the contract."""
        return _attached(lab)


@contextmanager
def _attached(lab: Lab) -> Iterator["Translation"]:
    numbers = range(len(lab.origin_addresses))
    rules = _RULES.format(
        counters=" ".join(f"counter origin{n} {{ }};" for n in numbers),
        rule=_rule(lab, lab.origin_addresses),
        # Only the first packet of a connection comes here: what is counted is connections.
        chains="\n".join(
            f"chain origin{n} {{ counter name origin{n} dnat to {lab.origin_addresses[n]}; }}" for n in numbers
        ),
    )
    with ExitStack() as stack:
        with raised_by("nft_dnat"):
            path = stack.enter_context(dut.unroutable(lab))
            guarding = _GUARDING.format(client=lab.devices["dut_client"], server=lab.devices["dut_server"])
            stack.enter_context(nft.table(lab, guarding, _GUARD))
            stack.enter_context(nft.table(lab, rules))
        yield Translation(lab, path)


def _rule(lab: Lab, up: tuple[str, ...]) -> str:
    ip, port = nft.family(lab), lab.origin_port
    match = f'iifname "{lab.devices["dut_client"]}" {ip} daddr {lab.virtual_address} tcp dport {port}'
    if not up:
        return f"{match} counter name refused drop"
    goals = ", ".join(f"{n} : goto origin{lab.origin_addresses.index(address)}" for n, address in enumerate(up))
    # A seed of its own would be another in every lab, and so would be the shares.
    return f"{match} jhash {ip} saddr . tcp sport mod {len(up)} seed 0x5d vmap {{ {goals} }}"


@dataclass
class Translation:
    """Counts by nft's named counters; it has no count of payload."""

    lab: Lab
    path: dut.ClosedPath
    _down: set[str] = field(default_factory=set)

    def counters(self) -> Counters:
        """See the contract."""
        addresses = self.lab.origin_addresses
        with raised_by("nft_dnat"):
            given = nft.packets(self.lab, "refused", *(f"origin{n}" for n in range(len(addresses))))
            crossed = nft.packets(self.lab, "steered", "past", table=_GUARD)
        origins = {address: given[f"origin{n}"] for n, address in enumerate(addresses)}
        return Counters(
            packets=crossed["steered"],
            connections=sum(origins.values()),
            leaked_packets=self.path.leaked_packets() + crossed["past"],
            dropped_packets=given["refused"],
            origins=origins,
        )

    def mark(self, address: str, state: balancing.State) -> None:
        """Say of an origin whether it gets new connections; standing ones stay.

        Raises :class:`DatapathError`, or ``ValueError``.
        """
        balancing.check(self.lab, address)
        if state is balancing.State.GONE:
            raise DatapathError("nft_dnat: connection tracking keeps the connections of an origin that is gone")
        if state is balancing.State.UP:
            self._down.discard(address)
        else:
            self._down.add(address)
        up = tuple(one for one in self.lab.origin_addresses if one not in self._down)
        table = f"{nft.family(self.lab)} {nft.TABLE}"
        with raised_by("nft_dnat"):
            nft.change(self.lab, f"flush chain {table} balance\nadd rule {table} balance {_rule(self.lab, up)}\n")
