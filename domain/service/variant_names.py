"""The names of variants that a campaign uses and that are not known. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from domain.service.jobs import HostCapabilities
from domain.values.hints import did_you_mean
from domain.values.problems import Problem

FAMILIES = ("datapaths", "workloads", "probes")


def known_names(hosts: Iterable[HostCapabilities]) -> dict[str, list[str]]:
    """By family: the variants that some host knows."""
    found: dict[str, set[str]] = {family: set() for family in FAMILIES}
    for host in hosts:
        for family, names in found.items():
            names |= {variant.name for variant in getattr(host, family)}
    return {family: sorted(names) for family, names in found.items()}


def unknown_name(field: str, family: str, name: str, known: Collection[str]) -> Problem | None:
    """The problem of a name; ``None`` if it is known."""
    if name in known:
        return None
    meant = did_you_mean(name, known) or f"; known: {', '.join(known) or 'none'}"
    return Problem(field=field, message=f"unknown {family[:-1]} {name!r}{meant}")


def unknown_names(data: Mapping[str, Any], known: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """The unknown names in a campaign's ``data``, valid or not; ``known`` has the known ones by family."""
    for family, names in known.items():
        given = data.get(family)
        for i, name in enumerate(given if isinstance(given, (list, tuple)) else ()):
            if isinstance(name, str) and (found := unknown_name(f"{family}.{i}", family, name, known=names)):
                yield found
