"""Proxies run on the first CPUs of the DUT where the condition says so, and each thread is read back."""

import os
from pathlib import Path

import pytest

from domain.loads.condition import parse_condition
from tests.kernel.bench import bench, new_tag
from tests.kernel.datapaths.declared import proxied
from tests.variants import DATAPATHS, RUNNABLE
from workers.datapaths.base import DatapathError
from workers.lab import affinity, cpus
from workers.lab.cleanup import CleanupRegister
from workers.lab.conditions import ConditionError, apply_condition, spec_fields
from workers.lab.lab import built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

OF_DUT = cpus.placement().dut
WITH_PROXY = sorted(set(proxied()) & set(RUNNABLE))


@pytest.mark.parametrize("name", WITH_PROXY)
def test_every_thread_of_every_proxy_is_on_the_first_cpu_and_still_carries(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path, proxy_cpus=1) as b:
        proxies = [one for one in b.lab.processes if one.task_role == affinity.PROXY]
        allowed = [os.sched_getaffinity(task) for proxy in proxies for task in proxy.tasks()]
        assert allowed
        assert allowed == [{OF_DUT[0]}] * len(allowed)
        assert [note for note in b.lab.notes if f"may use the CPUs {OF_DUT[0]} only" in note]
        assert b.get(3) == 3


def test_without_the_condition_a_proxy_has_all_cpus_of_the_dut_and_no_note(tmp_path: Path) -> None:
    with bench(DATAPATHS["tproxy"], tmp_path) as b:
        haproxy = b.lab.processes[-1]
        assert {frozenset(os.sched_getaffinity(task)) for task in haproxy.tasks()} == {frozenset(OF_DUT)}
        assert b.lab.notes == []


def test_threads_are_as_many_as_the_cpus_of_the_proxy_unless_the_condition_says_more(tmp_path: Path) -> None:
    def threads(**fields: int) -> list[int]:
        with bench(DATAPATHS["tproxy"], tmp_path, **fields) as b:
            return [len(one.tasks()) for one in b.lab.processes if one.task_role == affinity.PROXY]

    assert threads(proxy_cpus=1) == [1, 1]  # HAProxy, and the relay of datagrams
    assert threads(proxy_cpus=1, proxy_threads=3) == [3, 3]


@pytest.mark.skipif(len(OF_DUT) < 2, reason="this host has one CPU for the DUT")
def test_a_thread_that_has_other_cpus_fails_the_datapath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a proxy would that sets its affinity itself: the condition must not be believed, but read."""
    monkeypatch.setattr(affinity, "bound", lambda spec, role_ns, task_role: OF_DUT[1:2])
    said = rf"tproxy: thread \d+ of haproxy may use the CPUs {OF_DUT[1]}, not {OF_DUT[0]}"
    with pytest.raises(DatapathError, match=said), bench(DATAPATHS["tproxy"], tmp_path, proxy_cpus=1):
        pytest.fail("must not be attached")


def test_more_cpus_than_the_dut_has_are_refused_before_anything_runs(tmp_path: Path) -> None:
    condition = parse_condition(f"proxy_cpus({len(OF_DUT) + 1})")
    spec = LabSpec(new_tag(), "tproxy", 1, **spec_fields(condition))
    with built(spec, CleanupRegister(tmp_path)) as lab:
        said = rf"^proxy_cpus\({len(OF_DUT) + 1}\): the DUT has {len(OF_DUT)} CPUs? here .* at most"
        with pytest.raises(ConditionError, match=said), apply_condition(lab, condition):
            pytest.fail("must not be applied")
