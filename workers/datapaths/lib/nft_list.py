"""A blocklist in nftables, at the prerouting hook: a set, or a rule for each entry.

The client's packets have one hop to live, and the chain prolongs those that it passes (``dut.one_hop``). So the path is
closed without the chain, its rules or its table.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from workers.datapaths.base import Attachment
from workers.datapaths.lib.filtering import BlockList, Crossed, filtering
from workers.lab import blocklist, dut, nft, nft_counters
from workers.lab.lab import Lab

LOAD_S = 120.0
"""For a million entries: nft(8) needs seconds, and a busy host several times as long."""
_DROP = "counter name blocked drop"
_TABLE = """\
    counter passed {{ }}
    counter blocked {{ }}
    {listed}
    chain filtering {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{client}" {match}
        iifname "{client}" {hops} set {full} counter name passed
    }}
"""
_HOPS = {4: "ip ttl", 6: "ip6 hoplimit"}


class NftList(BlockList, Protocol):
    """A list in the table: what it declares there, and the end of the rule that blocks."""

    @property
    def declared(self) -> str:
        """The set or chain."""

    @property
    def match(self) -> str:
        """What a packet of the client is put to."""


@dataclass(frozen=True)
class NftSet:
    """A set of addresses; ``flags`` make it one of intervals."""

    lab: Lab
    flags: str = ""

    @property
    def declared(self) -> str:
        """See the protocol."""
        kind = {4: "ipv4_addr", 6: "ipv6_addr"}[self.lab.spec.ip_version]
        return f"set blocklist {{ type {kind}; size {self.lab.spec.blocklist_entries + 1}; {self.flags} }}"

    @property
    def match(self) -> str:
        """See the protocol."""
        return f"{nft.family(self.lab)} saddr @blocklist {_DROP}"

    def prepared(self) -> Callable[[], None]:
        """See the protocol."""
        commands = self._commands("add", blocklist.entries(self.lab.spec))
        return lambda: nft.change(self.lab, commands, LOAD_S)

    def change(self, address: str, *, listed: bool) -> None:
        """See the protocol."""
        nft.change(self.lab, self._commands("add" if listed else "delete", [address]), LOAD_S)

    def _commands(self, verb: str, addresses: Iterable[str]) -> str:
        elements = ",\n".join(addresses)
        return f"{verb} element {nft.family(self.lab)} {nft.TABLE} blocklist {{ {elements} }}\n" if elements else ""


@dataclass(frozen=True)
class NftRules:
    """A chain with a rule for each entry, in sequence."""

    lab: Lab
    declared: str = "chain blocklist { }"
    match: str = "jump blocklist"
    _handles: dict[str, int] = field(default_factory=dict)

    def prepared(self) -> Callable[[], None]:
        """See the protocol."""
        head = f"add rule {nft.family(self.lab)} {nft.TABLE} blocklist"
        commands = "".join(f"{head} {self._rule(address)}\n" for address in blocklist.entries(self.lab.spec))
        return lambda: nft.change(self.lab, commands, LOAD_S)

    def change(self, address: str, *, listed: bool) -> None:
        """See the protocol."""
        if listed:
            self._handles[address] = nft.inserted_rule(self.lab, f"blocklist {self._rule(address)}")
        else:
            handle = self._handles.pop(address)
            nft.change(self.lab, f"delete rule {nft.family(self.lab)} {nft.TABLE} blocklist handle {handle}\n")

    def _rule(self, address: str) -> str:
        return f"{nft.family(self.lab)} saddr {address} {_DROP}"


def attach(name: str, lab: Lab, stack: ExitStack, entries: NftList) -> Attachment:
    """The table with the list, which is loaded before anything passes."""
    path = stack.enter_context(dut.one_hop(lab))
    stack.enter_context(nft.table(lab, _table(lab, entries.declared, entries.match)))
    return filtering(name, lab, entries, lambda: _crossed(lab), path)


def _table(lab: Lab, declared: str, match: str) -> str:
    client, hops = lab.devices["dut_client"], _HOPS[lab.spec.ip_version]
    return _TABLE.format(listed=declared, client=client, match=match, hops=hops, full=dut.FULL_HOP_LIMIT)


def _crossed(lab: Lab) -> Crossed:
    found = nft_counters.packets(lab.dut_ns, lab.spec.ip_version, nft.TABLE, "passed", "blocked")
    return Crossed(found["passed"], found["blocked"])
