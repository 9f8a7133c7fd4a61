"""What every probe of the catalog shares: one C source, one map entry that says what to watch, one histogram."""

import struct
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from bpf.loader import BpfError, Module
from domain.jobs import HostCapabilities
from domain.sample import BUCKETS, FIRST_EXPONENT, LAST_EXPONENT, StageHistogram, StageSample
from probes.base import LabView, Probe, ProbeError, Reading
from probes.kernel import BtfError, member_offset

# Features of workers/capabilities.py without which no probe runs.
FEATURES = ("root", "bcc", "kernel_headers", "btf", "raw_tracepoints")

_DEVICE_NAME_BYTES = 16  # IFNAMSIZ
_DEVICE = struct.Struct("=16s16sQ")  # struct device of bpf/include/probe.h
_WATCH = struct.Struct("=QQ")  # struct watch, before its devices
_WATCHED_DEVICES = 2
_SAMPLE = struct.Struct("=QQQ")  # struct sample of bpf/include/probe.h
_WORDS_BEHIND_COUNTS = 5  # sum_ns, max_ns, generation, started, lost; the rest is the kernel's own
# A histogram tells the distribution; samples are for looking at single events, so a few per second are enough.
_MAX_SAMPLES = 1000

OFFSETS = {
    "SK_BUFF_DEV": ("sk_buff", "dev"),
    "SK_BUFF_SKB_IIF": ("sk_buff", "skb_iif"),
    "NET_DEVICE_NAME": ("net_device", "name"),
    "TASK_STRUCT_PID": ("task_struct", "pid"),
}


class TracingProbe(Probe):
    """A probe whose C source is bpf/probes/<name>.c and follows bpf/include/probe.h.

    Both are powers of two: one in ``track_every`` packets is measured at all, and one in ``sample_every`` measured
    durations is kept as a :class:`StageSample`. ``count`` and ``started`` tell what was measured.
    The maximum that ``read()`` tells is that of the lab watched last, since it was turned to. The map ``stage`` has an
    entry per role, in the order of ``roles``.
    """

    roles: ClassVar[tuple[str, ...]] = ("",)
    constants: ClassVar[Mapping[str, int]] = {}
    track_every: int = 1
    sample_every: int = 256

    def __init__(self) -> None:
        self._module: Module | None = None
        self._generation = 0
        self._sequence = 0
        self._samples: list[StageSample] = []
        self._clock_offset_ns = 0

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        return capabilities.lacking(*FEATURES)

    def start(self) -> None:
        if self._module is not None:
            return
        try:
            module = Module(f"probes/{self.name}.c", self._defines())
        except (BpfError, BtfError) as error:
            raise ProbeError(f"{self.name}: {error}") from error
        try:
            module.on_ring("samples", self._receive)
        except Exception as error:
            module.close()
            raise ProbeError(f"{self.name}: {error}") from error
        self._module = module

    def watch(self, lab: LabView | None) -> None:
        module = self._started()
        if lab is None:
            settings = _WATCH.pack(0, 0) + bytes(_DEVICE.size) * _WATCHED_DEVICES
        else:
            self._generation += 1
            settings = _WATCH.pack(self._generation, self._group(lab)) + _devices(lab, self._roles(lab))
        module.write("watch", 0, settings)

    def read(self) -> Reading:
        module = self._started()
        self._clock_offset_ns = time.time_ns() - time.monotonic_ns()
        module.drain()
        samples, self._samples = self._samples, []
        stages = {role: self._stage(module, index) for index, role in enumerate(self.roles)}
        return Reading(stages, samples=tuple(samples), every=self.track_every)

    def _stage(self, module: Module, index: int) -> StageHistogram:
        total = StageHistogram()
        for words in module.per_cpu_words("stage", index):
            sum_ns, max_ns, generation, started, lost = words[BUCKETS : BUCKETS + _WORDS_BEHIND_COUNTS]
            current_max_ns = max_ns if generation == self._generation else 0
            total = total.plus(StageHistogram(tuple(words[:BUCKETS]), sum_ns, current_max_ns, started, lost))
        return total

    def stop(self) -> None:
        if self._module is not None:
            self._module.close()
        self._module = None
        self._samples = []

    @abstractmethod
    def _roles(self, lab: LabView) -> tuple[str, ...]:
        """The roles of the devices to watch, at most two; empty for a probe that does not look at devices."""

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
            **{constant: member_offset(*member) for constant, member in OFFSETS.items()},
            **self.constants,
        }

    def _receive(self, record: bytes) -> None:
        time_ns, value_ns, role = _SAMPLE.unpack(record[: _SAMPLE.size])
        self._sequence += 1
        if len(self._samples) < _MAX_SAMPLES:
            time_ns += self._clock_offset_ns
            self._samples.append(StageSample(self.stage, value_ns, time_ns, self._sequence, self.roles[role]))


def _devices(lab: LabView, roles: tuple[str, ...]) -> bytes:
    packed = b""
    for role in roles:
        ifindex, name = lab.devices[role]
        label = name.encode()
        if not 0 < len(label) < _DEVICE_NAME_BYTES:
            raise ProbeError(f"{name!r} is no device name")
        packed += _DEVICE.pack(label, b"\xff" * (len(label) + 1), ifindex)
    return packed + bytes(_DEVICE.size) * (_WATCHED_DEVICES - len(roles))
