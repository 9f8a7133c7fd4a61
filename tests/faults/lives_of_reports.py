"""Reports and claims: what a worker owes the coordinator, and may only forget on its word."""

import json
import random
from pathlib import Path
from unittest import mock

import httpx

from domain.service.jobs import BlockJob, BlockMessage, Report
from tests.faults.disk import Disk
from tests.faults.lives import Life, age
from tests.unit.workers.agent.test_execution import JOB, RESULT
from workers.agent import claims
from workers.agent.api_client import Coordinator
from workers.agent.config import WorkerSettings
from workers.agent.outbox import Delivery, Outbox
from workers.lab.cleanup import ProcessId

_PATH = "/api/v1/worker/blocks/k1-0/attempts/1/report"
_ENDED = ProcessId(pid=(1 << 22) + 1, start=1)  # above the kernel's largest id


class OutboxLife(Life):
    """Four reports, put and delivered; the disk may be full, the coordinator away."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        super().__init__(root, rng)
        self.directory = root / "outbox"
        self.directory.mkdir()
        self.put: dict[str, Report] = {}  # all that were ever put, by name
        self.acknowledged: set[str] = set()
        self.accepted: dict[str, list[Report]] = {}
        self.away = False

    def live(self, disk: Disk) -> None:
        outbox = Outbox(self.directory)
        for number in range(4):
            name, report = f"k1-{number}-1.json", Report(lease="l1", failure=f"failure {number} " * 20)
            disk.full = self.rng.random() < 0.2
            self.put[name] = report
            if outbox.put(f"k1-{number}", 1, _PATH, report):
                self.acknowledged.add(name)
            disk.full = False
            self.away = self.rng.random() < 0.4
            outbox.deliver(lambda *sent: self._accept(disk, *sent))
        self.away = False

    def recover(self, disk: Disk) -> None:
        self.away = False
        Outbox(self.directory).deliver(lambda *sent: self._accept(disk, *sent))

    def check(self, *, power: bool) -> None:
        age(self.directory)
        self.recover(Disk(self.root))
        missing = self.acknowledged - set(self.accepted)
        assert not missing, f"acknowledged, and never delivered: {missing}"
        for name, reports in self.accepted.items():
            assert all(report == self.put[name] for report in reports), f"{name} arrived damaged"
        assert list(self.directory.iterdir()) == [], "left over"

    def _accept(self, disk: Disk, name: str, path: str, body: str) -> Delivery:
        disk.point()
        if self.away:
            return Delivery.AWAY
        assert path == _PATH
        self.accepted.setdefault(name, []).append(Report.model_validate_json(body))
        disk.point()
        return Delivery.DONE


class ClaimLife(Life):
    """Three attempts, claimed and reported; each that the coordinator granted must end by a report, none by two."""

    survives_power_failures = False  # a claim is not synchronised: the lease ends what a power failure takes

    def __init__(self, root: Path, rng: random.Random) -> None:
        super().__init__(root, rng)
        self.disk = Disk(root)
        self.away = False
        self.granted: dict[str, bool] = {}  # by attempt: whether its worker learned of it
        self.ended: dict[str, Report] = {}
        self.finished: set[str] = set()  # attempts whose result the worker had put into its outbox

    def live(self, disk: Disk) -> None:
        coordinator = self._coordinator(disk)
        with mock.patch.object(claims.ProcessId, "of", return_value=_ENDED):
            for number in range(3):
                job = coordinator.claim(BlockMessage(block_id=f"k1-{number}", attempt=1))
                self.granted[job.block_id] = True
                disk.point()
                self.away = self.rng.random() < 0.3
                coordinator.report(job, Report(lease=job.lease, result=RESULT), patience_s=0)
                self.finished.add(job.block_id)
            self.away = False

    def recover(self, disk: Disk) -> None:
        self.away = False
        coordinator = self._coordinator(disk)
        coordinator.report_lost_claims()
        coordinator.deliver()

    def died(self) -> None:
        for file in self.root.glob("workers/h1/outbox/k1-*.json"):
            if json.loads(file.read_text())["report"]["result"] is not None:
                self.finished.add(file.stem.removesuffix("-1"))

    def check(self, *, power: bool) -> None:
        directories = [self.root / "workers" / "h1" / part for part in ("outbox", "claims")]
        for directory in directories:
            age(directory)
        self.recover(Disk(self.root))
        for block_id in self.granted:
            assert block_id in self.ended, f"{block_id} waits for its lease"
        for block_id in self.finished:
            assert self.ended[block_id].result is not None, f"{block_id}: its result gave way to a failure"
        left = [file for directory in directories if directory.is_dir() for file in directory.iterdir()]
        assert left == [], f"left over: {left}"

    def _coordinator(self, disk: Disk) -> Coordinator:
        self.disk = disk
        environment = {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(self.root), "SHOWDOWN_HOST_TOKEN": "secret"}
        return Coordinator(WorkerSettings.from_environment(environment), httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.disk.point()
        if self.away and request.method == "PUT":
            raise httpx.ConnectError("away", request=request)
        block_id = request.url.path.split("/")[5]
        if request.url.path.endswith("/claim"):
            return httpx.Response(200, text=_job(block_id).model_dump_json())
        report = Report.model_validate_json(json.dumps(json.loads(request.content)))
        self.ended.setdefault(block_id, report)  # the first one counts
        self.disk.point()
        return httpx.Response(204)


def _job(block_id: str) -> BlockJob:
    return JOB.model_copy(update={"block_id": block_id})
