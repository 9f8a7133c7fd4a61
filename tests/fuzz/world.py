"""The coordinator's store, ticker and lifecycle with two workers, in simulated time; faults come from outside.

Requests have the content of the views of :mod:`coordinator.api.worker`, without HTTP.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select

from coordinator import ticker
from coordinator.scheduling.clock_steps import ClockSteps
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.hosts import enrolments, removal, vitals
from coordinator.store.lifecycle import submission, transitions, work
from coordinator.store.rows import quarantine
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow, QuarantineRow
from coordinator.store.rows.quarantine import Kind
from coordinator.store.upkeep import rounds
from domain.campaigns.campaign import Campaign, read_campaign
from domain.probes.telemetry import TelemetryAccount
from domain.service.jobs import BlockMessage, Heartbeat, Phase, Report
from domain.service.vitals import HostVitals
from domain.values.problems import InvalidInput
from tests.faults.oracle import violations
from tests.fuzz.fake_workers import FaultyBroker, Mood, Worker, Written, result_of
from tests.fuzz.judge import Judge, Violation
from tests.unit.coordinator.coordinator_app import campaign, capabilities, empty_database

HOSTS = ("h1", "h2")
ROUND_S = 5.0
REGISTER_S = 30.0
MOST_ROUNDS = 150
AWAY_ROUND_S, AWAY_ROUNDS = 16.0, 5  # a host is silent after 60 s; a longer round looks like a paused machine
CAPABILITIES = {host: capabilities(host) for host in HOSTS}
CAMPAIGNS: Mapping[str, Campaign] = {
    "one block": read_campaign(campaign(blocks=1)),
    "three blocks": read_campaign(campaign(blocks=3)),
    "a share": read_campaign(campaign(blocks=1, workloads=["http_open"], levels={"low": "open(50%)"})),
    "a capacity": read_campaign(
        campaign(blocks=1, workloads=["http_open"], levels={"slo": "capacity(p99<=5ms)"}, datapaths=["direct"])
    ),
}


class World:
    """Everything of one run. Times are in seconds; the coordinator's wall clock may be set, the monotonic one not."""

    def __init__(self, directory: Path) -> None:
        self.database = directory / "showdown.sqlite"
        self.database.write_bytes(empty_database())
        self.store = Store(f"sqlite:///{self.database}")
        self.broker = FaultyBroker()
        self.workers = {host: Worker(host) for host in HOSTS}
        self.wall_s, self.monotonic_s, self._clock = 1_000_000.0, 0.0, ClockSteps()
        self.campaigns: list[str] = []
        self.set_aside: set[str] = set()
        self.judge = Judge(self.database, lambda: self.set_aside)
        self._mark, self._pinged_at_s = 0, 0.0

    def close(self) -> None:
        """Close the database."""
        self.judge.close()
        self.store.close()

    # The coordinator

    def restart_coordinator(self) -> None:
        """Another process on the same database; it has seen no time pass."""
        self.store.close()
        self.store, self._clock = Store(f"sqlite:///{self.database}"), ClockSteps()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and nothing else."""
        self.wall_s += seconds
        self.monotonic_s += seconds

    def tick(self) -> None:
        """One round of the ticker, with its pings."""
        steady_s = self._clock.steady_s(self.wall_s, self.monotonic_s)
        with self.store.read() as session:
            is_due = rounds.is_due(session, self.wall_s)
        if is_due:
            ticker.tick(self.store, self.broker, self.wall_s, steady_s=steady_s)
        if self.monotonic_s - self._pinged_at_s >= ticker.PING_S:
            self._pinged_at_s = self.monotonic_s
            ticker.ping_hosts(self.store, self.broker, self.wall_s)

    def submit(self, kind: str) -> None:
        """Submit a campaign, if a host is online that can run it. No two are of the same moment: ids are random."""
        self.pass_time(0.001)
        with self.store.write() as session:
            try:
                self.campaigns.append(submission.submit(session, CAMPAIGNS[kind], self.wall_s).id)
            except InvalidInput:
                return
        self._dispatch()

    def cancel(self, campaign_id: str) -> None:
        """Cancel a campaign; the set-aside entry goes with it."""
        with self.store.write() as session:
            row = transitions.lock_campaign(session, campaign_id)
            if row is not None:
                transitions.cancel_campaign(session, row, self.wall_s)
        self._dispatch()

    def quarantine(self, campaign_id: str) -> None:
        """A campaign makes an error, and is set aside."""
        self.set_aside.add(f"{Kind.CAMPAIGN} {campaign_id}")
        quarantine.set_aside(self.store, Kind.CAMPAIGN, campaign_id, "a step", ValueError("simulated"), self.wall_s)

    def release_all(self, *, but_cancelled: bool = False) -> None:
        """Release everything that is set aside, or all but the campaigns that are being cancelled."""
        cancelling = select(CampaignRow.id).where(CampaignRow.state == CampaignState.CANCELLING)
        chosen = select(QuarantineRow)
        if but_cancelled:
            chosen = chosen.where(QuarantineRow.name.not_in(cancelling))
        with self.store.write() as session:
            for row in session.scalars(chosen).all():
                quarantine.release(session, Kind(row.kind), row.name)
        self._dispatch()

    def remove_host(self, host: str) -> None:
        """Remove a host; its worker registers anew."""
        with self.store.write() as session:
            removal.remove_host(session, host, self.wall_s)
        ticker.reassign_blocks(self.store, self.wall_s)
        self._dispatch()

    def _dispatch(self) -> None:
        ticker.dispatch_waiting(self.store, self.broker, self.wall_s)

    # Requests of workers

    def register(self, worker: Worker) -> None:
        """The worker reports its capabilities and its vitals."""
        if not worker.reaches:
            return
        worker.registered_at_s = self.monotonic_s
        heard_s = None if worker.heard_at_s is None else self.monotonic_s - worker.heard_at_s
        said = HostVitals(clock_s=max(0.0, self.wall_s + worker.skew_s), heard_s=heard_s)
        with self.store.write() as session:
            work.register_host(session, CAPABILITIES[worker.name], self.wall_s)
        with self.store.write() as session:
            vitals.store_vitals(session, worker.name, said, self.wall_s)
        self._dispatch()

    def take(self, worker: Worker, *, answer_lost: bool = False) -> bool:
        """An idle worker takes its next message, and claims what it names; false without a message."""
        queue = self.broker.queues.get(worker.name)
        if not queue or not worker.is_up or worker.is_deaf or worker.job is not None:
            return False
        message, worker.heard_at_s = queue.pop(0), self.monotonic_s
        if message is not None and worker.reaches:
            self._claim(worker, message, answer_lost=answer_lost)
        return True

    def _claim(self, worker: Worker, message: BlockMessage, *, answer_lost: bool) -> None:
        try:
            with self.store.write() as session:
                job = work.claim(session, message.block_id, message.attempt, worker.name, self.wall_s)
        except work.Refused:
            return
        self.judge.granted(f"{job.block_id}-{job.attempt}", worker.name, job.lease)
        worker.job = None if answer_lost else job

    def beat(self, worker: Worker) -> None:
        """A worker that runs a block renews its lease, and stops if the answer says so."""
        job = worker.job
        if job is None or not worker.reaches:
            return
        try:
            with self.store.write() as session:
                enrolments.require_attempt_of(session, f"{job.block_id}-{job.attempt}", worker.name)
                beat = Heartbeat(lease=job.lease, phase=Phase.SLICES)
                answer = work.heartbeat(session, job.block_id, job.attempt, beat, self.wall_s)
        except work.Refused:
            worker.job = None  # the lease is lost: it reports nothing
            return
        if answer.cancel:
            worker.write(Report(lease=job.lease, cancelled=True, failure="cancelled"))

    def finish(self, worker: Worker, outcome: str) -> None:
        """The running block ends; its report waits in the outbox."""
        if worker.job is None:
            return
        if outcome == "failure":
            worker.write(Report(lease=worker.job.lease, failure="no lab"))
            return
        self._mark += 1
        found = result_of(worker.job, is_disturbed=outcome == "disturbed", mark=self._mark)
        worker.write(Report(lease=worker.job.lease, result=found))

    def deliver(self, worker: Worker, which: int = 0, *, answer_lost: bool = False) -> None:
        """Deliver a report of the outbox; without an answer it stays there, to be delivered again."""
        if not worker.outbox or not worker.reaches:
            return
        written = worker.outbox[which % len(worker.outbox)]
        freed = self._report(worker, written)
        if not answer_lost:
            worker.outbox.remove(written)
        if freed is not None:
            self._dispatch()

    def _report(self, worker: Worker, written: Written) -> str | None:
        attempt_id = f"{written.block_id}-{written.attempt}"
        try:
            with self.store.write() as session:
                enrolments.require_attempt_of(session, attempt_id, worker.name)
                freed = work.report(session, written.block_id, written.attempt, written.report, self.wall_s)
        except work.Refused:
            return None
        if freed is not None and written.report.result is not None:
            self.judge.accepted(attempt_id, written.report.result.wall_s)
        return freed

    # The end

    def go_on(self) -> None:
        """A few seconds of ordinary life, as far as present faults allow."""
        self.pass_time(ROUND_S)
        for worker in self.workers.values():
            if self.monotonic_s - worker.registered_at_s >= REGISTER_S:
                self.register(worker)
            self.beat(worker)
            while worker.outbox and worker.reaches:
                self.deliver(worker)
            while self.take(worker):
                self.finish(worker, "sound")
                self.deliver(worker)
        self.tick()

    def rest(self) -> None:
        """Users cancel what is open, and workers report what they have: no host has anything to do."""
        self.release_all()
        for campaign_id in self.campaigns:
            self.cancel(campaign_id)
        for worker in self.workers.values():
            self.beat(worker)
            self.finish(worker, "sound")
            while worker.outbox:
                self.deliver(worker)
            while self.take(worker):
                pass
        self.tick()

    def cut_off(self, away: Worker, *, others_begin: bool) -> None:
        """One worker neither hears nor reaches anything, until its blocks have moved. No other one ends a block."""
        away.is_reachable, away.is_deaf = False, True
        for _ in range(AWAY_ROUNDS):
            self.pass_time(AWAY_ROUND_S)
            for worker in self.workers.values():
                self.register(worker)
                self.beat(worker)
                if others_begin:
                    self.take(worker)
            self.tick()
        away.is_reachable, away.is_deaf = True, False

    @property
    def is_faulty(self) -> bool:
        """Whether the broker or a worker does not work as it should."""
        workers = self.workers.values()
        return self.broker.mood is not Mood.SOUND or any(
            one.is_deaf or not (one.is_up and one.is_reachable) for one in workers
        )

    def heal(self) -> None:
        """Every part works again, and says so."""
        self.broker.mood = Mood.SOUND
        for worker in self.workers.values():
            worker.is_up = worker.is_reachable = True
            worker.is_deaf = False
            self.register(worker)

    def settle(self) -> None:
        """Faults stop; every campaign must end, with a result or a reason for each block. Raises ``Violation``."""
        self.heal()
        self.release_all(but_cancelled=True)  # a cancelled campaign ends by itself
        for _ in range(MOST_ROUNDS):
            for worker in self.workers.values():
                self.finish(worker, "sound")
            self.go_on()
            self.judge.look()
            if self.judge.is_at_rest:
                break
        url = f"sqlite:///{self.database}"
        found = [wrong for one in self.campaigns for wrong in violations(url, one, TelemetryAccount())]
        if found:
            raise Violation("; ".join(found))
