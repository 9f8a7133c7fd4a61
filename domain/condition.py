"""The condition of a load level: what surrounds the datapaths, the same for all of them.

It is written behind a level: ``closed(64) under ballast(1000), conntrack``. It prints in the order of its terms.
The plain condition is the empty text: IPv4, no rules except the datapath's, connection tracking only on demand.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator

from domain.bounds import Word
from domain.frozen import Frozen

MAX_BALLAST_RULES = 20_000  # as in a few real firewalls; a packet passes them in a fraction of a millisecond
MAX_TEXT = 200
OFFLOADS = ("rx_checksum", "tx_checksum", "tso", "gso", "gro")
"""Offloads that a condition can disable on every device of a lab; workers/lab/offloads.py uses these names."""


class Condition(Frozen):
    """What a level adds to the labs of its blocks, or disables in them."""

    ip_version: Literal[4, 6] = 4
    ballast_rules: int = Field(
        default=0,
        ge=0,
        le=MAX_BALLAST_RULES,
        strict=True,
        description="nftables rules that match no packet; every packet in the DUT's IP layer traverses them.",
    )
    conntrack: bool = Field(
        default=False, strict=True, description="The DUT tracks connections even if no datapath needs it."
    )
    without: frozenset[Word] = Field(
        default=frozenset(), max_length=len(OFFLOADS), description=f"Disabled offloads, of {', '.join(OFFLOADS)}."
    )

    @field_validator("without")
    @classmethod
    def _is_known(cls, value: frozenset[str]) -> frozenset[str]:
        if unknown := value - set(OFFLOADS):
            raise ValueError(f"unknown offload {', '.join(sorted(unknown))}; known: {', '.join(OFFLOADS)}")
        return value

    @property
    def terms(self) -> tuple[str, ...]:
        """The written terms; empty for the plain condition."""
        return _terms(self.ip_version, self.ballast_rules, self.conntrack, self.without)

    def __str__(self) -> str:
        return ", ".join(self.terms)


@lru_cache(maxsize=256)
def _terms(ip_version: int, ballast_rules: int, conntrack: bool, without: frozenset[str]) -> tuple[str, ...]:
    return (
        *(["ipv6"] if ip_version == 6 else []),
        *([f"ballast({ballast_rules})"] if ballast_rules else []),
        *(["conntrack"] if conntrack else []),
        *(f"no_{name}" for name in OFFLOADS if name in without),
    )


PLAIN = Condition()

TERMS = f"ipv6, ballast(rules), conntrack, {', '.join(f'no_{name}' for name in OFFLOADS)}"
"""The terms of a condition, for messages."""

_BALLAST = re.compile(r"^ballast\s*\(\s*([0-9]{1,9})\s*\)$")


def parse_condition(value: Any) -> Any:
    """Accept ``"ballast(1000), conntrack"`` or a mapping of the fields. Raises ``ValueError`` with the fix."""
    if not isinstance(value, str):
        return value
    if len(value) > MAX_TEXT:
        raise ValueError(f"a condition has at most {MAX_TEXT} characters")
    return Condition(**_fields(term.strip() for term in value.split(","))) if value.strip() else PLAIN


def _fields(terms: Iterable[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    without: set[str] = set()
    for term in terms:
        for name, setting in _settings(term):
            if name in fields or setting in without:
                raise ValueError(f"{term} is given twice; give it once")
            if name == "without":
                without.add(setting)
            else:
                fields[name] = setting
    return fields | {"without": frozenset(without)}


def _settings(term: str) -> Iterator[tuple[str, Any]]:
    if term in ("ipv4", "ipv6"):
        yield "ip_version", int(term[-1])
    elif term == "conntrack":
        yield "conntrack", True
    elif match := _BALLAST.match(term):
        if (rules := int(match[1])) > MAX_BALLAST_RULES:
            raise ValueError(f"{term}: at most {MAX_BALLAST_RULES} rules")
        yield "ballast_rules", rules
    elif term.removeprefix("no_") in OFFLOADS and term.startswith("no_"):
        yield "without", term.removeprefix("no_")
    else:
        raise ValueError(f"{term[:40]!r} is not a condition; use these terms, separated by commas: {TERMS}")


ConditionText = Annotated[
    Condition,
    BeforeValidator(parse_condition),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_TEXT,
            "description": f"Terms separated by commas, of {TERMS}; empty for the plain condition.",
            "examples": ["ballast(1000)", "conntrack, no_tso, no_gso", "ipv6", ""],
        }
    ),
]
"""A condition written as text."""
