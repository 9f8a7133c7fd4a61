"""Host-wide CPU time."""

from pydantic import Field

from domain.values.bounds import Cpus, CpuSeconds, Seconds
from domain.values.frozen import Frozen


class CpuTime(Frozen):
    """Host-wide CPU seconds (all CPUs together) over some wall-clock time.

    Idle time is exact: the kernel notes when a CPU goes idle and when it wakes. So ``busy_s``, the rest, is exact too.
    The division of busy time into user, system, irq and softirq is sampled at timer ticks on most kernels. Ticks miss
    short bursts on a partly loaded host, so use the division for shares only.
    """

    wall_s: Seconds = 0.0
    cpus: Cpus = 1
    user_s: CpuSeconds = 0.0
    system_s: CpuSeconds = 0.0
    irq_s: CpuSeconds = 0.0
    softirq_s: CpuSeconds = 0.0
    steal_s: CpuSeconds = 0.0
    idle_s: CpuSeconds = 0.0
    foreign_s: CpuSeconds = Field(default=0.0, description="By processes outside the labs and the worker.")
    throttled_s: CpuSeconds = Field(
        default=0.0, description="For which the CPU limit of the worker's own cgroups held its tasks back."
    )
    waited_s: CpuSeconds | None = Field(
        default=None, description="Time in which a task of the host waited for a CPU (PSI); none if not counted."
    )

    @property
    def busy_s(self) -> float:
        """Time neither idle nor stolen: user, system, irq and softirq."""
        return max(0.0, self.wall_s * self.cpus - self.idle_s - self.steal_s)

    def busy_beyond_s(self, idle_s_per_s: float, *, open_loop: bool) -> float:
        """Busy time, in an open loop without what the idle host takes.

        A closed loop leaves no idle time, so what the host does when idle does not add to it. Noise may take the rest
        of an open loop below zero; it stays so, because cutting it off there would raise a mean.
        """
        return self.busy_s - (idle_s_per_s * self.wall_s if open_loop else 0.0)

    def share_of(self, part_s: float) -> float:
        """CPU seconds as a share of the time of all CPUs; 0 if no time passed."""
        return part_s / (self.wall_s * self.cpus) if self.wall_s else 0.0

    @property
    def waited_share(self) -> float:
        """Share of the time in which a task waited for a CPU; 0 if not counted. Two readings are not of one instant."""
        return min(1.0, self.waited_s / self.wall_s) if self.waited_s and self.wall_s else 0.0

    def plus(self, other: "CpuTime") -> "CpuTime":
        """The sum over slices of one host."""
        names = set(type(self).model_fields) - {"cpus", "waited_s"}
        waited = [one.waited_s for one in (self, other) if one.waited_s is not None]
        return CpuTime(
            cpus=max(self.cpus, other.cpus),
            waited_s=sum(waited) if waited else None,
            **{name: getattr(self, name) + getattr(other, name) for name in names},
        )
