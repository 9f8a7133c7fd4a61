"""The load of a host, and what its hypervisor takes, between two reports."""

from workers.agent.host_load import HostLoad
from workers.lab.host_cpu import HostTicks


def ticks(steal: int, idle: int) -> HostTicks:
    return HostTicks(cpus=2, user=10, system=5, irq=0, softirq=1, steal=steal, idle=idle)


def test_the_share_is_of_the_time_since_the_last_question() -> None:
    found = iter([ticks(50, 1000), ticks(60, 1190), ticks(60, 1190), ticks(70, 1190)])
    load = HostLoad(lambda: next(found), lambda: (1.256, 0.5, 0.1))
    assert load.load_1m == 1.26
    assert [load.stolen() for _ in range(3)] == [0.05, None, 1.0]


def test_the_kernels_own_figures_are_read() -> None:
    load = HostLoad()
    assert load.load_1m >= 0.0
    stolen = load.stolen()
    assert stolen is None or 0.0 <= stolen <= 1.0
