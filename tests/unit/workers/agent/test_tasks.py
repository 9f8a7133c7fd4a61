"""What a worker process keeps from block to block."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from domain.trials.trial import BlockResult
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


class OwnQueueOf:
    """Records what the task of trait tests sends, and when it is done."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def continue_tests(self, datapaths: list[str]) -> None:
        self.done.append(datapaths)

    def tests_ended(self) -> None:
        self.done.append("ended")


@pytest.mark.parametrize(("others", "error", "done"), [
    (["tproxy"], None, [["tproxy"]]),  # the request is still outstanding
    ([], None, ["ended"]),
    ([], RuntimeError("no lab"), ["ended"]),  # a failed request must not block the next one
])  # fmt: skip
def test_a_request_for_tests_is_outstanding_until_its_last_datapath(
    monkeypatch: pytest.MonkeyPatch, others: list[str], error: Exception | None, done: list[object]
) -> None:
    class Tested:
        settings = None

        def try_first(self, names: list[str]) -> list[str]:
            assert names == ["direct", *others]
            if error is not None:
                raise error
            return others

    own_queue = OwnQueueOf()
    monkeypatch.setattr(tasks, "this_worker", Tested)
    monkeypatch.setattr(tasks, "own_queue_of", lambda app, settings: own_queue)
    with pytest.raises(RuntimeError) if error else nullcontext():
        tasks.try_traits(["direct", *others])
    assert own_queue.done == done
