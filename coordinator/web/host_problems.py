"""What a host lacks, what that costs, and which hosts need attention. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.api.catalogue import EnrolmentView, HostView
from domain.loads.condition_terms import TERMS
from domain.service.jobs import Feature, HostCapabilities, Variant

_FAMILIES = ("datapaths", "workloads", "probes")
_RESTS_ON = {
    "cpus.own": "CPUs of their own for generator, DUT and origin; reports say that these share CPUs",
    "cpu.unlimited": "trials in which the limit is reached: they are invalid",
    "memory.unlimited": "levels that need more memory",
    "open_files": "levels with the most connections",
    "cpu_clock": "flame graphs",
}
"""What features are good for that no variant requires."""


@dataclass(frozen=True)
class Cost:
    """What cannot be used without a feature: a kind of thing in the plural, and names of that kind."""

    kind: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class MissingFeature:
    """A feature that a host lacks, and what that costs; without costs it is listed for information."""

    feature: Feature
    costs: tuple[Cost, ...]

    @property
    def size(self) -> int:
        """How many things cannot be used."""
        return sum(len(one.names) for one in self.costs)


@dataclass(frozen=True)
class Lacking:
    """A variant that cannot run: the missing features that it needs, and what else prevents it, in sentences."""

    variant: Variant
    features: tuple[str, ...]
    reasons: tuple[str, ...]


def missing_features(found: HostCapabilities) -> tuple[MissingFeature, ...]:
    """What a host lacks, the most costly first."""
    missing = (MissingFeature(one, tuple(_costs(one.name, found))) for one in found.features if not one.present)
    return tuple(sorted(missing, key=lambda one: (-one.size, one.feature.name)))


def lacking(found: HostCapabilities) -> tuple[Lacking, ...]:
    """The variants that cannot run."""
    absent = {one.name for one in found.features if not one.present}
    variants = (one for family in _FAMILIES for one in getattr(found, family) if not one.available)
    return tuple(_lacking(one, absent) for one in variants)


def attention(host: HostView, enrolment: EnrolmentView | None) -> str:
    """Why a host takes no blocks though it should, in a few words; empty if it takes them or is drained."""
    if enrolment is None:
        return "it has no token"
    if enrolment.revoked_at:
        return "its token was revoked"
    if enrolment.refusal:
        return "its worker was refused"
    if host.deaf_since and not host.drained_at:
        return "it takes no messages"
    if not host.online and not host.drained_at:
        return "it is offline"
    outbox = any(one.name == "report_outbox" and not one.present for one in host.capabilities.features)
    return "its reports are not delivered" if outbox else ""


def _costs(feature: str, found: HostCapabilities) -> Iterator[Cost]:
    for family in _FAMILIES:
        names = tuple(one.name for one in getattr(found, family) if feature in _named(one.missing))
        if names:
            yield Cost(family, names)
    if terms := tuple(term.usage for term in TERMS if feature in term.needs):
        yield Cost("conditions", terms)
    if words := _RESTS_ON.get(feature):
        yield Cost("", (words,))


def _lacking(variant: Variant, absent: set[str]) -> Lacking:
    known = tuple(name for name in _named(variant.missing) if name in absent)
    others = tuple(one for one in variant.missing if one.partition(": ")[0] not in known)
    return Lacking(variant, known, others)


def _named(reasons: Sequence[str]) -> tuple[str, ...]:
    """The features that sentences of :meth:`HostCapabilities.lacking` name."""
    return tuple(name for one in reasons if (name := one.partition(": ")[0]) != one)
