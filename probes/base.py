"""The contract of a probe: an eBPF program that measures one stage of kernel latency.

A probe is one file in probes/catalog/ and one C file of the same name in bpf/probes/. It is discovered, never listed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bpf.chain import Hook
from domain.jobs import HostCapabilities
from domain.place import Place
from domain.sample import StageHistogram, StageSample


@dataclass(frozen=True)
class LabView:
    """What a probe needs to know of one lab to keep to it: device indexes and namespaces by role, tasks by role.

    ``devices``: role (``client``, ``dut_client``, ``dut_server``, ``server``) → (ifindex, device name);
    ``netns``: role (``client``, ``dut``, ``server``) → namespace inode (``stat().st_ino`` of its nsfs file);
    ``tasks``: role (``proxy``, ``origin``, ``generator``) → thread ids, empty where the datapath has no such process,
    absent where they are not known;
    ``packets``: how many packets crossed the server's device so far, both ways; cheap, to be asked at any time;
    ``bypassed_stages``: stages that the datapath's packets bypass;
    ``ip_version``: of its traffic.
    """

    label: str
    devices: Mapping[str, tuple[int, str]]
    netns: Mapping[str, int]
    tasks: Mapping[str, tuple[int, ...]]
    packets: Callable[[], int] | None = field(default=None, compare=False)
    bypassed_stages: frozenset[str] = frozenset()
    ip_version: int = 4


@dataclass(frozen=True)
class Reading:
    """What a probe saw since it started; the samples are those since the reading before.

    ``stages`` is by role: "" for a stage without roles, else a side of the lab (``client``, ``dut``, ``server``), a
    kind of task (``proxy``, ``origin``, ``generator``, ``kworker``, ``ksoftirqd``), or a part of the stage's own (such
    as ``to_origin`` and ``to_client``). Of all that happened while a lab was watched, one
    in ``every`` was measured. ``work`` is what was counted and not timed, by kind; of it nothing is left out.
    """

    stages: Mapping[str, StageHistogram] = field(default_factory=dict)
    work: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[StageSample, ...] = ()
    every: int = 1
    samples_lost: int = 0
    """Samples since it started for which the kernel's ring buffer had no room."""


@dataclass(frozen=True)
class Pending:
    """What became of the durations that began since ``watch()`` last accepted new ones."""

    started: int = 0
    unended: int = 0
    longest_ns: int = 0
    """The longest that ended since the probe was turned to its lab."""


class ProbeError(RuntimeError):
    """A probe could not be compiled, loaded or attached."""


class Probe(ABC):
    """One stage of kernel latency. Compiled and attached once, then pointed at one lab after another.

    ``watch(lab)`` turns it to the lab whose slice begins (``None``: to nothing); ``read()`` is cumulative since
    ``start()``, so that the caller subtracts readings; nothing outside the watched lab is counted.

    A probe whose programs can be attached together with others' hands out their hooks; it is then watched in short
    windows, as probes/windows.py says. The defaults are those of a probe that needs and can do nothing of the kind.
    """

    name: ClassVar[str]
    stage: ClassVar[str]
    summary: ClassVar[str]
    unit: ClassVar[str] = "ns"
    ip_versions: ClassVar[frozenset[int]] = frozenset({4, 6})
    """Those whose traffic it sees. In a lab of another one it has no figures, with that as the reason."""
    place: ClassVar[Place | None] = None
    """Where its stage is on a request's path; ``None`` for what is shown beside it."""

    @abstractmethod
    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs. Looks at ``features`` only."""

    @abstractmethod
    def start(self) -> None:
        """Compile, load and attach. Raises :class:`ProbeError` with nothing left behind."""

    def applies(self, lab: LabView) -> bool:
        """Whether its stage exists in this lab at all; where it does not, it is neither watched nor read."""
        return True

    def absence(self, lab: LabView) -> str:
        """Why it has no figures of this lab, as a part of a sentence; empty where it has."""
        if lab.ip_version not in self.ip_versions:
            return f"the probe does not see IPv{lab.ip_version}"
        if self.stage in lab.bypassed_stages or not self.applies(lab):
            return "does not apply to this datapath"
        return ""

    def take_hooks(self) -> tuple[Hook, ...]:
        """Its programs, which the caller attaches from now on, until ``stop()``; empty when it does so itself."""
        return ()

    @abstractmethod
    def watch(self, lab: LabView | None, *, accept: bool = True) -> None:
        """Count for this lab only, from now on.

        Without ``accept`` (after a ``watch`` of the same lab with it) nothing new is counted: the window is over, and
        only what had begun within it may still end.
        """

    def pending(self) -> Pending:
        """Cheap, to be asked again and again when a window is over: what is still to end."""
        return Pending()

    @abstractmethod
    def read(self) -> Reading:
        """What it saw since ``start()``, and the events sampled since the last ``read()``."""

    @abstractmethod
    def stop(self) -> None:
        """Detach and free everything; harmless when it never started."""
