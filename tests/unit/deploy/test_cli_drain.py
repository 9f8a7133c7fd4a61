"""``showdown hosts drain`` and ``undrain``, and the commands that wait for a drained host."""

import io

import pytest
from click.testing import CliRunner
from rich.console import Console

from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from deploy.cli.shown.progress import Display


def invoke(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_a_drained_host_is_listed_and_named_by_who_waits_for_it(served):
    assert invoke("hosts", "drain", "h1").stdout == "h1 takes no new blocks; 'showdown hosts undrain h1' ends that\n"
    assert "online, drained" in invoke("hosts", "list").stdout
    campaign_id = served.submit(hosts=["h1"])
    assert "waiting for h1, which is drained and takes no new blocks" in invoke("status", campaign_id).stdout
    assert "drained" in invoke("status").stdout
    assert invoke("hosts", "undrain", "h1").stdout == "h1 takes blocks again\n"
    assert "drained" not in invoke("status", campaign_id).stdout
    assert invoke("hosts", "drain", "h9").exit_code == ExitCode.USAGE


def test_progress_names_a_drained_host_once(served):
    invoke("hosts", "drain", "h1")
    view, log = served.view(served.submit(hosts=["h1"])), io.StringIO()
    display = Display(Console(file=log, width=200))
    for _ in range(3):
        display.show(view)
    assert log.getvalue().count("waiting for h1, which is drained") == 1


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
