"""The contract of a probe: an eBPF program that measures one stage of kernel latency.

A probe is one file in probes/catalog/ and one C file of the same name in bpf/probes/. It is discovered, never listed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bpf.chain import Hook
from domain.probes.place import Place
from domain.probes.sample import StageHistogram, StageSample
from domain.service.jobs import HostCapabilities


@dataclass(frozen=True)
class LabView:
    """What a probe needs to know to watch one lab only: devices, namespaces and tasks, each by role.

    ``devices``: role (``client``, ``dut_client``, ``dut_server``, ``server``) → (ifindex, device name);
    ``netns``: role (``client``, ``dut``, ``server``) → namespace inode (``stat().st_ino`` of its nsfs file);
    ``tasks``: role (``proxy``, ``origin``, ``generator``) → thread ids; empty if the datapath has no such process,
    absent if they are not known;
    ``packets``: returns how many packets crossed the server's device so far, both ways; cheap enough for every window;
    ``bypassed_stages``: stages that the datapath's packets bypass;
    ``ip_version``: the IP version of its traffic.
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
    """What a probe saw since it started; the samples are those since the previous reading.

    ``stages`` is by role. A role is a side of the lab: ``client``, ``dut``, ``server``. Or it is a kind of task
    (``proxy``, ``origin``, ``generator``, ``kworker``, ``ksoftirqd``) or a part of the stage (such as ``to_origin``). A
    stage without roles has the role "". While a lab was watched, one in ``every`` events was measured. ``work`` has the
    events that are counted but not timed, by kind; all of them are counted.
    """

    stages: Mapping[str, StageHistogram] = field(default_factory=dict)
    work: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[StageSample, ...] = ()
    every: int = 1
    samples_lost: int = 0
    """Samples since the start for which the kernel's ring buffer had no room."""


@dataclass(frozen=True)
class Pending:
    """The durations that began since ``watch()`` last accepted new ones: how many, and how many have not ended."""

    started: int = 0
    unended: int = 0
    longest_ns: int = 0
    """The longest duration that ended since the probe began to watch its lab."""


class ProbeError(RuntimeError):
    """A probe could not be compiled, loaded or attached."""


class Probe(ABC):
    """Measures one stage of kernel latency. It is compiled once, and then watches one lab after another.

    ``watch(lab)`` selects the lab whose slice begins; with ``None`` the probe watches nothing. ``read()`` is cumulative
    since ``start()``: the caller subtracts readings. The probe counts nothing outside the watched lab.

    A probe returns hooks if its programs can be attached together with those of others. It is then watched in short
    windows (probes/windows.py). The defaults suit a probe that is watched for the whole slice.
    """

    name: ClassVar[str]
    stage: ClassVar[str]
    summary: ClassVar[str]
    unit: ClassVar[str] = "ns"
    ip_versions: ClassVar[frozenset[int]] = frozenset({4, 6})
    """The IP versions whose traffic it sees. In a lab of another version it has no figures, and says why."""
    place: ClassVar[Place | None] = None
    """Where its stage is on a request's path; ``None`` for a stage that is shown apart from the path."""

    @abstractmethod
    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs. Looks at ``features`` only."""

    @abstractmethod
    def start(self) -> None:
        """Compile, load and attach. Raises :class:`ProbeError` with nothing left behind."""

    def applies(self, lab: LabView) -> bool:
        """Whether this lab has the probe's stage; if not, the probe is neither turned to the lab nor read."""
        return True

    def absence(self, lab: LabView) -> str:
        """Why the probe has no figures of this lab, as a part of a sentence; empty if it has figures."""
        if lab.ip_version not in self.ip_versions:
            return f"the probe does not see IPv{lab.ip_version}"
        if self.stage in lab.bypassed_stages or not self.applies(lab):
            return "does not apply to this datapath"
        return ""

    def take_hooks(self) -> tuple[Hook, ...]:
        """Its programs, which the caller attaches from now on until ``stop()``; empty if the probe attaches them."""
        return ()

    @abstractmethod
    def watch(self, lab: LabView | None, *, accept: bool = True) -> None:
        """Count for this lab only, from now on.

        ``accept=False`` ends a window of the same lab: the probe counts no new durations, but those that began within
        the window may still end.
        """

    def pending(self) -> Pending:
        """Which durations have not ended yet. Cheap: the caller polls it after a window."""
        return Pending()

    @abstractmethod
    def read(self) -> Reading:
        """What the probe saw since ``start()``, and the events sampled since the last ``read()``."""

    @abstractmethod
    def stop(self) -> None:
        """Detach and free everything; harmless when it never started."""
