"""Several clients load one DUT at once: one trial of them all, proven; and none of them can fail unseen."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from domain.loads.condition import Condition
from domain.loads.load import ClosedLoad, OpenLoad
from domain.service.jobs import BlockJob
from domain.trials.block import Block
from domain.trials.trial import TRANSIENT_REASONS, Reason, TrialResult
from probes.profiler import Profiler
from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.bench import HeldNamespaces, assert_nothing_left, new_tag
from tests.kernel.runner.test_block import Points
from tests.unwatched import NoProbes
from tests.variants import DATAPATHS, RUNNABLE, WORKLOADS
from workers.lab import cleanup, netns
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab
from workers.lab.spec import lab_tag
from workers.runner.measurement import Cancelled
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import Origin, RunnerContext, origin_of
from workers.traffic import program, showdown_traffic
from workers.traffic.base import GeneratorPlan
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.workloads.base import Workload

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

SHORT_S = 0.1  # of a slice, where there are many labs
MANY = tuple(name for name, one in sorted(RUNNABLE.items()) if "tcp" in one.protocols and not one.one_client)


class Rig:
    """Blocks in labs of several clients; what the origin's side saw of them."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.points, self.labs = directory, Points(), dict[str, Lab]()
        self.seen: dict[str, set[str]] = {}
        self.block_id = new_tag()
        self.stop = False
        self.meddle: Callable[[], object] | None = None  # once, in the midst of the traffic

    def origin(self, workload: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
        self.labs[lab.label] = lab
        return origin_of(workload, plan, lab)

    def look(self, _: Any, label: str, done: int) -> None:
        """The addresses of the clients that are connected to the origin just now."""
        if done and self.meddle:
            meddle, self.meddle = self.meddle, None
            meddle()
        if lab := self.labs.get(label):
            with suppress(FileNotFoundError):
                text = netns.call_in(lab.server_ns, lambda: Path("/proc/thread-self/net/tcp").read_text())
                remote = {line.split()[2] for line in text.splitlines()[1:] if line.split()[3] == "01"}
                self.seen.setdefault(label, set()).update(_address(one.partition(":")[0]) for one in remote)

    def run(
        self,
        load: ClosedLoad | OpenLoad,
        labels: tuple[str, ...],
        *,
        clients: int = 2,
        workload: str = "http_keepalive",
        slices: int = 2,
        slice_s: float = 0.2,
    ) -> dict[str, TrialResult]:
        self.points, self.block_id = Points(), new_tag()
        self.labs.clear()
        self.seen.clear()
        block = Block(index=0, workload=workload, level="low", load=load, datapaths=labels, order=labels * slices,
                      host="test", clients=clients)  # fmt: skip
        job = BlockJob(campaign_id="test", campaign_name="test", block_id=self.block_id, attempt=1, lease="x",
                       block=block, slice_s=slice_s, warm_up_s=slice_s / 2, probes=())  # fmt: skip
        host = RunnerContext(
            name="test",
            register=CleanupRegister(self.directory / "register"),
            datapaths=DATAPATHS,
            workloads=WORKLOADS,
            generators={program.NAME: ShowdownTraffic()},
            probing=NoProbes(),
            profiling=Profiler(),
            telemetry=self.points,
            origin=self.origin,
        )
        runner = BlockRunner(job, host, progress=self.look, stop=lambda: self.stop)
        with calm_origins():
            return {trial.datapath: trial for trial in runner.run().trials}


def _address(text: str) -> str:
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(text)))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig, descriptors = Rig(tmp_path), _memfds()
    yield rig
    # Processes in namespaces are killed before these go; their inodes may belong to others by now.
    assert_nothing_left(lab_tag(rig.block_id, 1), HeldNamespaces(), tmp_path / "register")
    assert generators() == []
    assert _memfds() == descriptors


def _memfds() -> int:
    links = []
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sum("showdown-rendezvous" in link for link in links)


def generators() -> list[int]:
    """Our own children that make traffic, in the order of the clients."""
    found = {}
    for pid in cleanup.pids():
        with suppress(OSError, ValueError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and words[0] == str(program.PATH) and "--client" in words:
                found[words[words.index("--client") + 1]] = pid
    return [found[key] for key in sorted(found)]


@pytest.mark.parametrize(
    ("load", "labels"),
    [
        pytest.param(ClosedLoad(connections=8), MANY, id="closed, every datapath"),
        # How a schedule is shared is the generator's affair, not the datapath's.
        pytest.param(OpenLoad(rate_per_s=1000, arrival="constant"), ("direct", "tproxy", "ebpf_redirect"), id="open"),
    ],
)
@in_windows
def test_two_clients_load_one_dut_at_once(rig: Rig, load: ClosedLoad | OpenLoad, labels: tuple[str, ...]) -> None:
    assert set(MANY) >= {"direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"}
    trials = rig.run(load, labels, slice_s=0.2 if isinstance(load, OpenLoad) else SHORT_S)
    for label, trial in trials.items():
        assert set(trial.validity.reasons) <= TRANSIENT_REASONS, (label, trial.validity)
        assert trial.errors == {}, label
        proof, lab = trial.proof, rig.labs[label]
        assert proof is not None
        assert set(proof.clients) == {"client 1 of 2", "client 2 of 2"}
        assert min(proof.clients.values()) > 0, label
        assert sum(proof.clients.values()) == proof.requests == proof.origin_requests
        assert proof.accounted >= 1.0
        assert trial.service_time is not None
        assert trial.service_time.count == trial.requests
        assert rig.seen[label] == {ends.expected_source for ends in lab.client_endpoints}, label
        if isinstance(load, OpenLoad):
            assert trial.requests == 400, "two slices of 0.2 s: each client its half, and no more"
            assert abs(proof.clients["client 1 of 2"] - proof.clients["client 2 of 2"]) <= 3
            assert trial.latency is not None
            assert trial.latency.count == trial.timings["schedule_lag"].count == 400
        # Of the host, once: as much time as passed, not twice as much.
        assert trial.cpu.wall_s == pytest.approx(trial.duration_s, rel=0.3)
        assert trial.cpu.busy_s <= trial.cpu.wall_s * trial.cpu.cpus
        assert {one.connections for one in trial.slices} == {8 if isinstance(load, ClosedLoad) else 512}
    points = [p for p in rig.points.points if p.measurement == "traffic"]
    assert len(points) == 2 * len(labels), "one for each slice, of both clients"
    assert all(point.fields["p99_us"] for point in points)


@in_windows
def test_two_clients_of_ipv6_load_datapaths_of_every_function(rig: Rig) -> None:
    """Two of each: every datapath carries IPv6 in test_ipv6, and two clients above; the rest is the lab's."""
    by_function: dict[str, list[str]] = {}
    for name in MANY:
        if 6 in DATAPATHS[name].ip_versions:
            by_function.setdefault(DATAPATHS[name].function, []).append(name)
    labels = tuple(name for names in by_function.values() for name in names[:2])
    trials = rig.run(ClosedLoad(connections=8, condition=Condition(ip_version=6)), labels, slice_s=SHORT_S)
    assert len(trials) >= 8
    for label, trial in trials.items():
        assert ":" in rig.labs[label].client_address
        assert set(trial.validity.reasons) <= TRANSIENT_REASONS, (label, trial.validity)
        assert trial.proof is not None
        assert min(trial.proof.clients.values()) > 0, label
        assert trial.proof.accounted >= 1.0


@in_windows
def test_eight_clients_and_requests_of_another_kind(rig: Rig) -> None:
    trial = rig.run(ClosedLoad(connections=16), ("direct",), clients=8, workload="udp_rr")["direct"]
    assert set(trial.validity.reasons) <= TRANSIENT_REASONS, trial.validity
    assert trial.proof is not None
    assert len(trial.proof.clients) == 8
    assert min(trial.proof.clients.values()) > 0


def test_a_datapath_whose_client_has_no_separate_namespace_takes_one(rig: Rig) -> None:
    trial = rig.run(ClosedLoad(connections=4), ("ebpf_connect",))["ebpf_connect"]
    assert trial.validity.reasons[0] == Reason.DATAPATH_FAILED
    assert "takes one client only" in trial.validity.findings[0].detail


def to_second_client(*signals: int, pause_s: float = 0.0) -> Callable[[], None]:
    """Send signals to the second client."""

    def send() -> None:
        _, second = generators()
        for number in signals:
            os.kill(second, number)
            time.sleep(pause_s)

    return send


@pytest.mark.parametrize(
    ("signals", "reason", "said"),
    [
        ((signal.SIGKILL,), Reason.GENERATOR_FAILED, "client 2 of 2 ended with status -9"),
        ((signal.SIGTERM,), Reason.GENERATOR_FAILED, "client 2 of 2: interrupted"),
        # The limit is 2 s; a busy machine reports it later.
        ((signal.SIGSTOP,), Reason.GENERATOR_FAILED, r"client 2 of 2 ended no slice for [2-9]\."),
        ((signal.SIGSTOP, signal.SIGCONT), Reason.GENERATOR_SATURATED, "client 2 of 2 stalled"),
    ],
    ids=["killed", "ended", "stopped", "stopped for a while"],
)
def test_a_client_that_fails_makes_the_trial_invalid_and_is_named(
    rig: Rig, signals: tuple[int, ...], reason: Reason, said: str
) -> None:
    rig.meddle = to_second_client(*signals, pause_s=0.4 * (len(signals) > 1))
    began = time.monotonic()
    trial = rig.run(ClosedLoad(connections=4), ("direct",), slices=12)["direct"]
    assert reason in trial.validity.reasons
    details = [one.detail for one in trial.validity.findings if one.reason == reason]
    assert any(re.search(said, detail) for detail in details), details
    assert time.monotonic() - began < 20


def test_a_cancelled_block_leaves_no_client_behind(rig: Rig) -> None:
    def cancel() -> None:
        assert len(generators()) == 2
        rig.stop = True

    rig.meddle = cancel
    with pytest.raises(Cancelled):
        rig.run(ClosedLoad(connections=4), ("direct",), slices=100)


def test_clients_that_hang_are_ended(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showdown_traffic, "GRACE_S", -5.4)
    trial = rig.run(ClosedLoad(connections=4), ("direct",), slices=10)["direct"]
    details = [one.detail for one in trial.validity.findings if one.reason == Reason.GENERATOR_FAILED]
    assert details == ["client 1 of 2, client 2 of 2 did not end in time"]


def test_a_result_with_clients_survives_json(rig: Rig) -> None:
    trial = rig.run(OpenLoad(rate_per_s=200, arrival="constant"), ("direct",))["direct"]
    again = TrialResult.model_validate(json.loads(trial.model_dump_json()))
    assert again.proof is not None
    assert again.proof == trial.proof
