"""A level's condition, put in force in the DUT of a lab: netfilter ballast, connection tracking, and what shows them.

Both are nft tables of our own, which stand before the datapath is attached and take no packet from it. A datapath whose
packets pass netfilter by pays for neither, and that is the point of asking.
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

# At prerouting, as every packet that comes to the DUT's IP layer passes there once, be it forwarded or delivered to a
# proxy: in ``forward`` a proxied packet would walk none, in ``input`` a forwarded one. At raw, so before connection
# tracking and before all that datapaths have of their own. A packet that met none of the rules walked them all: the
# last one counts it.
_BALLAST = """\
    counter walked {{ }}
    chain ballast {{
        type filter hook prerouting priority raw; policy accept;
{rules}
        counter name walked
    }}
"""
# One rule that asks for a connection's state makes the kernel track all of this namespace's IP version.
_TRACKING = """\
    counter begun { }
    chain tracking {
        type filter hook prerouting priority filter; policy accept;
        ct state new counter name begun
    }
"""
# Nobody's in a lab: class E, which no host may have (RFC 1112), and the documentation's prefix (RFC 3849).
_STRANGERS = {4: ("ip", IPv4Address("240.0.0.1")), 6: ("ip6", IPv6Address("2001:db8::1"))}
_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"


class ConditionError(RuntimeError):
    """A condition could not be put in force, or what shows it is gone."""


class AppliedCondition(Protocol):
    """A condition in force in one lab."""

    def conntrack_entries(self) -> int | None:
        """Connections in the DUT's table now; ``None`` where the kernel tracks none. Takes microseconds."""

    def ballast_packets(self) -> int | None:
        """Packets that have walked the ballast; ``None`` where there is none. Raises :class:`ConditionError`."""


@contextmanager
def apply_condition(lab: Lab, condition: Condition) -> Iterator[AppliedCondition]:
    """Put ``condition`` in force in the lab's DUT; leaving the context takes it away.

    Raises :class:`ConditionError` with nothing left behind.
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
            # nft complains of every rule that it does not like: the first will do.
            raise ConditionError(f"{condition}: {str(error).splitlines()[0]}") from error
        yield _InForce(lab, condition, count)


@dataclass(frozen=True)
class _InForce:
    lab: Lab
    condition: Condition
    count: int | None  # of connections: the file's descriptor

    def conntrack_entries(self) -> int | None:
        """See the protocol."""
        return None if self.count is None else int(os.pread(self.count, 32, 0))

    def ballast_packets(self) -> int | None:
        """See the protocol."""
        if not self.condition.ballast_rules:
            return None
        try:
            return nft.packets(self.lab, "walked", table=BALLAST_TABLE)["walked"]
        except nft.NftError as error:
            raise ConditionError(str(error)) from error


def _ballast(condition: Condition) -> str:
    family, first = _STRANGERS[condition.ip_version]
    return "\n".join(f"        {family} saddr {first + number} drop" for number in range(condition.ballast_rules))


def _open_count(lab: Lab, stack: ExitStack) -> int | None:
    try:
        descriptor = netns.call_in(lab.dut_ns, lambda: os.open(_COUNT, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor
