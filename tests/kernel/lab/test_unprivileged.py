"""Programs of a lab get no environment, and those that need no root have none."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.bench import new_tag
from workers.lab import unprivileged
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.process import Process
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

NET_ADMIN = 1 << 12
SLEEP = ["sleep", "60"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with built(LabSpec(new_tag(), "direct", 0), CleanupRegister(tmp_path)) as one:
        yield one


def began(process: Process, name: str = "sleep") -> Path:
    """The process's directory in /proc, once it runs the program: nsenter and setpriv replace themselves."""
    place = Path(f"/proc/{process.pid}")
    # The kernel changes the name first, and the environment a moment later.
    while (place / "comm").read_text().strip() != name or not (place / "environ").read_bytes():
        assert process.poll() is None, process.output()
    return place


def test_a_program_gets_a_path_and_nothing_of_the_workers_secrets(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOWDOWN_WORKER_TOKEN", "secret")
    place = began(lab.spawn("dut", SLEEP, task_role=None))
    given = dict(one.split("=", 1) for one in (place / "environ").read_text().strip("\0").split("\0"))
    assert set(given) == {"PATH", "LC_ALL"}
    assert "/usr/sbin" in given["PATH"].split(":")


def test_a_program_without_root_keeps_what_it_was_given_alone(lab: Lab) -> None:
    place = began(lab.spawn("dut", SLEEP, task_role=None, keeping=("net_admin",)))
    status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)
    assert set(status["Uid"].split() + status["Gid"].split()) == {str(unprivileged.UID)}
    assert status["Groups"].strip() == ""
    assert {int(status[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {NET_ADMIN}
    assert status["NoNewPrivs"] == "1"


def test_a_program_without_root_dies_with_the_thread_that_started_it(lab: Lab) -> None:
    started: list[Process] = []

    def start() -> None:
        started.append(lab.spawn("dut", SLEEP, task_role=None, keeping=("net_admin",)))
        began(started[0])

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert started[0].wait(30) == -9


def test_it_may_write_to_its_own_directory_alone(lab: Lab) -> None:
    place = unprivileged.directory(lab.run_dir, "mine")
    for target, status in ((place / "x", 0), (lab.run_dir / "x", 1)):
        assert lab.spawn("dut", ["touch", str(target)], task_role=None, keeping=()).wait(30) == status
