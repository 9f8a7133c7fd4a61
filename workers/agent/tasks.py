"""The Celery tasks: decode, run, report. And what a worker process keeps from block to block."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import httpx
from celery import current_app, shared_task
from celery.signals import worker_process_init, worker_process_shutdown

import probes.catalog
import workers.datapaths
import workers.workloads
from domain.service.jobs import RUN_BLOCK_TASK, BlockJob, BlockMessage, HostCapabilities, Phase
from domain.trials.traits import TEST_TRAITS_TASK
from domain.trials.trial import BlockResult
from domain.values.registry import discover
from probes.base import Probe
from probes.profiler import Profiler
from probes.session import ProbeSession
from probes.stream.stream import Stream
from workers.agent.api_client import Coordinator, Refused
from workers.agent.app import own_queue_of, probe_capabilities
from workers.agent.config import WorkerSettings
from workers.agent.execution import execute
from workers.agent.progress import announce
from workers.agent.tally import BlockTally
from workers.datapaths.base import Datapath
from workers.inventory.fingerprint import fingerprint
from workers.lab.cleanup import REGISTER_DIR, CleanupRegister, sweep
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import RunnerContext
from workers.traffic.h2load import H2load
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.traffic.wrk import Wrk
from workers.traits.matrix.file import keep
from workers.traits.matrix.run import MatrixRun
from workers.workloads.base import Workload

log = logging.getLogger(__name__)

FLUSH_S = 3.0


@shared_task(name=RUN_BLOCK_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def run_block(message: dict[str, Any]) -> None:
    """Run the attempt that the message names, if it is still free."""
    worker = this_worker()
    execute(
        BlockMessage.model_validate(message),
        worker.coordinator,
        worker.measure,
        announce=worker.announce,
        count=worker.tally.add,
    )


@shared_task(name=TEST_TRAITS_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def try_traits(names: list[str] | None = None) -> None:
    """Test the first of the named datapaths (of all, if none is named), and queue a message for the others.

    A block that is queued meanwhile comes before that message. It waits for seconds only, and runs alone.
    """
    worker = this_worker()
    own_queue, others = own_queue_of(current_app, worker.settings), []
    try:
        if others := worker.try_first(names or []):
            own_queue.continue_tests(others)
    finally:
        if not others:
            own_queue.tests_ended()


class Worker:
    """One worker process. Made once, after the fork; keeps compiled probes and connections."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.coordinator = Coordinator(settings)
        self.register = CleanupRegister(REGISTER_DIR)
        self.tally = BlockTally(settings.state_dir)
        self.stream = Stream.to_influx(
            settings.influx_url, settings.influx_token, settings.influx_org, settings.influx_bucket,
            settings.telemetry_dir,
        )  # fmt: skip
        if self.stream.killed:
            log.warning("%d telemetry points were lost with the worker that was killed", self.stream.killed)
        self.stream.start()
        self.session = ProbeSession(discover(probes.catalog, Probe), self.stream, settings.host)
        self.fingerprint = fingerprint()
        # Discovered once: a datapath keeps its compiled programs and their descriptors.
        self.host = RunnerContext(
            name=settings.host,
            register=self.register,
            datapaths=discover(workers.datapaths, Datapath),
            workloads=discover(workers.workloads, Workload),
            generators={driver.name: driver for driver in (ShowdownTraffic(), Wrk(), H2load())},
            probing=self.session,
            profiling=Profiler(),
            telemetry=self.stream,
        )

    def measure(
        self, job: BlockJob, progress: Callable[[Phase, str, int], None], stop: Callable[[], bool]
    ) -> BlockResult:
        """Run a claimed block on this host."""
        sweep(REGISTER_DIR)  # what a killed attempt left on this host
        for name, why in self.session.start(job.probes).items():
            log.warning("probe %s does not start: %s", name, why)
        self.stream.take_account(0)  # discards what an earlier block left over
        result = BlockRunner(job, self.host, progress=progress, stop=stop).run()
        account = self.stream.take_account(FLUSH_S)
        notes = [account.missing, *(f"probe {name}: {why}" for name, why in self.session.failed.items())]
        account = account.model_copy(update={"missing": "; ".join(filter(None, notes))[:500]})
        return result.model_copy(update={"telemetry": account, "fingerprint": self.fingerprint})

    def try_first(self, names: Sequence[str]) -> list[str]:
        """Test the traits of the first of the named datapaths, of all if none is named; returns the other names."""
        sweep(REGISTER_DIR)
        known = self.host.datapaths
        wanted = {name: known[name] for name in names or known if name in known}
        if not wanted:
            return []
        matrix_run, others = MatrixRun.of(wanted, self.register).first()
        whole = keep(matrix_run.run(self.capabilities), self.settings.state_dir)
        try:
            self.coordinator.report_matrix(whole)
        except (Refused, httpx.HTTPError) as error:  # the registration reports it later
            log.warning("the matrix waits: %s", error)
        return others

    @cached_property
    def capabilities(self) -> HostCapabilities:
        """What this host can run."""
        return probe_capabilities(self.settings.host)

    def announce(self, job: BlockJob) -> None:
        """Write the campaign's progress to InfluxDB."""
        announce(job, self.coordinator, self.stream)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin(**_: Any) -> None:
    # Before the first block: telemetry that a former worker left in its spool is delivered meanwhile.
    worker = this_worker()
    # A thread, because Celery kills a child that is not up within seconds, and the coordinator may be away.
    threading.Thread(target=_report_lost_claims, args=(worker.coordinator,), name="lost claims", daemon=True).start()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    # Points of the last second are still in memory.
    if this_worker.cache_info().currsize:
        this_worker().stream.close(FLUSH_S)


def _report_lost_claims(coordinator: Coordinator) -> None:
    try:
        coordinator.report_lost_claims(clean=lambda: sweep(REGISTER_DIR))
    except Exception:  # the leases still end these attempts
        log.exception("attempts of a killed process are not reported")


@cache
def this_worker() -> Worker:
    """The worker of this process."""
    return Worker(WorkerSettings.from_environment())
