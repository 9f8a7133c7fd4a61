"""Benches and other long programs of the tests remove what they made, however they are asked to end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.servers import own_environment

PROGRAMS = [
    path.relative_to(ROOT)
    for room in ("bench", "faults", "fuzz", "pictures")
    for path in sorted((ROOT / "tests" / room).rglob("*.py"))
    if '__name__ == "__main__"' in path.read_text()
]
OWN_HANDLERS = {Path("tests/bench/fleet_server.py"), Path("tests/faults/command_line.py")}
WAITS = """
import sys, tempfile, time
from tests.orderly import ends_in_order
ends_in_order()
with tempfile.TemporaryDirectory() as directory:
    print(directory, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_asked_to_end_removes_its_directory(number: signal.Signals) -> None:
    argv = [sys.executable, "-P", "-c", WAITS]
    environment = own_environment() | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, encoding="utf-8") as program:
        assert program.stdout is not None
        directory = program.stdout.readline().strip()
        assert os.path.isdir(directory)
        program.send_signal(number)
        assert program.wait(30) == 128 + number
    assert not os.path.exists(directory)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_every_program_ends_in_order(program: Path) -> None:
    assert "    ends_in_order()\n" in (ROOT / program).read_text() or program in OWN_HANDLERS
