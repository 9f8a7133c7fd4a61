"""The base of probes that identify tasks by their id."""

from collections.abc import Mapping
from typing import ClassVar

from probes.base import LabView, ProbeError
from probes.tracing import TracingProbe

MAX_LAB_TASKS = 1024
_KERNEL_TASKS = 1024  # several for each CPU
ANY_GROUP = 2**64 - 1
_NOT_WAITING = {"time_ns": 0, "generation": 0}  # struct start of bpf/include/stage.h

TaskRoles = frozenset[tuple[int, str]]


class TaskProbe(TracingProbe):
    """A probe whose C source uses the map ``tasks`` of bpf/include/tasks.h; roles are numbered as in ``roles``.

    Tasks are written when a lab is first watched, so that returning to it takes one map entry. Tasks of a lab with
    other roles are not watched.
    """

    constants: ClassVar[Mapping[str, int]] = {"MAX_TASKS": MAX_LAB_TASKS + _KERNEL_TASKS}
    task_roles: ClassVar[tuple[str, ...]] = ("proxy", "origin", "generator")

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[TaskRoles, int] = {}
        self._entries: dict[int, tuple[int, str]] = {}

    def stop(self) -> None:
        super().stop()
        self._groups.clear()
        self._entries.clear()

    def write_task(self, pid: int, group: int, role: str) -> None:
        """Watch a task with its group; ``ANY_GROUP`` watches it with every lab."""
        number = self.task_roles.index(role)
        self.loaded_module().write("tasks", pid, group=group, role=number, queued=_NOT_WAITING)

    def _group(self, lab: LabView) -> int:
        module = self.loaded_module()
        tasks = frozenset((pid, role) for role in self.task_roles for pid in lab.tasks.get(role, ()))
        if len(tasks) > MAX_LAB_TASKS:
            raise ProbeError(f"{lab.label} has {len(tasks)} tasks; {MAX_LAB_TASKS} can be watched")
        if len(self._entries.keys() | {pid for pid, _ in tasks}) > MAX_LAB_TASKS:
            for pid in self._entries:
                module.remove("tasks", pid)
            self._entries.clear()
        group = self._groups.setdefault(tasks, len(self._groups) + 1)
        for pid, role in tasks:
            if self._entries.get(pid) != (group, role):
                self.write_task(pid, group, role)
                self._entries[pid] = (group, role)
        return group
