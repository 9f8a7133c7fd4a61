"""The idle baseline: what the host uses while the labs of a block are idle."""

from collections.abc import Callable

from domain.hosts.cpu_time import CpuTime
from domain.hosts.noise_limits import BASELINE_S, MAX_FOREIGN_IDLE_SHARE, baseline_looks
from workers.runner.cpu import CpuMeter


def idle_baseline(
    meter: CpuMeter, attempt: int, sleep: Callable[[float], None], proceed: Callable[[], None]
) -> tuple[float, str]:
    """Busy CPU seconds per second of the idle host, and what is wrong with that figure, if anything.

    Open levels subtract it, so foreign processes must be idle meanwhile. This waits for that, the longer the later the
    attempt. ``proceed`` is called before each look.
    """
    idle = CpuTime()
    for _ in range(baseline_looks(attempt)):
        proceed()
        before = meter.snapshot()
        sleep(BASELINE_S)
        idle = meter.snapshot().since(before)
        if idle.foreign_s <= MAX_FOREIGN_IDLE_SHARE * idle.wall_s * idle.cpus:
            break
    else:
        return _per_s(idle), f"other processes used {idle.foreign_s:.2f} s of CPU in {idle.wall_s:.1f} s of idle labs"
    return _per_s(idle), ""


def _per_s(idle: CpuTime) -> float:
    return idle.busy_s / idle.wall_s if idle.wall_s else 0.0
