"""How busy this host is between reports of vitals: its load average, and the CPU time that the hypervisor takes."""

import os
from collections.abc import Callable

from workers.lab.host_cpu import HostTicks, host_ticks


class HostLoad:
    """The load now, and the share of CPU time that was stolen since the last question."""

    def __init__(
        self,
        ticks: Callable[[], HostTicks] = host_ticks,
        averages: Callable[[], tuple[float, float, float]] = os.getloadavg,
    ) -> None:
        self._ticks, self._averages = ticks, averages
        self._last = ticks()

    @property
    def load_1m(self) -> float:
        """The load average of one minute."""
        return round(max(0.0, self._averages()[0]), 2)

    def stolen(self) -> float | None:
        """The share of all CPU time since the last question; ``None`` if no tick has passed."""
        now, last = self._ticks(), self._last
        self._last = now
        passed = _all(now) - _all(last)
        return None if passed <= 0 else round(min(1.0, max(0, now.steal - last.steal) / passed), 4)


def _all(ticks: HostTicks) -> int:
    return ticks.user + ticks.system + ticks.irq + ticks.softirq + ticks.steal + ticks.idle
