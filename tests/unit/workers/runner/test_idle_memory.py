"""Memory per idle connection: figures from two readings, and the counts that must prove the connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from domain.trials.counters import Counters
from domain.trials.trial import Reason
from tests.unit.workers.runner.fakes import FakeAttachment, FakeLab, FakeOrigin, World
from workers.datapaths.base import DatapathError
from workers.lab import memory
from workers.lab.lab import LabError
from workers.lab.spec import LabSpec
from workers.runner import idle_memory
from workers.runner.idle_memory import MemoryUse, check, figures, measure_idle_memory
from workers.runner.trial_run import TrialRun

BEFORE = MemoryUse(proxy_bytes=10 << 20, socket_bytes=1 << 20, established=8)
AFTER = MemoryUse(proxy_bytes=12 << 20, socket_bytes=5 << 20, established=1032)
SLABINFO = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>
TCP                 6162   6200   2368   13    8 : tunables    0    0    0
sock_inode_cache      10     20    832   19    4 : tunables    0    0    0
dentry             90000  90000    192   21    1 : tunables    0    0    0
"""


def test_a_figure_is_growth_per_connection() -> None:
    found = {one.name: one.value for one in figures(1024, BEFORE, AFTER)}
    assert found == {"proxy_kib": 2.0, "proxy_mib": 12.0, "sockets_kib": 4.0}
    without_proxy = MemoryUse(None, 1 << 20, 8), MemoryUse(None, 3 << 20, 1032)
    assert {one.name: one.value for one in figures(1024, *without_proxy)} == {"sockets_kib": 2.0}


def test_objects_in_use_are_counted_of_sockets_alone() -> None:
    assert memory.slab_bytes(SLABINFO) == 6162 * 2368 + 10 * 832


@pytest.mark.parametrize(
    ("arrived", "gained", "words"),
    [
        (1024, Counters(packets=3000, connections=1024), ""),
        (1014, Counters(packets=1014), ""),
        (1024, Counters(), ""),
        (1000, Counters(packets=3000), "of 1,024 idle connections, 1,000 reached the origin"),
        (1024, Counters(packets=3000, connections=900), "900 were counted by the datapath"),
        (1024, Counters(packets=9), "9 sent a packet through it"),
        (1024, Counters(packets=3000, leaked_packets=2), "2 packets of idle connections missed the datapath"),
    ],
)
def test_connections_must_be_seen_by_origin_and_datapath(arrived: int, gained: Counters, words: str) -> None:
    after = MemoryUse(AFTER.proxy_bytes, AFTER.socket_bytes, BEFORE.established + arrived)
    if not words:
        check(1024, BEFORE, after, gained)
        return
    with pytest.raises(DatapathError, match=words):
        check(1024, BEFORE, after, gained)


@pytest.mark.parametrize("problem", ["", "idle connections were not opened: 20 open files are needed"])
def test_a_trial_has_the_figures_or_is_invalid(monkeypatch: pytest.MonkeyPatch, problem: str) -> None:
    world = World()
    readings = iter([BEFORE, BEFORE, AFTER])

    @contextmanager
    def idle(_lab: Any, connections: int) -> Iterator[None]:
        if problem:
            raise LabError(problem)
        world.requests["fake"] = 3 * connections  # packets that the fake datapath counts
        yield

    monkeypatch.setattr(idle_memory, "memory_use", lambda _: next(readings))
    monkeypatch.setattr(idle_memory, "idle_connections", idle)
    lab: Any = FakeLab(LabSpec("abc123", "fake", 0), world)
    tags: Any = None
    one = TrialRun("fake", lab, FakeOrigin(lab), tags, applied=tags, attachment=FakeAttachment(world, "fake"))
    measure_idle_memory(one, 1024, sleep=lambda _: None, clock=lambda: 0.0)
    assert [figure.name for figure in one.evidence.own_figures] == (
        [] if problem else ["proxy_kib", "proxy_mib", "sockets_kib"]
    )
    assert [finding.reason for finding in one.evidence.findings] == ([Reason.DATAPATH_FAILED] if problem else [])
    assert one.usable is not bool(problem)
