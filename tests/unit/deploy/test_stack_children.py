"""Child processes: started, watched, ended, and never left running."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.stack.children import Child, StackError

PYTHON = sys.executable
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("bye")))
print("up", flush=True)
time.sleep(60)
"""
# The leader ends on SIGTERM; its child does not.
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}])
print(child.pid, flush=True)
time.sleep(60)
"""


def process_exists(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def child(tmp_path):
    made = []

    def make(*argv, environment=None):
        one = Child("thing", argv, tmp_path / "thing.log", environment or dict(os.environ))
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.stop(0)


def test_it_runs_with_its_environment_and_logs_both_outputs(child, tmp_path):
    code = "import os, sys; print(os.environ['X']); print('to stderr', file=sys.stderr)"
    one = child(PYTHON, "-c", code, environment={"X": "from env"})
    wait_until(lambda: not one.alive())
    assert sorted((tmp_path / "thing.log").read_text().split("\n")) == ["", "from env", "to stderr"]


def test_a_program_that_does_not_exist_is_an_error_with_its_name(child):
    one = child("/no/such/program")
    with pytest.raises(StackError, match=r"thing ended with status 127.*(?s:.)*/no/such/program"):
        one.wait_ready(lambda: False, 60)


def test_ready_waits_and_then_goes_on(child):
    one = child("sleep", "60")
    looks = iter([False, False, True])
    one.wait_ready(lambda: next(looks), 60)
    assert next(looks, None) is None


def test_an_early_death_is_reported_with_the_end_of_its_log(child, tmp_path):
    one = child(PYTHON, "-c", "[print('line', n) for n in range(100)]; raise SystemExit('no disk')")
    with pytest.raises(StackError) as raised:
        one.wait_ready(lambda: False, 60)
    text = str(raised.value)
    assert text.startswith("thing ended with status 1")
    assert text.endswith("line 99\nno disk")
    assert str(tmp_path / "thing.log") in text
    assert "line 50\n" not in text


def test_a_killed_child_is_reported_with_the_signal(child):
    one = child("sleep", "60")
    os.kill(one.pid, signal.SIGKILL)
    with pytest.raises(StackError, match="was killed by signal 9"):
        one.wait_ready(lambda: False, 60)


def test_readiness_has_a_deadline(child):
    with pytest.raises(StackError, match="is not ready after 0 s"):
        child("sleep", "60").wait_ready(lambda: False, 0.1)


def test_stop_is_gentle_first(child, tmp_path):
    one = child(PYTHON, "-c", POLITE)
    wait_until(lambda: (tmp_path / "thing.log").read_text() == "up\n")
    assert one.stop(10)
    assert (tmp_path / "thing.log").read_text() == "up\nbye\n"
    assert one.pid is None
    assert not one.alive()
    assert one.stop(10), "twice is once"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_it_is_not_deaf_because_its_parent_is(child, number):
    """A shell without job control makes its background jobs ignore both, and their children inherit that."""
    former = signal.signal(number, signal.SIG_IGN)
    try:
        one = child("sleep", "60")
    finally:
        signal.signal(number, former)
    wait_until(lambda: Path(f"/proc/{one.pid}/cmdline").read_bytes().startswith(b"sleep"))
    os.kill(one.pid, number)
    wait_until(lambda: not one.alive())


def test_stop_kills_the_deaf_after_the_deadline(child, tmp_path):
    one = child(PYTHON, "-c", STUBBORN)
    wait_until(lambda: (tmp_path / "thing.log").read_text() == "deaf\n")
    pid, began = one.pid, time.monotonic()
    assert not one.stop(0.3)
    assert 0.3 <= time.monotonic() - began < 30, "by itself it ends after 60 s"
    assert not process_exists(pid)


def test_stop_ends_the_whole_group(child, tmp_path):
    one = child(PYTHON, "-c", PARENT)
    wait_until(lambda: "deaf" in (tmp_path / "thing.log").read_text())
    grandchild = next(int(word) for word in (tmp_path / "thing.log").read_text().split() if word.isdigit())
    assert not one.stop(0.5)
    wait_until(lambda: not process_exists(grandchild))


def test_stopping_the_dead_ends_what_it_left(child, tmp_path):
    one = child(PYTHON, "-c", PARENT)
    wait_until(lambda: "deaf" in (tmp_path / "thing.log").read_text())
    grandchild = next(int(word) for word in (tmp_path / "thing.log").read_text().split() if word.isdigit())
    os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: not one.alive())
    assert process_exists(grandchild)
    assert not one.stop(0.5)
    wait_until(lambda: not process_exists(grandchild))


def test_it_can_be_started_again(child):
    one = child("sleep", "60")
    first = one.pid
    one.stop(5)
    one.start()
    assert one.alive()
    assert one.pid != first


def test_nothing_outlives_a_parent_that_is_killed(tmp_path):
    code = f"""
import os, time
from pathlib import Path
from deploy.stack.children import Child
child = Child("thing", ["sleep", "60"], Path({str(tmp_path / "log")!r}), dict(os.environ))
child.start()
child.wait_ready(lambda: Path(f"/proc/{{child.pid}}/comm").read_text() == "sleep\\n", 10)
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert process_exists(pid)
        parent.kill()
    wait_until(lambda: not process_exists(pid))


def test_an_answer_does_not_count_when_the_child_is_dead(child):
    """Another process may answer at a port that the child could not take."""
    one = child(PYTHON, "-c", "raise SystemExit('it is taken')")
    with pytest.raises(StackError, match="ended with status 1"):
        one.wait_ready(lambda: not wait_until(lambda: not one.alive()), 5)


def test_a_child_inherits_the_sockets_that_it_is_given(child, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code = f"import socket; print(socket.socket(fileno={listener.fileno()}).getsockname()[1])"
        log = tmp_path / "thing.log"
        one = Child("thing", [PYTHON, "-c", code], log, dict(os.environ), pass_fds=[listener.fileno()])
        one.start()
        wait_until(lambda: not one.alive())
        assert int(log.read_text()) == listener.getsockname()[1]
