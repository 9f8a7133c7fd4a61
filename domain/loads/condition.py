"""The condition of a load level: what surrounds the datapaths, the same for all of them.

It is written behind a level: ``closed(64) under ballast(1000), conntrack``. It prints in the order of its terms
(domain/loads/condition_terms.py). The plain condition is the empty text: IPv4, no rules except the datapath's,
connection tracking only on demand.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, field_validator, model_validator

from domain.loads.condition_terms import LISTED, OFFLOADS, USAGE, setting, term_of
from domain.values.bounds import Word
from domain.values.frozen import Frozen

MAX_TEXT = 200


class Condition(Frozen):
    """What a level adds to the labs of its blocks, or disables in them. Its terms say what each field means."""

    ip_version: Literal[4, 6] = setting("ip_version")
    ballast_rules: int = setting("ballast_rules")
    blocklist_entries: int = setting("blocklist_entries")
    attack_per_s: int = setting("attack_per_s")
    syn_flood_per_s: int = setting("syn_flood_per_s")
    conntrack: bool = setting("conntrack")
    udp_gso: bool = setting("udp_gso")
    mtu: int | None = setting("mtu")
    gro: bool = setting("gro")
    proxy_threads: int | None = setting("proxy_threads")
    proxy_cpus: int | None = setting("proxy_cpus")
    origins: int = setting("origins")
    without: frozenset[Word] = setting("without")
    client_rate_mbit: int | None = setting("client_rate_mbit")
    loss_percent: float = setting("loss_percent")
    delay_us: int | None = setting("delay_us")
    vlan: bool = setting("vlan")

    @field_validator("without")
    @classmethod
    def _is_known(cls, value: frozenset[str]) -> frozenset[str]:
        if unknown := value - set(OFFLOADS):
            raise ValueError(f"unknown offload {', '.join(sorted(unknown))}; known: {', '.join(OFFLOADS)}")
        return value

    @field_validator("loss_percent")
    @classmethod
    def _as_it_is_written(cls, value: float) -> float:
        return round(value, 2)

    @model_validator(mode="after")
    def _gro_is_on_or_off(self) -> Self:
        if self.gro and "gro" in self.without:
            raise ValueError("gro and no_gro exclude each other; leave out one of them")
        return self

    @model_validator(mode="after")
    def _has_one_sender(self) -> Self:
        if self.attack_per_s and self.syn_flood_per_s:
            raise ValueError("attack and syn_flood exclude each other; leave out one of them")
        return self

    @model_validator(mode="after")
    def _what_is_sent_arrives(self) -> Self:
        for name, rate_per_s in (("attack", self.attack_per_s), ("syn_flood", self.syn_flood_per_s)):
            if self.loss_percent and rate_per_s:
                detail = "what a datapath counts must be what was sent; leave out one"
                raise ValueError(f"loss and {name} exclude each other: {detail}")
        return self

    @property
    def spoofed_per_s(self) -> int:
        """Packets per second with spoofed sources, of an attack or a flood."""
        return self.attack_per_s or self.syn_flood_per_s

    @property
    def offloads(self) -> dict[str, bool]:
        """The offloads that it sets on every device."""
        return dict.fromkeys(self.without, False) | ({"gro": True} if self.gro else {})

    @property
    def terms(self) -> tuple[str, ...]:
        """The written terms; empty for the plain condition."""
        return _written(tuple(getattr(self, term.field) for term in LISTED))

    @property
    def needs(self) -> tuple[str, ...]:
        """The features that a host must have for it, besides those of every lab."""
        used = (term.needs for term in LISTED if term.written(getattr(self, term.field)))
        return tuple(dict.fromkeys(feature for needs in used for feature in needs))

    def __str__(self) -> str:
        return ", ".join(self.terms)


@lru_cache(maxsize=256)
def _written(settings: tuple[Any, ...]) -> tuple[str, ...]:
    """The terms of the values, which are in the order of ``LISTED``."""
    return tuple(text for term, value in zip(LISTED, settings, strict=True) if (text := term.written(value)))


PLAIN = Condition()


def parse_condition(value: Any) -> Any:
    """Accept ``"ballast(1000), conntrack"`` or a mapping of the fields. Raises ``ValueError`` with the fix."""
    if not isinstance(value, str):
        return value
    if len(value) > MAX_TEXT:
        raise ValueError(f"a condition has at most {MAX_TEXT} characters")
    return Condition(**_fields(term.strip() for term in value.split(","))) if value.strip() else PLAIN


def _fields(texts: Iterable[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for text in texts:
        if (found := term_of(text)) is None:
            raise ValueError(f"{text[:40]!r} is not a condition; use these terms, separated by commas: {USAGE}")
        term, value = found
        several = fields.get(term.field, frozenset()) if term.is_one_of_several else None
        if value in several if several is not None else term.field in fields:
            raise ValueError(f"{text} is given twice; give it once")
        fields[term.field] = value if several is None else several | {value}
    return fields


ConditionText = Annotated[
    Condition,
    BeforeValidator(parse_condition),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_TEXT,
            "description": f"Terms separated by commas, of {USAGE}; empty for the plain condition.",
            "examples": ["ballast(1000)", "conntrack, no_tso, no_gso", "ipv6", ""],
        }
    ),
]
"""A condition written as text."""
