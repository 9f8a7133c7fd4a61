"""nftables DNAT over the origins, by a hash of the client's address and port; connection tracking remembers the choice.

The DUT forwards, so two things close the path. There is no route to the virtual address. A separate table accepts only
packets that were translated, and drops and counts the others.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field

from domain.trials.counters import Counters
from workers.datapaths.base import Attachment, Datapath, DatapathError, Tracking, raised_by
from workers.datapaths.lib import balancing
from workers.lab import dut, nft
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_GUARD = "showdown_guard"
_RULES = """\
    {counters}
    counter refused {{ }}
    chain balance {{
        type nat hook prerouting priority dstnat; policy accept;
        {rules}
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
    summary = "nftables DNAT over the origins: jhash of the client's address and port, conntrack."
    requires = ("program.nft", "nft.dnat")
    tracking = Tracking.ALWAYS
    protocols = frozenset({"tcp", "udp"})

    def client_endpoint(self, lab: Lab) -> ClientEndpoint:
        """The client connects to the virtual address; the origin sees the client's address."""
        return balancing.client_endpoint(lab)

    def attach(self, lab: Lab, stack: ExitStack) -> Attachment:
        path = stack.enter_context(dut.unroutable(lab))
        guarding = _GUARDING.format(client=lab.devices["dut_client"], server=lab.devices["dut_server"])
        stack.enter_context(nft.table(lab, guarding, _GUARD))
        stack.enter_context(nft.table(lab, _rules(lab)))
        return Translation(self.name, lab, path)


def _rules(lab: Lab) -> str:
    numbers = range(len(lab.origin_addresses))
    return _RULES.format(
        counters=" ".join(f"counter origin{n} {{ }};" for n in numbers),
        rules="\n        ".join(_rules_of_protocols(lab, lab.origin_addresses)),
        # Only the first packet of a connection or flow reaches a nat chain: these counters count connections.
        chains="\n".join(
            f"chain origin{n} {{ counter name origin{n} dnat to {lab.origin_addresses[n]}; }}" for n in numbers
        ),
    )


def _rules_of_protocols(lab: Lab, up: tuple[str, ...]) -> list[str]:
    return [_rule(lab, up, protocol) for protocol in ("tcp", "udp")]


def _rule(lab: Lab, up: tuple[str, ...], protocol: str) -> str:
    ip, port = nft.family(lab), lab.origin_port
    match = f'iifname "{lab.devices["dut_client"]}" {ip} daddr {lab.virtual_address} {protocol} dport {port}'
    if not up:
        return f"{match} counter name refused drop"
    goals = ", ".join(f"{n} : goto origin{lab.origin_addresses.index(address)}" for n, address in enumerate(up))
    # Without a fixed seed nft would choose one per rule, and the origins' shares would differ from lab to lab.
    return f"{match} jhash {ip} saddr . {protocol} sport mod {len(up)} seed 0x5d vmap {{ {goals} }}"


@dataclass
class Translation:
    """Counts by nft's named counters, which do not count payload."""

    name: str
    lab: Lab
    path: dut.ClosedPath
    _down: set[str] = field(default_factory=set)

    def counters(self) -> Counters:
        addresses = self.lab.origin_addresses
        with raised_by(self.name):
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
        """Set whether an origin gets new connections; established ones stay.

        Raises :class:`DatapathError`, or ``ValueError``.
        """
        balancing.check(self.lab, address)
        if state is balancing.State.GONE:
            raise DatapathError(f"{self.name}: connection tracking keeps the connections of an origin that is gone")
        if state is balancing.State.UP:
            self._down.discard(address)
        else:
            self._down.add(address)
        up = tuple(one for one in self.lab.origin_addresses if one not in self._down)
        table = f"{nft.family(self.lab)} {nft.TABLE}"
        with raised_by(self.name):
            rules = "".join(f"add rule {table} balance {rule}\n" for rule in _rules_of_protocols(self.lab, up))
            nft.change(self.lab, f"flush chain {table} balance\n{rules}")

    def mark_health(self, address: str, up: bool) -> None:
        """Set whether an origin gets new connections; established ones stay. Raises :class:`DatapathError`."""
        self.mark(address, balancing.State.UP if up else balancing.State.DOWN)
