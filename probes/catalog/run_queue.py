"""How long a lab's tasks, and the kernel's, wait for a CPU."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from bpf.btf import member_offset
from domain.probes.place import Place
from domain.probes.watched import StageRole
from probes.base import LabView, Reading
from probes.tasks import ANY_GROUP, TaskProbe


class RunQueue(TaskProbe):
    """sched_wakeup, or being preempted → the sched_switch that runs the task, by kind of task.

    It watches the lab's tasks, and the kernel's ``kworker`` and ``ksoftirqd``. Those two serve every lab: their waits
    are the whole host's while the lab is watched. A saturated task never sleeps, so it has no wakeups; its waits begin
    when it is preempted. ``work`` counts all wakeups, also those of a task that was still running and did not wait.
    """

    name: ClassVar[str] = "run_queue"
    stage: ClassVar[str] = "run_queue"
    summary: ClassVar[str] = "How long proxy, origin and the kernel's own workers wait for a CPU once they could run"
    place: ClassVar[Place | None] = Place(
        order=70,
        within={
            "proxy": StageRole("socket_wait", "dut"),
            "origin": StageRole("socket_wait", "server"),
            "generator": StageRole("socket_wait", "client"),
        },
        # The wait for a kernel thread is in the stage that gives it the work.
        host_roles=("kworker", "ksoftirqd"),
    )
    roles: ClassVar[tuple[str, ...]] = (*TaskProbe.task_roles, "kworker", "ksoftirqd")
    task_roles: ClassVar[tuple[str, ...]] = roles
    sample_every: int = 32

    def start(self) -> None:
        super().start()
        for pid in _ksoftirqd():
            self.write_task(pid, ANY_GROUP, "ksoftirqd")

    def read(self) -> Reading:
        """Durations, and ``wakeups_<role>`` as work for the roles that have been seen."""
        counts = self.loaded_module().per_cpu("wakeups", 0)
        woken = {role: sum(one.count[index] for one in counts) for index, role in enumerate(self.roles)}
        wakeups = {f"wakeups_{role}": count for role, count in woken.items() if count}
        return replace(super().read(), work=wakeups)

    def _roles(self, lab: LabView) -> tuple[str, ...]:
        return ()

    def _defines(self) -> dict[str, int | str]:
        return {
            **super()._defines(),
            "KWORKER": self.roles.index("kworker"),
            "TASK_STRUCT_FLAGS": member_offset("task_struct", "flags"),
            "TASK_STRUCT_ON_CPU": member_offset("task_struct", "on_cpu"),
        }


def _ksoftirqd() -> Iterator[int]:
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if comm.read_text(errors="replace").startswith("ksoftirqd/"):
                yield int(comm.parent.name)
