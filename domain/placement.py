"""How generator, DUT and origin share the CPUs, as facts of a host's fingerprint."""

from collections.abc import Iterable, Mapping

CPU_PLACEMENT = "cpu_placement"
GENERATOR_PRIORITY = "generator_priority"
"""In open loops; a closed loop never sleeps, and gets none."""
SHARED = "shared CPUs"
"""How the fact begins where generator, DUT and origin have no CPUs of their own."""


def different_facts(name: str, fingerprints: Iterable[Mapping[str, str]]) -> str:
    """The different values of a fact on a campaign's hosts; empty where older results do not say."""
    return "; or ".join(dict.fromkeys(facts[name] for facts in fingerprints if name in facts))


def priority_text(granted: bool | None) -> str:
    """The generator's priority, to stand behind its name; empty if it asked for none."""
    if granted is None:
        return ""
    return " with real-time priority (SCHED_RR)" if granted else " without real-time priority"


def are_shared(fingerprints: Iterable[Mapping[str, str]]) -> bool:
    """Whether generator, DUT and origin shared CPUs on any of the hosts; workers that do not say placed nothing."""
    found = [facts.get(CPU_PLACEMENT, SHARED) for facts in fingerprints]
    return not found or any(placement.startswith(SHARED) for placement in found)
