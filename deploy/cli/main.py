"""The entry point of the command line: it finds the packages' commands and documents the exit codes.

Each package registers its commands as entry points ``showdown.commands``. This module imports none of them, so a
package that cannot be imported on this host loses only its own commands.
"""

import io
import os
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import click

from deploy.cli.errors import MEANINGS, CommandError, ExitCode
from domain.hosts.environment import own_environment
from domain.values.hints import did_you_mean

GROUP = "showdown.commands"
_SHORT_HELP = 160  # characters; the formatter wraps them
SECTIONS = {
    "Measure": ("run", "validate", "submit", "status", "watch", "cancel", "pause", "resume", "replicate", "workloads"),
    "Read": ("report", "explain", "compare", "combine", "trend", "trust", "verify"),
    "Keep": ("label", "note", "archive", "delete", "share"),
    "Host": ("doctor", "matrix", "sweep"),
    "Service": ("up", "schedule", "rule", "notice", "hosts", "token", "key", "quarantine", "coordinator", "worker"),
    "Shell": ("completion",),
}
"""Commands in the order of the help; those of no section come last."""
_OTHERS = "Others"
_EXAMPLES = """\b
Examples:
  sudo showdown run deploy/campaigns/quick.toml --out result
  showdown validate my.toml            check a file; needs no root
  sudo showdown run my.toml --dry-run
  showdown up                          keep a service running, with its web pages
  showdown submit my.toml --wait       run a campaign there
  showdown report result/report.json --full
"""


def _epilog() -> str:
    # \b stops click from refilling the lines.
    codes = "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
    return f"{_EXAMPLES}\n\b\nExit codes:\n{codes}"


class Commands(click.Group):
    """A group of entry points, imported on demand."""

    find: Callable[[], list[EntryPoint]] = staticmethod(lambda: list(entry_points(group=GROUP)))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({point.name for point in self.find()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        point = next((point for point in self.find() if point.name == cmd_name), None)
        if point is None:
            return None
        try:
            command = point.load()
        except (ImportError, AttributeError) as error:
            return _unavailable(point, error)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = ctx.resilient_parsing or not args or args[0].startswith("-") or self.get_command(ctx, args[0])
        if not known:
            meant = did_you_mean(args[0], self.list_commands(ctx))
            ctx.fail(f"there is no command {args[0]!r}{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        others = [name for name in names if not any(name in section for section in SECTIONS.values())]
        for title, section in {**SECTIONS, _OTHERS: tuple(others)}.items():
            found = [(name, self.get_command(ctx, name)) for name in section if name in names]
            rows = [(name, command.get_short_help_str(_SHORT_HELP)) for name, command in found if command is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command line. ``--help`` and errors of its options are printed before a command is invoked."""
        prepare_process()
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            ctx.exit(ExitCode.INTERRUPTED)
        except click.ClickException as error:
            # click's own default is 1, which says that an expectation failed. A failed command is no failed gate.
            if error.exit_code != ExitCode.EXPECTATION_FAILED:
                raise
            error.show()
            ctx.exit(ExitCode.INTERNAL)
        except click.exceptions.Exit:
            raise
        except BrokenPipeError:  # the reader has gone: what is left in the buffer goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ExitCode.INTERNAL)
        except Exception:  # Python's own exit status of a traceback is 1, too
            traceback.print_exc()
            ctx.exit(ExitCode.INTERNAL)


def prepare_process() -> None:
    """Give this process the environment that its children get, and output that no character can end."""
    wanted = own_environment(os.environ)
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _unavailable(point: EntryPoint, error: Exception) -> click.Command:
    def fail(**_: Any) -> None:
        raise CommandError(f"'{point.name}' cannot be loaded on this host: {error}")

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    help_text = f"Unavailable here: {error}"
    return click.Command(point.name, callback=fail, help=help_text, context_settings=settings)


@click.group(
    cls=Commands, epilog=_epilog(), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(version("showdown"), prog_name="showdown")
def main() -> None:
    """TPROXY or eBPF? Compare Linux datapaths on this kernel, with proof for every trial and an interval per ratio."""


if __name__ == "__main__":
    main(prog_name="showdown")
