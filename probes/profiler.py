"""On-CPU stacks of a lab: a CPU clock samples each busy CPU several hundred times per second (BPF perf event).

Its cost depends on the frequency, not on the traffic, but it is not zero: it runs in separate slices.
"""

import os
from collections.abc import Sequence

from bpf.btf import BtfError, member_offset
from bpf.loader import BpfError, KernelSymbols, Module
from domain.probes.stacks import KERNEL_SUFFIX, ROLES, Stacks
from domain.service.jobs import HostCapabilities
from probes.base import LabView, ProbeError
from probes.symbols import UserSymbols

FEATURES = ("root", "bcc", "kernel_headers", "btf", "cpu_clock")
HERTZ = 997  # a prime, so that it does not synchronise with timers
MAX_PROCESSES = 1024
MAX_STACKS = 16_384
OFFSETS = {"TASK_STRUCT_REAL_PARENT": "real_parent", "TASK_STRUCT_TGID": "tgid"}
ROLE_OF_TASKS = {"proxy": "dut", "origin": "server"}
# A stack that contains this function was receiving packets, whatever process was running.
RECEIVING = "net_rx_action" + KERNEL_SUFFIX

_IDLE = 0  # the process id of an idle CPU


class Profiler:
    """Started once per worker, and pointed at one lab after another, like a probe.

    The generator must be a child of the process that started the profiler.
    """

    def __init__(self, hertz: int = HERTZ) -> None:
        self.hertz = hertz
        self._module: Module | None = None
        self._kernel, self._user = KernelSymbols(), UserSymbols()
        self._generation = 0
        self._watched_processes: set[int] = set()
        self._lost_before = 0

    @staticmethod
    def unmet_requirements(capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run the profiler, in sentences."""
        return capabilities.lacking(*FEATURES)

    def start(self) -> None:
        """Compile, load and attach; harmless if repeated. Raises :class:`ProbeError`, leaving nothing attached."""
        if self._module is not None:
            return
        defines = {
            "MAX_PROCESSES": MAX_PROCESSES,
            "MAX_STACKS": MAX_STACKS,
            "ROLE_KERNEL": ROLES.index("kernel"),
            "ROLE_CLIENT": ROLES.index("client"),
            "WORKER": os.getpid(),
        }
        module = None
        try:
            defines |= {name: member_offset("task_struct", member) for name, member in OFFSETS.items()}
            module = Module("on_cpu.c", defines)
            module.sample_cpus("on_cpu", self.hertz)
        except (BpfError, BtfError) as error:
            if module is not None:
                module.close()
            raise ProbeError(f"on-CPU stacks: {error}") from error
        self._module = module

    def watch(self, lab: LabView) -> None:
        """Sample this lab's processes and the kernel's threads from now on. Raises :class:`ProbeError`."""
        self.start()
        module = self._loaded()
        self._write_roles(module, lab)
        self._generation += 1
        module.write("watch", 0, self._generation)

    def take(self) -> Stacks:
        """Stop sampling and return the stacks since :meth:`watch`. The processes must still be alive."""
        module = self._loaded()
        module.write("watch", 0, 0)
        seen = module.taken("seen")
        counts: dict[str, dict[str, int]] = {}
        numbers: set[int] = set()
        for key, times in seen:
            numbers |= {key.kernel_stack, key.user_stack}
            if key.generation != self._generation:
                continue
            frames = self._frames(module, key.process, key.kernel_stack, key.user_stack)
            name = ROLES[key.role]
            if RECEIVING in frames:
                # The interrupted process has nothing to do with it.
                name, frames = "softirq", frames[frames.index(RECEIVING) :]
            elif key.process == _IDLE:
                continue
            stack = ";".join(frames)
            mine = counts.setdefault(name, {})
            mine[stack] = mine.get(stack, 0) + times.value
        module.forget_stacks("stacks", (number for number in numbers if number >= 0))
        self._user.forget()
        return Stacks(counts, hertz=self.hertz, lost=self._lost(module))

    def stop(self) -> None:
        """Detach and free everything; harmless if it never started."""
        if self._module is not None:
            self._module.close()
        self._module = None
        self._lost_before = 0
        self._watched_processes.clear()

    def _loaded(self) -> Module:
        if self._module is None:
            raise ProbeError("the profiler was not started")
        return self._module

    def _write_roles(self, module: Module, lab: LabView) -> None:
        for process in self._watched_processes:
            module.remove("roles", process)
        self._watched_processes.clear()
        for kind, role in ROLE_OF_TASKS.items():
            for task in lab.tasks.get(kind, ()):
                module.write("roles", task, ROLES.index(role))
                self._watched_processes.add(task)

    def _frames(self, module: Module, process: int, kernel: int, user: int) -> Sequence[str]:
        """Function names, outermost first: user functions, then kernel functions."""
        names = [self._kernel.name(address) + KERNEL_SUFFIX for address in _walk(module, kernel)]
        names += [self._user.name(process, address) for address in _walk(module, user)]
        # A semicolon separates frames, and C++ names may contain one.
        return [name.replace(";", ":") for name in reversed(names)]

    def _lost(self, module: Module) -> int:
        total: int = sum(one.lost for one in module.per_cpu("tallies", 0))
        before, self._lost_before = self._lost_before, total
        return total - before


def _walk(module: Module, number: int) -> list[int]:
    return module.stack("stacks", number) if number >= 0 else []
