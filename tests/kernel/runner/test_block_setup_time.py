"""What a trial costs besides its traffic: setting up and removing labs, origins and datapaths, without compiling."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import workers.datapaths
import workers.workloads
from bpf.loader import Module
from domain.loads.load import ClosedLoad
from domain.values.registry import discover
from tests.host_noise import windows
from tests.kernel.bench import HeldNamespaces, assert_nothing_left, new_tag
from tests.kernel.probes.test_probes_on_traffic import greet
from workers.datapaths.base import Datapath
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import built
from workers.lab.spec import LabSpec
from workers.runner.trial_run import origin_of
from workers.workloads.base import Workload

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

LABELS = ("direct", "tproxy", "ebpf_redirect", "ebpf_redirect_peer", "ebpf_xdp", "ebpf_sk_assign")
# 0.09 s on an idle machine of two cores; a compilation takes at least 0.3 s there, and so more than this on a busy one.
BUSY_MACHINE_S = 1.5


@pytest.fixture(scope="module")
def datapaths() -> dict[str, Datapath]:
    """One of each, as a worker keeps them from block to block."""
    return discover(workers.datapaths, Datapath)


@contextmanager
def counted_compilations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The sources that are compiled meanwhile."""
    seen: list[str] = []
    compile_it = Module.__init__

    def counting(self: Module, source: str, *rest: object, **named: object) -> None:
        seen.append(source)
        compile_it(self, source, *rest, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Module, "__init__", counting)
        yield seen


def set_up_and_down(datapaths: dict[str, Datapath], directory: Path) -> float:
    """Everything of a block but its traffic; returns the seconds per datapath."""
    workload, tag, held = discover(workers.workloads, Workload)["http_keepalive"], new_tag(), HeldNamespaces()
    plan = workload.plan(ClosedLoad(connections=1))
    without = frozenset[str]().union(*(datapaths[label].disabled_offloads for label in LABELS))
    began_s = time.monotonic()
    with ExitStack() as stack:
        for position, label in enumerate(LABELS):
            spec = LabSpec(tag, label, position, disabled_offloads=without)
            lab = stack.enter_context(built(spec, CleanupRegister(directory)))
            held.add(*lab.namespaces)
            lab.client_endpoint = datapaths[label].client_endpoint(lab)
            origin = origin_of(workload, plan, lab)
            origin.start()
            stack.enter_context(datapaths[label].attached(lab))
            greet(origin)
    seconds = (time.monotonic() - began_s) / len(LABELS)
    assert_nothing_left(tag, held, directory)
    return seconds


def test_a_worker_compiles_once_and_then_sets_a_datapath_up_and_down_fast(
    datapaths: dict[str, Datapath], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted_compilations(monkeypatch) as first:
        set_up_and_down(datapaths, tmp_path / "register")
    assert sorted(first) == sorted(f"datapaths/{label}.c" for label in LABELS if "bcc" in datapaths[label].requires)
    with counted_compilations(monkeypatch) as later:
        for window in windows():
            with window:
                assert set_up_and_down(datapaths, tmp_path / "register") < BUSY_MACHINE_S
    assert later == []
