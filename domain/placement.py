"""On which CPUs generator, DUT and origin run, as a fact of a host's fingerprint."""

from collections.abc import Iterable, Mapping

CPU_PLACEMENT = "cpu_placement"
SHARED = "shared CPUs"
"""How the fact begins where generator, DUT and origin have no CPUs of their own."""


def placements_text(fingerprints: Iterable[Mapping[str, str]]) -> str:
    """The different placements of a campaign's hosts; empty where older results do not say."""
    return "; or ".join(dict.fromkeys(facts[CPU_PLACEMENT] for facts in fingerprints if CPU_PLACEMENT in facts))


def are_shared(fingerprints: Iterable[Mapping[str, str]]) -> bool:
    """Whether generator, DUT and origin shared CPUs on any of the hosts; workers that do not say placed nothing."""
    found = [facts.get(CPU_PLACEMENT, SHARED) for facts in fingerprints]
    return not found or any(placement.startswith(SHARED) for placement in found)
