"""Applies a level's condition to the DUT of a lab: netfilter ballast and connection tracking, and their counters.

Both are separate nft tables, added before the datapath is attached. They accept every packet. A datapath that
bypasses netfilter pays for neither; a campaign with conditions shows that difference.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from domain.condition import Condition
from workers.lab import netns, nft
from workers.lab.lab import Lab

BALLAST_TABLE, TRACKING_TABLE = "showdown_ballast", "showdown_tracking"

# At prerouting, because every packet traverses it once in the DUT, forwarded or delivered to a proxy. A proxied packet
# never reaches ``forward``, and a forwarded one never reaches ``input``. Priority raw comes before connection tracking
# and before all rules of datapaths. No rule matches, so each packet walks all of them, and the last one counts it.
_BALLAST = """\
    counter walked {{ }}
    chain ballast {{
        type filter hook prerouting priority raw; policy accept;
{rules}
        counter name walked
    }}
"""
# One rule on a connection's state makes the kernel track all connections of its IP version in this namespace.
_TRACKING = """\
    counter begun { }
    chain tracking {
        type filter hook prerouting priority filter; policy accept;
        ct state new counter name begun
    }
"""
# Addresses that no host in a lab has: class E (RFC 1112) and the prefix for documentation (RFC 3849).
_UNUSED_ADDRESSES = {4: ("ip", IPv4Address("240.0.0.1")), 6: ("ip6", IPv6Address("2001:db8::1"))}
_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"


class ConditionError(RuntimeError):
    """A condition could not be applied, or its counter is gone."""


class AppliedCondition(Protocol):
    """A condition that is applied to one lab."""

    def conntrack_entries(self) -> int | None:
        """Connections in the DUT's table now; ``None`` if the kernel tracks none. Takes microseconds."""

    def ballast_packets(self) -> int | None:
        """Packets that have walked the ballast; ``None`` if there is none. Raises :class:`ConditionError`."""


@contextmanager
def apply_condition(lab: Lab, condition: Condition) -> Iterator[AppliedCondition]:
    """Apply ``condition`` to the lab's DUT; leaving the context removes it.

    Raises :class:`ConditionError` and leaves nothing behind.
    """
    with ExitStack() as stack:
        try:
            count = _open_count(lab, stack)
            if condition.ballast_rules:
                body = _BALLAST.format(rules=_ballast(condition))
                stack.enter_context(nft.table(lab, body, BALLAST_TABLE))
            if condition.conntrack:
                stack.enter_context(nft.table(lab, _TRACKING, TRACKING_TABLE))
        except (OSError, nft.NftError) as error:
            # nft prints an error for every rule; the first is enough.
            raise ConditionError(f"{condition}: {str(error).splitlines()[0]}") from error
        yield _Applied(lab, condition, count)


@dataclass(frozen=True)
class _Applied:
    lab: Lab
    condition: Condition
    count_fd: int | None  # of nf_conntrack_count

    def conntrack_entries(self) -> int | None:
        """See the protocol."""
        return None if self.count_fd is None else int(os.pread(self.count_fd, 32, 0))

    def ballast_packets(self) -> int | None:
        """See the protocol."""
        if not self.condition.ballast_rules:
            return None
        try:
            return nft.packets(self.lab, "walked", table=BALLAST_TABLE)["walked"]
        except nft.NftError as error:
            raise ConditionError(str(error)) from error


def _ballast(condition: Condition) -> str:
    family, first = _UNUSED_ADDRESSES[condition.ip_version]
    return "\n".join(f"        {family} saddr {first + number} drop" for number in range(condition.ballast_rules))


def _open_count(lab: Lab, stack: ExitStack) -> int | None:
    try:
        descriptor = netns.call_in(lab.dut_ns, lambda: os.open(_COUNT, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor
