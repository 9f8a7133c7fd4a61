"""What all probes of the catalog share: one C source, one map entry that selects what to watch, one histogram."""

import os
import re
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from bpf.btf import BtfError, member_offset, tracepoint_arguments
from bpf.chain import Chain, Hook, program_array
from bpf.enums import ProgramType
from bpf.instance import ArrayEntry, possible_cpus
from bpf.layout import Fields
from bpf.loader import BpfError, Module, source_path
from domain.probes.sample import FIRST_EXPONENT, LAST_EXPONENT, StageHistogram, StageSample
from domain.service.jobs import HostCapabilities
from domain.values.texts import error_text
from probes.base import LabView, Pending, Probe, ProbeError, Reading

# Features of workers/inventory/features.py without which no probe runs.
FEATURES = ("root", "bcc", "kernel_headers", "btf", "raw_tracepoints")
# In the order in which ``watched_device()`` and ``side_of()`` of bpf/include/probe.h number them.
SIDES = ("client", "dut", "server")
WATCHED_DEVICES = 4
# The order of watched devices that bpf/include/links.h expects.
LINK_DEVICES = ("client", "dut_client", "dut_server", "server")

_TRACEPOINT = re.compile(r"^RAW_TRACEPOINT_PROBE\((\w+)\)", re.MULTILINE)
_DEVICE_NAME_BYTES = 16  # IFNAMSIZ
_NO_DEVICE: Fields = {"name": bytes(_DEVICE_NAME_BYTES), "mask": bytes(_DEVICE_NAME_BYTES), "ifindex": 0}
_KNOWN_BYTES = 8 * 16  # caches of the programs in struct watch, empty when a window begins
# The histogram has the distribution. Samples show single events, so a few per second are enough.
_MAX_SAMPLES = 1000

# Constant of the C sources → members; the sum of their offsets in the running kernel is its value.
Offsets = Mapping[str, tuple[tuple[str, str], ...]]
OFFSETS: Offsets = {
    "SK_BUFF_DEV": (("sk_buff", "dev"),),
    "SK_BUFF_SKB_IIF": (("sk_buff", "skb_iif"),),
    "SK_BUFF_HEAD": (("sk_buff", "head"),),
    "SK_BUFF_DATA": (("sk_buff", "data"),),
    "SK_BUFF_NETWORK_HEADER": (("sk_buff", "network_header"),),
    "NET_DEVICE_NAME": (("net_device", "name"),),
    "TASK_STRUCT_PID": (("task_struct", "pid"),),
    "SOCK_NET": (("sock", "__sk_common"), ("sock_common", "skc_net")),  # whose only member is the pointer
    "NET_INODE": (("net", "ns"), ("ns_common", "inum")),
}


class TracingProbe(Probe):
    """A probe whose C source is bpf/probes/<name>.c and follows bpf/include/probe.h.

    The probe measures one in ``track_every`` events, and keeps one in ``sample_every`` measured durations as a
    :class:`StageSample`. Both are powers of two. ``count`` and ``started`` are of measured events only.
    The maximum in ``read()`` is that of the lab watched last, since the probe began to watch it. The map ``stage`` has
    an entry per role, in the order of ``roles``.

    Programs are attached only while a lab is watched: even a program that returns at once costs each event some 25 ns.
    A caller that takes the hooks attaches them together with those of other probes.
    """

    features: ClassVar[tuple[str, ...]] = FEATURES
    roles: ClassVar[tuple[str, ...]] = ("",)
    constants: ClassVar[Mapping[str, int]] = {}
    offsets: ClassVar[Offsets] = {}  # offsets that only this probe needs
    optional: ClassVar[frozenset[str]] = frozenset()  # tracepoints that the probe can do without
    track_every: int = 1
    sample_every: int = 256

    def __init__(self) -> None:
        self._module: Module | None = None
        self._chain: Chain | None = None
        self._hooks: tuple[Hook, ...] = ()
        self._next = -1
        self._generation = 0
        self._lab_number = 0
        self._lab: LabView | None = None
        self._settings: Any = None
        self._unended = 0
        self._begun = 0
        self._sequence = 0
        self._samples: list[StageSample] = []
        self._clock_offset_ns = 0

    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        return capabilities.lacking(*self.features)

    def start(self) -> None:
        if self._module is not None:
            return
        tracepoints = tracepoints_of(self.source)
        try:
            self._next = program_array(len(tracepoints))
            slots = {f"SLOT_{tracepoint}": slot for slot, tracepoint in enumerate(tracepoints)}
            module = self._module = Module(self.source, {**self._defines(), "NEXT": self._next, **slots})
            self._hooks = tuple(
                Hook(tracepoint, module.load(f"on_{tracepoint}", ProgramType.RAW_TRACEPOINT), self._next, slot)
                for slot, tracepoint in enumerate(tracepoints)
                if tracepoint not in self.optional or _exists(tracepoint)
            )
            self._watch = ArrayEntry(module.map_fd("watch"), 0, module.layout("watch"))
            per_cpu = module.layout("stage") * possible_cpus()
            self._stages = [ArrayEntry(module.map_fd("stage"), i, per_cpu) for i in range(len(self.roles))]
            module.on_ring("samples", self._receive)
            self._chain = Chain(self._hooks)
        except Exception as error:
            self.stop()
            raise ProbeError(f"{self.name}: {error_text(error)}") from error

    @property
    def source(self) -> str:
        """The C source, below bpf/."""
        return f"probes/{self.name}.c"

    @property
    def hooks(self) -> tuple[Hook, ...]:
        return self._hooks

    def take_hooks(self) -> tuple[Hook, ...]:
        self.loaded_module()
        if self._chain is not None:
            self._chain.close()
        self._chain = None
        return self._hooks

    def watch(self, lab: LabView | None, *, accept: bool = True) -> None:
        module = self.loaded_module()
        if lab is None:
            self._write_watch(self._watch.value.__class__())
            if self._chain is not None:
                self._chain.detach()
            return
        if lab is not self._lab:
            self._settings = module.value("watch", None, self._settings_of(lab))
            self._lab = lab
            self._lab_number += 1
        if accept:
            self._generation += 1
            self._begun, self._unended = self._totals()[:2]
            if self._chain is not None:
                self._attach(self._chain)
        self._settings.generation, self._settings.open, self._settings.lab = self._generation, accept, self._lab_number
        self._write_watch(self._settings)

    def pending(self) -> Pending:
        begun, unended, longest_ns = self._totals()
        return Pending(begun - self._begun, max(0, unended - self._unended), longest_ns)

    def read(self) -> Reading:
        module = self.loaded_module()
        self._clock_offset_ns = time.time_ns() - time.monotonic_ns()
        module.drain()
        samples, self._samples = self._samples, []
        stages = {role: self._stage(index) for index, role in enumerate(self.roles)}
        return Reading(stages, samples=tuple(samples), samples_lost=self._unsampled(), every=self.track_every)

    def stop(self) -> None:
        if self._chain is not None:
            self._chain.close()
        if self._module is not None:
            self._module.close()
        if self._next >= 0:
            os.close(self._next)
        self._module, self._chain, self._next, self._lab = None, None, -1, None
        self._hooks = ()
        self._samples = []

    @abstractmethod
    def _roles(self, lab: LabView) -> tuple[str, ...]:
        """The roles of the devices to watch, at most four; empty for a probe that watches no devices.

        ``watched_device()`` of bpf/include/probe.h numbers them in this order.
        """

    def _group(self, lab: LabView) -> int:
        """The number of the lab's group of tasks, for probes that watch tasks."""
        return 0

    def loaded_module(self) -> Module:
        """The probe's module with its maps. Raises :class:`ProbeError` before :meth:`start`."""
        if self._module is None:
            raise ProbeError(f"{self.name} was not started")
        return self._module

    def _defines(self) -> dict[str, int | str]:
        return {
            "FIRST_EXPONENT": FIRST_EXPONENT,
            "LAST_EXPONENT": LAST_EXPONENT,
            "ROLES": len(self.roles),
            "TRACK_EVERY": self.track_every,
            "SAMPLE_EVERY": self.sample_every,
            **{
                constant: sum(member_offset(*member) for member in members)
                for constant, members in {**OFFSETS, **self.offsets}.items()
            },
            **self.constants,
        }

    def _settings_of(self, lab: LabView) -> Fields:
        """``struct watch`` of bpf/include/probe.h; each window sets its first three fields."""
        return {
            "generation": 0,
            "open": 0,
            "lab": 0,
            "group": self._group(lab),
            "netns": [lab.netns.get(side, 0) for side in SIDES],
            "device": _devices(lab, self._roles(lab)),
            **dict.fromkeys(("known_device", "known_net"), bytes(_KNOWN_BYTES)),
        }

    def _attach(self, chain: Chain) -> None:
        try:
            chain.attach()
        except BpfError as error:
            raise ProbeError(f"{self.name}: {error}") from error

    def _write_watch(self, settings: Any) -> None:
        self._watch.assign(settings)
        self._watch.write()

    def _stages_of(self, index: int) -> Any:
        """A role's entry of the map ``stage``: a ``struct stage`` of bpf/include/stage.h for each CPU."""
        entry = self._stages[index]
        entry.read()
        return entry.value

    def _totals(self) -> tuple[int, int, int]:
        """How many durations began so far, how many of them never ended, and the longest of this lab."""
        begun = unended = longest_ns = 0
        for index in range(len(self.roles)):
            for one in self._stages_of(index):
                begun += one.started
                unended += one.started - one.measured - one.lost
                if one.lab == self._lab_number:
                    longest_ns = max(longest_ns, one.max_ns)
        return begun, unended, longest_ns

    def _stage(self, index: int) -> StageHistogram:
        total = StageHistogram()
        for one in self._stages_of(index):
            max_ns = one.max_ns if one.lab == self._lab_number else 0
            total = total.plus(StageHistogram(tuple(one.counts), one.sum_ns, max_ns, one.started, one.lost))
        return total

    def _unsampled(self) -> int:
        """How many samples found no room in the ring buffer."""
        return sum(one.unsampled for index in range(len(self.roles)) for one in self._stages_of(index))

    def _receive(self, sample: Any) -> None:
        self._sequence += 1
        if len(self._samples) < _MAX_SAMPLES:
            time_ns, role = sample.time_ns + self._clock_offset_ns, self.roles[sample.role]
            self._samples.append(StageSample(self.stage, sample.value_ns, time_ns, self._sequence, role))


def tracepoints_of(source: str) -> tuple[str, ...]:
    """The raw tracepoints that a C source below bpf/ uses, in source order."""
    return tuple(_TRACEPOINT.findall(source_path(source).read_text(encoding="utf-8")))


def _exists(tracepoint: str) -> bool:
    try:
        tracepoint_arguments(tracepoint)
    except BtfError:
        return False
    return True


def _devices(lab: LabView, roles: tuple[str, ...]) -> list[Fields]:
    """``struct device`` of bpf/include/probe.h for each role, and empty ones for the rest."""
    devices: list[Fields] = []
    for role in roles:
        ifindex, name = lab.devices[role]
        label = name.encode()
        if not 0 < len(label) < _DEVICE_NAME_BYTES:
            raise ProbeError(f"{name!r} is no device name")
        mask = b"\xff" * (len(label) + 1)
        padded = (part.ljust(_DEVICE_NAME_BYTES, b"\0") for part in (label, mask))
        devices.append({**dict(zip(("name", "mask"), padded, strict=True)), "ifindex": ifindex})
    return devices + [_NO_DEVICE] * (WATCHED_DEVICES - len(roles))
