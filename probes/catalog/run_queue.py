"""How long a lab's tasks wait for a CPU."""

import struct
from typing import ClassVar

from probes.base import LabView, ProbeError
from probes.tracing import TracingProbe

MAX_TASKS = 1024
_TASK = struct.Struct("=QQQ")  # struct task of bpf/probes/run_queue.c


class RunQueue(TracingProbe):
    """sched_wakeup, or being preempted → the sched_switch that runs the task, for the lab's proxy and origin.

    A saturated task never sleeps, so it has no wakeups; being preempted keeps its waits in view.
    """

    name: ClassVar[str] = "run_queue"
    stage: ClassVar[str] = "run_queue"
    summary: ClassVar[str] = "How long the lab's proxy and origin wait for a CPU once they could run"
    constants: ClassVar[dict[str, int]] = {"MAX_TASKS": MAX_TASKS}
    sample_every: int = 32

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[frozenset[int], int] = {}
        self._group_of: dict[int, int] = {}

    def stop(self) -> None:
        super().stop()
        self._groups.clear()
        self._group_of.clear()

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ()

    def _group(self, lab: LabView) -> int:
        """Tasks are written when a lab is first watched, so that going back to it takes one map entry."""
        module = self._started()
        tasks = frozenset(task for role in lab.tasks.values() for task in role)
        if len(tasks) > MAX_TASKS:
            raise ProbeError(f"{lab.label} has {len(tasks)} tasks; {MAX_TASKS} can be watched")
        if len(self._group_of.keys() | tasks) > MAX_TASKS:
            for pid in self._group_of:
                module.remove("tasks", pid)
            self._group_of.clear()
        group = self._groups.setdefault(tasks, len(self._groups) + 1)
        for pid in tasks:
            if self._group_of.get(pid) != group:
                module.write("tasks", pid, _TASK.pack(group, 0, 0))
                self._group_of[pid] = group
        return group
