"""The entry point: commands are discovered, a broken room loses only its own commands, exit codes are documented."""

from importlib.metadata import EntryPoint, version

import click
import pytest
from click.testing import CliRunner

from deploy.cli.errors import ExitCode
from deploy.cli.main import GROUP, Commands, main


@click.command()
def stopped():
    """Is interrupted."""
    raise KeyboardInterrupt


@click.command()
def fine():
    """Works."""


@click.command()
def odd():
    """Fails with a traceback."""
    raise RuntimeError("not foreseen")


@click.command()
def refused():
    """Fails with click's own error."""
    raise click.ClickException("not foreseen")


NOT_A_COMMAND = 7


@pytest.fixture
def commands(monkeypatch):
    here = __name__
    points = [
        EntryPoint("stopped", f"{here}:stopped", GROUP),
        EntryPoint("fine", f"{here}:fine", GROUP),
        EntryPoint("broken", "no.such.module:command", GROUP),
        EntryPoint("number", f"{here}:NOT_A_COMMAND", GROUP),
    ]
    monkeypatch.setattr(Commands, "find", staticmethod(lambda: points))
    return CliRunner()


def test_the_commands_of_all_rooms_are_there():
    ctx = click.Context(main)
    expected = {
        "run",
        "up",
        "worker",
        "submit",
        "status",
        "report",
        "cancel",
        "doctor",
        "workloads",
        "sweep",
        "coordinator",
    }
    assert expected <= set(main.list_commands(ctx))
    assert main.get_command(ctx, "nothing") is None


@pytest.mark.parametrize("name", ["run", "up", "submit", "status", "report", "cancel"])
def test_every_command_prints_json_on_request(name):
    command = main.get_command(click.Context(main), name)
    assert any("--json" in option.opts for option in command.params)
    assert command.help


def test_version():
    assert CliRunner().invoke(main, ["--version"]).output == f"showdown, version {version('showdown')}\n"


def test_help_documents_every_exit_code(commands):
    result = commands.invoke(main, ["--help"])
    assert result.exit_code == 0
    for code in ExitCode:
        assert any(line.split()[:1] == [str(code.value)] for line in result.output.splitlines()), code


def test_a_room_that_cannot_be_imported_costs_its_own_commands_only(commands):
    assert commands.invoke(main, ["fine"]).exit_code == 0
    help_text = commands.invoke(main, ["--help"]).output
    assert "broken" in help_text
    assert "Unavailable here" in help_text
    result = commands.invoke(main, ["broken", "--json", "file.toml"])
    assert result.exit_code == ExitCode.INTERNAL
    assert "No module named 'no'" in result.output


def test_an_interrupt_has_its_own_exit_code(commands):
    assert commands.invoke(main, ["stopped"]).exit_code == ExitCode.INTERRUPTED


@pytest.mark.parametrize("arguments", [["nonsense"], ["number"], ["--nonsense"], ["fine", "--nonsense"]])
def test_wrong_usage(commands, arguments):
    assert commands.invoke(main, arguments).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("name", ["odd", "refused"])
def test_a_failure_of_showdown_is_no_failed_expectation(monkeypatch, name):
    points = [EntryPoint(one, f"{__name__}:{one}", GROUP) for one in ("odd", "refused")]
    monkeypatch.setattr(Commands, "find", staticmethod(lambda: points))
    result = CliRunner().invoke(main, [name])
    assert result.exit_code == ExitCode.INTERNAL == 70
    assert "not foreseen" in result.stderr
