"""Host-wide CPU time, with softirq and steal, from /proc/stat.

The kernel counts in ticks of 10 ms per CPU. That is coarse for one slice, and fine for sums of slices.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from domain.hosts.cpu_time import CpuTime

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class HostTicks:
    """The ``cpu`` line of /proc/stat, and how many CPUs it adds up."""

    cpus: int
    user: int
    system: int
    irq: int
    softirq: int
    steal: int
    idle: int

    def since(self, earlier: "HostTicks", wall_s: float) -> CpuTime:
        """CPU seconds from ``earlier`` until now, ``wall_s`` later. Ticks do not say which process used them."""
        return CpuTime(
            wall_s=max(0.0, wall_s),
            cpus=self.cpus,
            user_s=seconds(self.user - earlier.user),
            system_s=seconds(self.system - earlier.system),
            irq_s=seconds(self.irq - earlier.irq),
            softirq_s=seconds(self.softirq - earlier.softirq),
            steal_s=seconds(self.steal - earlier.steal),
            idle_s=seconds(self.idle - earlier.idle),
        )


def host_ticks() -> HostTicks:
    """The host's CPU time until now."""
    return read_host_ticks(Path("/proc/stat").read_text())


def read_host_ticks(stat: str) -> HostTicks:
    """Parse /proc/stat. Raises ``ValueError`` for other text."""
    lines = stat.splitlines()
    if not lines or not lines[0].startswith("cpu "):
        raise ValueError("not /proc/stat: it does not begin with the cpu line")
    # user nice system idle iowait irq softirq steal (guest time is part of user)
    user, nice, system, idle, iowait, irq, softirq, steal = (int(number) for number in lines[0].split()[1:9])
    cpus = sum(1 for line in lines[1:] if line.startswith("cpu"))
    return HostTicks(
        cpus=max(1, cpus), user=user + nice, system=system, irq=irq, softirq=softirq, steal=steal, idle=idle + iowait
    )


def seconds(ticks: int) -> float:
    """Ticks of /proc as seconds, never below zero."""
    # Idle and iowait may run backwards on some kernels.
    return max(0, ticks) / TICKS_PER_S
