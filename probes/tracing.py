"""What every probe of the catalog shares: one C source, one map entry that says what to watch, one histogram."""

import os
import re
import struct
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from bpf.chain import Chain, Hook, program_array
from bpf.instance import ArrayEntry, possible_cpus
from bpf.loader import ROOT, BpfError, Module, ProgramType
from domain.jobs import HostCapabilities
from domain.sample import BUCKETS, FIRST_EXPONENT, LAST_EXPONENT, StageHistogram, StageSample
from probes.base import LabView, Pending, Probe, ProbeError, Reading
from probes.kernel import member_offset

# Features of workers/agent/capabilities.py without which no probe runs.
FEATURES = ("root", "bcc", "kernel_headers", "btf", "raw_tracepoints")
# What ``watched_device()`` and ``side_of()`` of bpf/include/probe.h number.
SIDES = ("client", "dut", "server")
WATCHED_DEVICES = 4
# What bpf/include/links.h takes for the order of the watched devices.
LINK_DEVICES = ("client", "dut_client", "dut_server", "server")

_TRACEPOINT = re.compile(r"^RAW_TRACEPOINT_PROBE\((\w+)\)", re.MULTILINE)
_DEVICE_NAME_BYTES = 16  # IFNAMSIZ
_DEVICE = struct.Struct("=16s16sQ")  # struct device of bpf/include/probe.h
_WATCH = struct.Struct(f"=QQQQ{len(SIDES)}Q")  # struct watch, before its devices
_KNOWN = bytes(2 * 16 * 8)  # what the programs find out about devices and namespaces; every window begins without
_WATCH_BYTES = _WATCH.size + WATCHED_DEVICES * _DEVICE.size + len(_KNOWN)
_SAMPLE = struct.Struct("=QQQ")  # struct sample of bpf/include/probe.h
_SUM, _MAX, _LAB, _STARTED, _LOST, _MEASURED = range(BUCKETS, BUCKETS + 6)  # words of struct stage
_UNSAMPLED = BUCKETS + 7  # behind the kernel's own random number
_STAGE_WORDS = BUCKETS + 8
# A histogram tells the distribution; samples are for looking at single events, so a few per second are enough.
_MAX_SAMPLES = 1000

# Constant of the C sources → members whose offsets add up to it, in the running kernel.
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

    Both are powers of two: one in ``track_every`` events is measured at all, and one in ``sample_every`` measured
    durations is kept as a :class:`StageSample`. ``count`` and ``started`` tell what was measured.
    The maximum that ``read()`` tells is that of the lab watched last, since it was turned to. The map ``stage`` has an
    entry per role, in the order of ``roles``.

    Programs are attached while a lab is watched, and only then: one that returns at once still costs each event some
    25 ns. Whoever takes :attr:`hooks` attaches them together with those of other probes.
    """

    features: ClassVar[tuple[str, ...]] = FEATURES
    roles: ClassVar[tuple[str, ...]] = ("",)
    constants: ClassVar[Mapping[str, int]] = {}
    offsets: ClassVar[Offsets] = {}  # those that only this probe needs
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
        self._settings = b""
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
            )
            self._watch = ArrayEntry(module.map_fd("watch"), 0, _WATCH_BYTES)
            stage_bytes = 8 * _STAGE_WORDS * possible_cpus()
            self._stages = [ArrayEntry(module.map_fd("stage"), i, stage_bytes) for i in range(len(self.roles))]
            module.on_ring("samples", self._receive)
            self._chain = Chain(self._hooks)
        except Exception as error:
            self.stop()
            raise ProbeError(f"{self.name}: {error}") from error

    @property
    def source(self) -> str:
        """The C source, below bpf/."""
        return f"probes/{self.name}.c"

    @property
    def hooks(self) -> tuple[Hook, ...]:
        return self._hooks

    def take_hooks(self) -> tuple[Hook, ...]:
        self._started()
        if self._chain is not None:
            self._chain.close()
        self._chain = None
        return self._hooks

    def watch(self, lab: LabView | None, *, accept: bool = True) -> None:
        self._started()
        if lab is None:
            self._write_watch(bytes(_WATCH_BYTES))
            if self._chain is not None:
                self._chain.detach()
            return
        if lab is not self._lab:
            self._settings = self._settings_of(lab)
            self._lab = lab
            self._lab_number += 1
        if accept:
            self._generation += 1
            self._begun, self._unended = self._totals()[:2]
            if self._chain is not None:
                self._attach(self._chain)
        self._write_watch(struct.pack("=QQQ", self._generation, accept, self._lab_number) + self._settings)

    def pending(self) -> Pending:
        begun, unended, longest_ns = self._totals()
        return Pending(begun - self._begun, max(0, unended - self._unended), longest_ns)

    def read(self) -> Reading:
        module = self._started()
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
        """The roles of the devices to watch, at most four; empty for a probe that does not look at devices.

        ``watched_device()`` of bpf/include/probe.h numbers them in this order.
        """

    def _group(self, lab: LabView) -> int:
        """The number of the lab's tasks, for probes that look at tasks."""
        return 0

    def _started(self) -> Module:
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

    def _settings_of(self, lab: LabView) -> bytes:
        """``struct watch`` behind its first three words."""
        sides = struct.pack(f"={len(SIDES)}Q", *(lab.netns.get(side, 0) for side in SIDES))
        return struct.pack("=Q", self._group(lab)) + sides + _devices(lab, self._roles(lab)) + _KNOWN

    def _attach(self, chain: Chain) -> None:
        try:
            chain.attach()
        except BpfError as error:
            raise ProbeError(f"{self.name}: {error}") from error

    def _write_watch(self, settings: bytes) -> None:
        self._watch.value.raw = settings
        self._watch.write()

    def _words(self, index: int) -> tuple[memoryview, ...]:
        """A role's entry of the map ``stage``, as words, for each CPU."""
        entry = self._stages[index]
        entry.read()
        words = memoryview(entry.value).cast("B").cast("Q")
        return tuple(words[start : start + _STAGE_WORDS] for start in range(0, len(words), _STAGE_WORDS))

    def _totals(self) -> tuple[int, int, int]:
        """How many durations began so far, how many of them never ended, and the longest of this lab."""
        begun = unended = longest_ns = 0
        for index in range(len(self.roles)):
            for words in self._words(index):
                begun += words[_STARTED]
                unended += words[_STARTED] - words[_MEASURED] - words[_LOST]
                if words[_LAB] == self._lab_number:
                    longest_ns = max(longest_ns, words[_MAX])
        return begun, unended, longest_ns

    def _stage(self, index: int) -> StageHistogram:
        total = StageHistogram()
        for words in self._words(index):
            max_ns = words[_MAX] if words[_LAB] == self._lab_number else 0
            counts = tuple(words[:BUCKETS])
            total = total.plus(StageHistogram(counts, words[_SUM], max_ns, words[_STARTED], words[_LOST]))
        return total

    def _unsampled(self) -> int:
        """How many samples found no room in the ring buffer."""
        return sum(words[_UNSAMPLED] for index in range(len(self.roles)) for words in self._words(index))

    def _receive(self, record: bytes) -> None:
        time_ns, value_ns, role = _SAMPLE.unpack(record[: _SAMPLE.size])
        self._sequence += 1
        if len(self._samples) < _MAX_SAMPLES:
            time_ns += self._clock_offset_ns
            self._samples.append(StageSample(self.stage, value_ns, time_ns, self._sequence, self.roles[role]))


def tracepoints_of(source: str) -> tuple[str, ...]:
    """The raw tracepoints that a C source below bpf/ looks at, in their order there."""
    return tuple(_TRACEPOINT.findall((ROOT / source).read_text()))


def _devices(lab: LabView, roles: tuple[str, ...]) -> bytes:
    packed = b""
    for role in roles:
        ifindex, name = lab.devices[role]
        label = name.encode()
        if not 0 < len(label) < _DEVICE_NAME_BYTES:
            raise ProbeError(f"{name!r} is no device name")
        packed += _DEVICE.pack(label, b"\xff" * (len(label) + 1), ifindex)
    return packed + bytes(_DEVICE.size) * (WATCHED_DEVICES - len(roles))
