"""The terms of a condition, one row each. Pure.

Parsing, printing, the limits of the fields, the form, the REST catalogue and the documents read these rows. A new term
is a row here and its field of :class:`domain.loads.condition.Condition`, which prints its terms in the rows' order.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import Field

from domain.values.bounds import MAX_ORIGINS

OFFLOADS = ("rx_checksum", "tx_checksum", "tso", "gso", "gro")
"""Offloads that a condition can disable on every device of a lab; workers/lab/offloads.py uses these names."""


class Number(NamedTuple):
    """The number that a term takes: what its brackets show, its unit in a sentence, its limits, and its decimals."""

    shown: str
    unit: str
    least: int
    most: int
    decimals: int = 0

    @property
    def limits(self) -> str:
        """In words, as a message has them."""
        return f"at most {self.most} {self.unit}" if not self.least else f"{self.least} to {self.most} {self.unit}"

    @property
    def range(self) -> str:
        """The same for readers of documents."""
        return f"{self.least:,} to {self.most:,} {self.unit}"


class Term(NamedTuple):
    """One term: the field that it sets, and what it does, in sentences.

    A term without a number sets its ``value``, or adds it to a field with several. ``default`` is what the field has
    without the term. ``needs`` are the features that a host must have (workers/inventory/features.py).
    """

    name: str
    field: str
    text: str
    number: Number | None = None
    value: Any = True
    default: Any = False
    needs: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """The term as a message names it."""
        return f"{self.name}({self.number.shown})" if self.number else self.name

    @property
    def is_one_of_several(self) -> bool:
        """Whether its field has a set of values."""
        return isinstance(self.default, frozenset)

    def written(self, setting: Any) -> str:
        """The term as it is written for a field's value; empty if that value is not this term's."""
        if self.is_one_of_several:
            return self.name if self.value in setting else ""
        if self.number is not None:
            return "" if setting == self.default else f"{self.name}({setting:.9g})"
        return self.name if setting == self.value != self.default else ""

    def read(self, text: str, digits: str) -> Any:
        """The value that the written term sets. Raises ``ValueError`` with the fix."""
        if self.number is None:
            return self.value
        value = round(float(digits), self.number.decimals) if self.number.decimals else int(digits)
        if not self.number.least <= value <= self.number.most:
            raise ValueError(f"{text}: {self.number.limits}")
        return value


TERMS = (
    Term("ipv4", "ip_version", "The lab's traffic is IPv4, as it is without this term.", value=4, default=4),
    Term("ipv6", "ip_version", "The lab's traffic is IPv6.", value=6, default=4),
    Term(
        "ballast",
        "ballast_rules",
        "nftables rules in the DUT that match no packet. Every packet that reaches its IP layer traverses all of them.",
        number=Number("rules", "rules", 0, 20_000),  # as in a few real firewalls; walked in a fraction of a millisecond
        default=0,
        needs=("program.nft",),
    ),
    Term(
        "blocklist",
        "blocklist_entries",
        "Addresses in the list of datapaths that filter. Other datapaths have no list.",
        number=Number("entries", "entries", 0, 1_000_000),
        default=0,
    ),
    Term(
        "attack",
        "attack_per_s",
        "TCP SYNs per second beside the load. Their sources are spoofed: entries of the blocklist, or addresses of its "
        "range without one; at most 16,384 of them.",
        number=Number("packets/s", "packets per second", 0, 500_000),  # one sender on one CPU makes about as many
        default=0,
    ),
    Term(
        "syn_flood",
        "syn_flood_per_s",
        "TCP SYNs per second beside the load, from twenty spoofed addresses that never answer.",
        number=Number("SYNs/s", "SYNs per second", 0, 500_000),
        default=0,
    ),
    Term(
        "conntrack",
        "conntrack",
        "The DUT tracks connections although the datapath does not need it.",
        needs=("program.nft", "nft.ct"),
    ),
    *(
        Term(
            f"no_{name}",
            "without",
            "Every device of the lab does without that offload. GRO is off unless the term gro asks for it.",
            value=name,
            default=frozenset(),
        )
        for name in OFFLOADS
    ),
    Term(
        "client_rate",
        "client_rate_mbit",
        "Mbit/s that datapaths which shape must allow each client address, from the origin. Others ignore it.",
        number=Number("Mbit/s", "Mbit/s", 1, 10_000),
        default=None,
    ),
    Term(
        "udp_gso",
        "udp_gso",
        "Senders of datagrams give the kernel a flight at once (UDP_SEGMENT), and take merged ones (UDP_GRO).",
    ),
    Term(
        "mtu",
        "mtu",
        "The MTU of every device of the lab. Without it: 1,500.",
        number=Number("bytes", "bytes", 1280, 9000),  # less than 1280 is not IPv6 (RFC 8200)
        default=None,
    ),
    Term("gro", "gro", "Every device of the lab merges packets on receipt, which switches a veth into NAPI mode."),
    Term(
        "proxy_threads",
        "proxy_threads",
        "Threads of each proxy, HAProxy and the relay. Without it: one for each CPU of the DUT, or of `proxy_cpus`.",
        number=Number("number", "threads", 1, 64),
        default=None,
    ),
    Term(
        "proxy_cpus",
        "proxy_cpus",
        "Every proxy runs on the first so many CPUs of the DUT only (sched_setaffinity). Without it: on all of them.",
        number=Number("number", "CPUs", 1, 64),
        default=None,
    ),
    Term(
        "origins",
        "origins",
        "Origins behind the virtual address of datapaths that balance. Others have one origin. Without it: 4.",
        number=Number("number", "origins", 2, MAX_ORIGINS),
        default=4,
    ),
    Term(
        "loss",
        "loss_percent",
        "Share of packets that the client and the server lose of those that they send, chosen at random by a seed.",
        number=Number("percent", "percent", 0, 10, decimals=2),
        default=0.0,
        needs=("bcc", "kernel_headers", "tc.bpf"),
    ),
    Term(
        "delay",
        "delay_us",
        "Microseconds by which the network delays each packet that the client and the server send.",
        number=Number("µs", "µs", 1, 1_000_000),
        default=None,
        needs=("program.tc", "qdisc.netem"),
    ),
    Term(
        "vlan",
        "vlan",
        "Frames between client, DUT and server carry an 802.1Q tag: each device of these links is a VLAN device.",
        needs=("vlan",),
    ),
)

BY_NAME: Mapping[str, Term] = {term.name: term for term in TERMS}
LISTED = tuple(term for term in TERMS if term.is_one_of_several or term.number or term.value != term.default)
"""Those that change something; the others are accepted and never printed."""
USAGE = ", ".join(term.usage for term in LISTED)
"""All terms, for messages."""

_TERM = re.compile(r"^([a-z0-9_]+)(?:\s*\(\s*([0-9]{1,9}(?:\.([0-9]{1,4}))?)\s*\))?$")


def term_of(text: str) -> tuple[Term, Any] | None:
    """A written term and the value that it sets; ``None`` if it is no term. Raises ``ValueError`` with the fix."""
    if not (match := _TERM.match(text)) or not (term := BY_NAME.get(match[1])):
        return None
    decimals = term.number.decimals if term.number else 0
    if (term.number is None) != (match[2] is None) or len(match[3] or "") > decimals:
        return None
    return term, term.read(text, match[2])


def setting(field: str) -> Any:
    """The pydantic field of a condition, from the rows that set it."""
    rows = [term for term in LISTED if term.field == field]
    meaning = f"{', '.join(f'`{term.usage}`' for term in rows)}: {rows[0].text}"
    limits: dict[str, Any] = {}
    if rows[0].number is not None:
        limits = {"ge": rows[0].number.least, "le": rows[0].number.most, "strict": True}
    elif rows[0].is_one_of_several:
        limits = {"max_length": len(rows)}
    elif rows[0].default is False:
        limits = {"strict": True}
    return Field(default=rows[0].default, description=meaning, **limits)


def most(name: str) -> int:
    """The largest number that a term takes; 0 if it takes none."""
    number = BY_NAME[name].number
    return number.most if number else 0


def grouped() -> tuple[tuple[Term, ...], ...]:
    """The listed terms; those of one field together."""
    fields = dict.fromkeys(term.field for term in LISTED)
    return tuple(tuple(term for term in LISTED if term.field == field) for field in fields)
