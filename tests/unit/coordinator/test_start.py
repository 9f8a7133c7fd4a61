"""How much the coordinator's processes import before they do anything: each start of a stack waits for it."""

import re
import subprocess
import sys

from domain.hosts.environment import PYTHON_OPTIONS
from tests import ROOT
from tests.servers import own_environment

ROOMS = ("coordinator", "domain", "workers", "probes", "bpf", "deploy")
NOT_FOR_A_COMMAND = {"alembic", "celery", "flask", "numpy", "scipy"}


def test_the_command_imports_what_it_needs_only() -> None:
    """``showdown coordinator serve`` replaces itself by the server, which imports the rest."""
    argv = [sys.executable, *PYTHON_OPTIONS, "-c", "import sys, coordinator.cli; print(*sys.modules)"]
    done = subprocess.run(argv, cwd=ROOT, env=own_environment(), capture_output=True, text=True, check=True)
    assert NOT_FOR_A_COMMAND & set(done.stdout.split()) == set()


def test_no_room_imports_the_whole_of_scipys_statistics() -> None:
    """It takes half a second of CPU time, in every process; ``scipy.special`` has the distributions."""
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    assert len(files) > 300
    found = [
        str(file) for file in files if re.search(r"^\s*(from|import) scipy\.stats", file.read_text(), re.MULTILINE)
    ]
    assert found == []
