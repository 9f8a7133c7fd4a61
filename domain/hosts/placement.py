"""How generator, DUT and origin share the CPUs, as facts of a host's fingerprint."""

import re
from collections.abc import Iterable, Mapping

CPU_PLACEMENT = "cpu_placement"
GENERATOR_PRIORITY = "generator_priority"
"""In open loops; a closed loop never sleeps, and gets none."""
SHARED = "shared CPUs"
"""How the fact begins where generator, DUT and origin have no CPUs of their own."""

_OF_DUT = re.compile(r"\b(?:DUT|DUT and origin run) on ([0-9,-]+)")


def dut_cpus(facts: Mapping[str, str]) -> int | None:
    """How many CPUs the DUT has on a host, by its fingerprint; ``None`` if that does not say."""
    if not (found := _OF_DUT.search(facts.get(CPU_PLACEMENT, ""))):
        return None
    ranges = [part.split("-") for part in found[1].split(",")]
    return sum(int(one[-1]) - int(one[0]) + 1 for one in ranges)


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
