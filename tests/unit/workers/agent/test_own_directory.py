"""Two workers of one host on one machine: the second is refused, and a killed one leaves nothing locked."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workers.agent.config import ConfigError
from workers.agent.own_directory import own

OTHER = """
import os, sys, time
from pathlib import Path
from workers.agent.own_directory import own
own(Path(sys.argv[1]))
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(60)
"""


def other(directory: Path) -> tuple["subprocess.Popen[str]", int]:
    """A process that owns the directory, and its child, which outlives it."""
    argv = [sys.executable, "-c", OTHER, str(directory)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        return process, int(output.readline())


def test_a_second_worker_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    directory = tmp_path / "workers" / "h1"
    process, child = other(directory)
    try:
        with pytest.raises(ConfigError, match=r"another worker of this host runs with .*/h1; end it, or set another"):
            own(directory)
        process.kill()
        process.wait()
        os.kill(child, 0)  # it lives, as Celery's process does for a moment
        own(directory)
    finally:
        process.kill()
        os.kill(child, signal.SIGKILL)


def test_a_directory_that_cannot_be_used_is_an_error_of_the_setting(tmp_path: Path) -> None:
    (tmp_path / "workers").write_text("a file")
    with pytest.raises(ConfigError, match=r"cannot be opened: Not a directory; correct SHOWDOWN_STATE_DIR"):
        own(tmp_path / "workers" / "h1")
