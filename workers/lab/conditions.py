"""Applies a level's condition to a lab: ballast, connection tracking, attack, loss and delay, and their counters.

The list of a blocklist is the datapath's own matter (``LabSpec.blocklist_entries``). Ballast and tracking are separate
nft tables, added before the datapath is attached. They accept every packet. A datapath that bypasses netfilter pays for
neither; a campaign with conditions shows that difference.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, fields
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from bpf.loader import BpfError
from domain.loads.condition import Condition
from domain.trials.evidence import Attack, Loss
from domain.values.texts import error_text
from workers.lab import affinity, attack, delay, loss, netns, nft, vlans
from workers.lab.attack import AttackError, Attacking
from workers.lab.lab import DEVICES, Lab, LabError
from workers.lab.loss import Losses
from workers.lab.spec import LabSpec

BALLAST_TABLE, TRACKING_TABLE = "showdown_ballast", "showdown_tracking"

# At prerouting, because every packet traverses it once in the DUT, forwarded or delivered to a proxy. A proxied packet
# never reaches ``forward``, and a forwarded one never reaches ``input``. Priority raw comes before connection tracking
# and before all rules of datapaths. No rule matches, so each packet traverses all of them, and the last one counts it.
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


def spec_fields(condition: Condition) -> dict[str, Any]:
    """What a lab must know of its condition before it is built: the fields that ``LabSpec`` has, too."""
    names = {field.name for field in fields(LabSpec)} & set(Condition.model_fields)
    return {name: getattr(condition, name) for name in names}


class AppliedCondition(Protocol):
    """A condition that is applied to one lab."""

    def conntrack_entries(self) -> int | None:
        """Connections in the DUT's table now; ``None`` if the kernel tracks none. Takes microseconds."""

    def ballast_packets(self) -> int | None:
        """Packets that have traversed the ballast; ``None`` if there is none. Raises :class:`ConditionError`."""

    def beside(self) -> AbstractContextManager[None]:
        """What runs beside the traffic, as long as the context lasts: an attack or flood.

        Raises :class:`ConditionError`.
        """

    def attack(self) -> Attack | None:
        """The packets of the attack or flood since the condition was applied; ``None`` without one."""

    def losses(self) -> dict[str, Loss] | None:
        """What each host sent and lost since then; ``None`` without loss. Raises :class:`ConditionError`."""


@contextmanager
def apply_condition(lab: Lab, condition: Condition) -> Iterator[AppliedCondition]:
    """Apply ``condition`` to the lab's DUT; leaving the context removes it.

    Raises :class:`ConditionError` and leaves nothing behind.
    """
    with ExitStack() as stack:
        try:
            _check_mtu(lab, condition)
            _check_vlan(lab, condition)
            affinity.of_proxies(lab.spec)
            count = _open_count(lab, stack)
            if condition.ballast_rules:
                body = _BALLAST.format(rules=_ballast(condition))
                stack.enter_context(nft.table(lab, body, BALLAST_TABLE))
            if condition.conntrack:
                stack.enter_context(nft.table(lab, _TRACKING, TRACKING_TABLE))
            attacking = None
            if condition.spoofed_per_s:
                attacking = stack.enter_context(attack.prepared(lab, condition.spoofed_per_s))
            losses = None
            if condition.loss_percent:
                losses = stack.enter_context(loss.losing(lab, condition.loss_percent))
            if condition.delay_us:
                stack.enter_context(delay.delaying(lab, condition.delay_us))
        except (OSError, NetlinkError, BpfError, AttackError, LabError, nft.NftError) as error:
            # nft prints an error for every rule; the first is enough.
            raise ConditionError(f"{condition}: {error_text(error).splitlines()[0]}") from error
        yield _Applied(lab, condition, count, attacking, losses)


@dataclass(frozen=True)
class _Applied:
    lab: Lab
    condition: Condition
    count_fd: int | None  # of nf_conntrack_count
    attacking: Attacking | None = None
    losing: Losses | None = None

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

    def beside(self) -> AbstractContextManager[None]:
        """See the protocol."""
        return nullcontext() if self.attacking is None else self._attacked(self.attacking)

    @contextmanager
    def _attacked(self, attacking: Attacking) -> Iterator[None]:
        try:
            with attacking.going_on():
                yield
        except AttackError as error:
            raise ConditionError(f"{self.condition}: {error}") from error

    def attack(self) -> Attack | None:
        """See the protocol."""
        return None if self.attacking is None else self.attacking.so_far()

    def losses(self) -> dict[str, Loss] | None:
        """See the protocol."""
        if self.losing is None:
            return None
        try:
            return self.losing.so_far()
        except (OSError, BpfError, LabError) as error:
            raise ConditionError(f"{self.condition}: {error_text(error)}") from error


def _ballast(condition: Condition) -> str:
    family, first = _UNUSED_ADDRESSES[condition.ip_version]
    return "\n".join(f"        {family} saddr {first + number} drop" for number in range(condition.ballast_rules))


def _check_mtu(lab: Lab, condition: Condition) -> None:
    """Raises :class:`ConditionError` if a device of the lab has another MTU than the condition."""
    for device, link in _links(lab) if condition.mtu else ():
        if (found := int(link.get_attr("IFLA_MTU"))) != condition.mtu:
            raise ConditionError(f"{condition}: {device} has an MTU of {found}, not {condition.mtu}")


def _check_vlan(lab: Lab, condition: Condition) -> None:
    """Raises :class:`ConditionError` if a device of the lab is not on the VLAN of the condition."""
    for device, link in _links(lab) if condition.vlan else ():
        if vlans.tag_of(link) != vlans.VLAN_ID:
            raise ConditionError(f"{condition}: {device} is no device of VLAN {vlans.VLAN_ID}")


def _links(lab: Lab) -> Iterator[tuple[str, Any]]:
    """The devices of the links to client and server, and how the kernel describes them now."""
    for role, place in DEVICES.items():
        device = lab.devices[role]
        yield device, netns.call_in(lab.netns_of(place), lambda device=device: _link(device))  # type: ignore[misc]


def _link(device: str) -> Any:
    with IPRoute() as ip:
        (found,) = ip.get_links(ifname=device)
        return found


def _open_count(lab: Lab, stack: ExitStack) -> int | None:
    try:
        descriptor = netns.call_in(lab.dut_ns, lambda: os.open(_COUNT, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor
