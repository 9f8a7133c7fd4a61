"""The labs of the benches, as in campaigns, and one run of a generator with its CPU time."""

import os
import random
import resource
import string
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import workers.datapaths
from domain.hosts.cpu_time import CpuTime
from domain.values.names import datapath_of
from domain.values.registry import discover
from workers.datapaths.base import Datapath
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec
from workers.origins.own import TrafficOrigin
from workers.runner.runner import PREFLIGHT_S
from workers.runner.trial_run import Origin
from workers.traffic.base import Generator, GeneratorPlan, Schedule, Target, TargetTraffic
from workers.traffic.h2load import H2load
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.traffic.wrk import Wrk

GENERATORS: dict[str, Generator] = {"ours": ShowdownTraffic(), "wrk": Wrk(), "h2load": H2load()}
BODY_BYTES = 128
PATH = f"/bytes/{BODY_BYTES}"


class BenchError(RuntimeError):
    """A run failed, so there is nothing to report."""


@contextmanager
def awake() -> Iterator[None]:
    """Idle CPUs poll for work meanwhile, where the kernel lets us (Documentation/power/pm_qos_interface.rst).

    A CPU that was idle for longer wakes up later, on a virtual machine by tens of microseconds.
    """
    device = Path("/dev/cpu_dma_latency")
    if not device.exists():
        yield
        return
    with device.open("wb", buffering=0) as latency:  # the request ends when the file is closed
        latency.write(struct.pack("=i", 0))
        yield


@contextmanager
def labs(
    labels: Sequence[str],
    *,
    stall_ms: int = 0,
    stall_every_ms: int = 0,
    origin: Callable[[Lab], Origin] | None = None,
) -> Iterator[dict[str, Lab]]:
    """A lab with its datapath attached and an origin on every CPU, by label; all of it is removed afterwards."""
    datapaths = discover(workers.datapaths, Datapath)
    tag = "".join(random.choices(string.digits + string.ascii_lowercase, k=6))
    with tempfile.TemporaryDirectory(prefix="showdown-bench-") as directory, ExitStack() as stack:
        running_labs = {}
        without = frozenset[str]().union(*(datapaths[datapath_of(label)].disabled_offloads for label in labels))
        for position, label in enumerate(labels):
            lab = stack.enter_context(
                built(LabSpec(tag, label, position, disabled_offloads=without), CleanupRegister(Path(directory)))
            )
            own = TrafficOrigin(lab, "http", stall_ms=stall_ms, stall_every_ms=stall_every_ms)
            serving = origin(lab) if origin else own
            serving.start()
            stack.enter_context(datapaths[datapath_of(label)].attached(lab))
            _wait_for(serving)
            running_labs[label] = lab
        yield running_labs


def _wait_for(origin: Origin) -> None:
    """Until the first request is answered: nginx listens a little after its start."""
    deadline_s = time.monotonic() + PREFLIGHT_S
    while True:
        try:
            origin.greet()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.02)
        else:
            return


def target(lab: Lab, authority: str = "") -> Target:
    """The lab as the generator's target."""
    return Target(
        label=lab.label, netns=lab.client_ns, address=lab.server_address, port=lab.origin_port, authority=authority
    )


@dataclass(frozen=True)
class Measured:
    """One run on one lab.

    ``own_cpu_s`` is the CPU time of the generator's process, including its start. ``host`` is the host's CPU time
    during the slice, for our generator only: wrk's window includes its start and its end.
    """

    requests: int
    duration_s: float
    own_cpu_s: float
    host: CpuTime
    traffic: TargetTraffic

    @property
    def requests_per_s(self) -> float:
        """Completed requests per second of traffic."""
        return self.requests / self.duration_s

    @property
    def own_cpu_us(self) -> float:
        """The generator's CPU time per request."""
        return self.own_cpu_s * 1e6 / self.requests


def run(
    generator: str,
    lab: Lab,
    plan: GeneratorPlan,
    seconds: float,
    warm_up_s: float = 0.0,
    *,
    timeline: bool = False,
    authority: str = "",
) -> Measured:
    """One slice of traffic by a generator, after an uncounted warm-up; ``authority`` is its certificate's, with TLS.

    Raises :class:`BenchError` on any failure.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    schedule = Schedule((lab.label,), seconds, warm_up_s, timeline)
    found = GENERATORS[generator].run(
        plan, [target(lab, authority)], schedule, stop=lambda: False, report=lambda _: None
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    traffic = found[lab.label]
    # h2load breaks off at the end of a slice; its requests under way are unanswered then.
    wrong = {cause: count for cause, count in traffic.errors.items() if cause != "unanswered"}
    if traffic.failure or not traffic.requests or wrong:
        raise BenchError(f"{generator} on {lab.label}: {traffic.failure or wrong or 'no requests'}")
    own_cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    (piece,) = [one for one in traffic.slices if not one.warm_up]
    return Measured(piece.requests, piece.duration_s, own_cpu_s, piece.cpu, traffic)


@contextmanager
def one_cpu(cpu: int | None = None) -> Iterator[None]:
    """Limit generators to one thread, on this CPU or the first; running origins keep their threads."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_of_them) if cpu is None else cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)
