"""The token is shown on a terminal only; everywhere else the file is named, as a log has other readers."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.config import load_settings


@pytest.mark.parametrize("terminal", [False, True], ids=["log", "terminal"])
def test_the_token_is_printed_to_a_terminal_only(tmp_path: Path, terminal: bool) -> None:
    ours, theirs = pty.openpty() if terminal else os.pipe()
    environment = {**os.environ, "SHOWDOWN_STATE_DIR": str(tmp_path)}
    environment = {name: value for name, value in environment.items() if name != "SHOWDOWN_TOKEN"}
    run = "from coordinator.cli import coordinator; coordinator(['migrate'])"
    subprocess.run([sys.executable, "-c", run], env=environment, stderr=theirs, check=True, timeout=60)
    written = os.read(ours, 65_536).decode()
    os.close(theirs)
    os.close(ours)
    token = load_settings({"SHOWDOWN_STATE_DIR": str(tmp_path)}).token
    assert str(tmp_path / "secrets.json") in written
    assert (token in written) is terminal
