"""CPUs of their own for the programs of generator, DUT and origin, where the host has enough. Else they share all.

A core is given as a whole, because two threads of one core slow each other. The DUT gets most, because it is measured.
Programs are placed, and the kernel's packet work is not: on a veth, it runs on the CPU of the packet's sender.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from domain.hosts.placement import SHARED

FEWEST_CPUS = 4
FEWEST_CORES = 3  # one for each of the three
_DIRECTORY = Path("/sys/devices/system/cpu")
_SIBLINGS = ("core_cpus_list", "thread_siblings_list")  # the second is the name before Linux 5.3


@dataclass(frozen=True)
class Placement:
    """The CPUs of the programs in each of a lab's namespaces."""

    client: tuple[int, ...]
    dut: tuple[int, ...]
    server: tuple[int, ...]

    @property
    def is_shared(self) -> bool:
        """True if they have no CPUs of their own."""
        return self.client == self.dut

    def of(self, role_ns: str) -> tuple[int, ...]:
        """The CPUs of the programs in the namespace ``client``, ``dut`` or ``server``."""
        found: tuple[int, ...] = getattr(self, role_ns)
        return found

    def bound(self, role_ns: str) -> tuple[int, ...]:
        """The CPUs that programs must be bound to; empty where all share all."""
        return () if self.is_shared else self.of(role_ns)

    def __str__(self) -> str:
        if self.is_shared:
            return f"{SHARED}: generator, DUT and origin run on {list_text(self.client)}"
        places = {"generator": self.client, "DUT": self.dut, "origin": self.server}
        return "; ".join(f"{name} on {list_text(cpus)}" for name, cpus in places.items())


def placement() -> Placement:
    """The placement on this host, of the CPUs that this process may use."""
    return _placement(frozenset(os.sched_getaffinity(0)), _DIRECTORY)


@lru_cache(maxsize=8)
def _placement(allowed: frozenset[int], directory: Path) -> Placement:
    return allocate(cores_of(allowed, directory))


def allocate(cores: Sequence[Sequence[int]]) -> Placement:
    """Divide cores, each a list of its CPUs: a quarter for the generator, a quarter for the origin, the rest the DUT's.

    With too few CPUs or cores, everything is shared.
    """
    if sum(map(len, cores)) < FEWEST_CPUS or len(cores) < FEWEST_CORES:
        every = _flat(cores)
        return Placement(every, every, every)
    quarter = max(1, len(cores) // 4)
    return Placement(client=_flat(cores[:quarter]), dut=_flat(cores[quarter:-quarter]), server=_flat(cores[-quarter:]))


def cores_of(allowed: Collection[int], directory: Path = _DIRECTORY) -> list[tuple[int, ...]]:
    """The cores with allowed CPUs, each with those CPUs; by package, then by number.

    A CPU whose topology cannot be read is a core.
    """
    cores = {tuple(one for one in _siblings(cpu, directory) if one in allowed) for cpu in allowed}
    return sorted(cores, key=lambda core: (_package(core[0], directory), core))


def missing(cores: Sequence[Sequence[int]]) -> str:
    """Why generator, DUT and origin cannot have CPUs of their own; empty if they can."""
    cpus = sum(map(len, cores))
    if cpus >= FEWEST_CPUS and len(cores) >= FEWEST_CORES:
        return ""
    has = f"{cpus} CPU{'s' * (cpus != 1)} of {len(cores)} core{'s' * (len(cores) != 1)}"
    return f"generator, DUT and origin share {has}: each takes time from the others"


def list_text(cpus: Iterable[int]) -> str:
    """CPUs as the kernel writes them: ``0-2,5``."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and cpu == ranges[-1][-1] + 1:
            ranges[-1][-1:] = [cpu] if len(ranges[-1]) > 1 else [ranges[-1][0], cpu]
        else:
            ranges.append([cpu])
    return ",".join("-".join(map(str, one)) for one in ranges)


def _siblings(cpu: int, directory: Path) -> tuple[int, ...]:
    for name in _SIBLINGS:
        try:
            found = _cpus(Path(directory, f"cpu{cpu}", "topology", name).read_text())
        except (OSError, ValueError):
            continue
        if cpu in found:
            return found
    return (cpu,)


def _package(cpu: int, directory: Path) -> int:
    try:
        return int(Path(directory, f"cpu{cpu}", "topology", "physical_package_id").read_text())
    except (OSError, ValueError):
        return 0


def _cpus(text: str) -> tuple[int, ...]:
    """The CPUs of a list such as ``0-2,5``."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def _flat(cores: Iterable[Iterable[int]]) -> tuple[int, ...]:
    return tuple(sorted(cpu for core in cores for cpu in core))
