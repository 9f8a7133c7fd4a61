"""What a worker process keeps from block to block."""

from pathlib import Path
from typing import Any

import pytest

from domain.trial import BlockResult
from tests.unit.workers.agent.test_execution import JOB, TRIAL
from workers.agent import tasks
from workers.agent.config import WorkerSettings


def test_datapaths_live_as_long_as_the_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A new one per block would compile its programs again, and leave the former ones' descriptors open.
    hosts: list[Any] = []

    class Runner:
        def __init__(self, job: object, host: Any, **how: object) -> None:
            hosts.append(host)

        def run(self) -> BlockResult:
            return BlockResult(host="h1", trials=(TRIAL,), wall_s=1)

    monkeypatch.setattr(tasks, "BlockRunner", Runner)
    monkeypatch.setattr(tasks, "REGISTER_DIR", tmp_path / "register")
    settings = {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST_TOKEN": "secret"}
    worker = tasks.Worker(WorkerSettings.from_environment(settings))
    for _ in range(2):
        worker.measure(JOB, lambda *_: None, lambda: False)
    first, second = hosts
    assert {"direct", "tproxy", "ebpf_redirect"} <= set(first.datapaths)
    for name, datapath in first.datapaths.items():
        assert second.datapaths[name] is datapath
