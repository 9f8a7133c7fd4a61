"""Commands with a private stack: run one campaign, or stay up."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from deploy.cli.dry_run import dry_run_option, print_estimate
from deploy.cli.errors import CampaignPaused, CommandError
from deploy.cli.files.discarded import settled
from deploy.cli.files.evidence import fetch_evidence
from deploy.cli.files.kept import keep as keep_report
from deploy.cli.files.kept import state_directory
from deploy.cli.files.result_files import ResultFiles, result_files_options
from deploy.cli.output import campaign_argument, finish, full_option, json_option, print_json
from deploy.cli.preflight import check_campaign, check_root
from deploy.cli.remote import DEFAULT_URL
from deploy.cli.rest.client import Coordinator
from deploy.cli.shown.planning import plan_lines
from deploy.cli.shown.progress import Display, follow
from deploy.stack.children import StackError
from deploy.stack.stack import PrivateStack
from domain.reports.report import CampaignReport
from domain.values.texts import error_text

DEFAULT_PORT, MAX_PORT = 8400, 65_535
CANCEL_S = 20.0  # labs are removed within 10 s of a cancellation
WATCH_S = 2.0


@dataclass
class Interrupts:
    """SIGINT, SIGTERM and SIGHUP: the first one interrupts, further ones skip the orderly cancellation."""

    seen: int = 0
    deferring: bool = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self.seen += 1
        if self.seen == (2 if self.deferring else 1):
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Raise an interrupt that comes in the meantime when this ends; a second one interrupts at once."""
        self.deferring = True
        try:
            yield
        finally:
            self.deferring = False
        if self.seen:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def install(self) -> Iterator[None]:
        """Install the handler, and restore the former ones afterwards."""
        former = {number: signal.signal(number, self.handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


_CANCELLING = "interrupted: cancelling the campaign and removing its labs; interrupt again to stop at once"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@campaign_argument
@json_option
@full_option
@result_files_options
@click.option("--keep", is_flag=True, help="Keep database, telemetry and logs, and print where and how to open them.")
@dry_run_option
@click.pass_context
def run(
    ctx: click.Context, campaign: Path, *, as_json: bool, full: bool, keep: bool, dry_run: bool, files: ResultFiles
) -> None:
    """Measure CAMPAIGN, a TOML file, on this machine.

    Starts a private stack (redis-server, influxd, coordinator, worker), submits the campaign over REST, prints the
    answer, and stops everything. The whole report is kept in SHOWDOWN_STATE_DIR for 'showdown report'.
    SHOWDOWN_BROKER_URL, SHOWDOWN_INFLUX_URL and SHOWDOWN_DATABASE_URL replace the private servers. Progress goes to
    standard error.

    With expectations in CAMPAIGN, the exit code is 0 if all pass, 1 if one fails, and 6 if none fails and one is
    undecided; without, 0 or 5. See 'showdown --help' for the others.
    """
    toml = check_campaign(campaign)
    check_root()
    interrupts = Interrupts()
    with interrupts.install(), _state_directory(keep=keep) as directory, Display(Console(stderr=True)) as display:
        display.say("starting the private stack")
        with PrivateStack(directory, environment=_with_signing_key()) as stack:
            for note in stack.notes:
                display.say(note)
            if dry_run:
                with Coordinator(stack.url, stack.token) as coordinator:
                    print_estimate(coordinator, toml, as_json=as_json)
                return
            report = _conduct(stack, toml, display, interrupts, files)
        report = report if keep else settled(report, directory)
    rest = "" if as_json else _kept(report)
    ctx.exit(finish(report, as_json=as_json, full=full, rest=rest, files=files))


def _kept(report: CampaignReport) -> str:
    """Keep the report, and say how to print it; the campaign is not lost if the directory cannot be written."""
    try:
        return f"The rest: showdown report {keep_report(report)} --full (or --json)"
    except OSError as error:
        click.echo(f"the report cannot be kept: {error_text(error)}", err=True)
        return "The rest: run with --full or --json"


def _with_signing_key() -> dict[str, str]:
    """The environment of the stack: its bundles are signed with this installation's key, which outlives the run."""
    return {"SHOWDOWN_SIGNING_KEY": str(state_directory().absolute() / "signing-key.pem"), **os.environ}


def _conduct(
    stack: PrivateStack, toml: str, display: Display, interrupts: Interrupts, files: ResultFiles
) -> CampaignReport:
    def watch() -> None:
        for note in stack.watch():
            display.say(note)

    with Coordinator(stack.url, stack.token) as coordinator:
        campaign_id = ""
        try:
            with interrupts.deferred():  # while it is submitted, the worker may have begun already
                created = coordinator.submit(toml)
                campaign_id = str(created["id"])
            for line in plan_lines(created):
                display.say(line)
            _follow_through(coordinator, campaign_id, display, watch)
        except KeyboardInterrupt:
            if campaign_id:
                display.say(_CANCELLING)
                _cancel(coordinator, campaign_id, display, interrupts)
            raise
        report = coordinator.report(campaign_id)
        fetch_evidence(coordinator, report, files)
        return report


def _follow_through(coordinator: Coordinator, campaign_id: str, display: Display, watch: Callable[[], None]) -> None:
    """Follow a campaign to its end. If it pauses, the user decides; without a terminal, it is cancelled."""
    while True:
        try:
            follow(coordinator, campaign_id, display, each_time=watch)
            return
        except CampaignPaused as paused:
            display.say(f"paused: {paused.reason}")
        if sys.stdin.isatty() and click.confirm("Go on with it?", err=True):
            coordinator.resume(campaign_id)
        else:
            display.say("cancelling it; stop what disturbs the host, and run it again")
            coordinator.cancel(campaign_id)


def _cancel(coordinator: Coordinator, campaign_id: str, display: Display, interrupts: Interrupts) -> None:
    """Cancel, and wait while the worker removes its labs; the stack stops what is left after that."""
    deadline = time.monotonic() + CANCEL_S
    with contextlib.suppress(CommandError):
        coordinator.cancel(campaign_id)
        follow(coordinator, campaign_id, display, until=lambda: interrupts.seen > 1 or time.monotonic() > deadline)


@contextlib.contextmanager
def _state_directory(*, keep: bool) -> Iterator[Path]:
    """A directory for one run. It is kept on request, and after a failure of the stack, for its logs."""
    directory = Path(tempfile.mkdtemp(prefix="showdown-"))
    how = f"; 'sudo SHOWDOWN_STATE_DIR={directory} showdown up' shows them in a browser" if keep else ""
    try:
        yield directory
    except StackError as error:
        keep = True
        raise CommandError(str(error)) from error
    finally:
        if keep:
            click.echo(f"database, telemetry and logs are in {directory}{how}", err=True)
        else:
            shutil.rmtree(directory, ignore_errors=True)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, MAX_PORT),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port of 127.0.0.1 to listen on.",
)
@json_option
def up(port: int, *, as_json: bool) -> None:
    """Keep a private stack running until Ctrl-C. Prints its address and the login token.

    Its state is stored in SHOWDOWN_STATE_DIR (default: /var/lib/showdown); the next 'up' continues from it.
    """
    directory = state_directory()
    try:
        # A stack that stays up also tests traits, for the matrix page, and has metrics; a single run needs neither.
        beside = str(port + 1 if port < MAX_PORT else port - 1)
        environment = {"SHOWDOWN_TEST_WHEN_IDLE": "1", "SHOWDOWN_WORKER_METRICS": beside, **os.environ}
        with Interrupts().install(), PrivateStack(directory, port=port, environment=environment) as stack:
            _announce(stack, as_json=as_json)
            while True:
                for note in stack.watch():
                    click.echo(note, err=True)
                time.sleep(WATCH_S)
    except StackError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def _announce(stack: PrivateStack, *, as_json: bool) -> None:
    for note in stack.notes:
        click.echo(note, err=True)
    if as_json:
        print_json({"url": stack.url, "token": stack.token, "state_dir": str(stack.state_dir)})
        return
    click.echo(f"Showdown is up at {stack.url}")
    # A terminal is the user's own; standard output may be a log that others read.
    shown = (
        stack.token if sys.stdout.isatty() else f"in {stack.state_dir / 'secrets.json'}, unless SHOWDOWN_TOKEN sets it"
    )
    click.echo(f"login token: {shown}")
    if sys.stdout.isatty():
        other_url = "" if stack.url == DEFAULT_URL else f" SHOWDOWN_COORDINATOR_URL={stack.url}"
        click.echo(f"for commands in another shell: export SHOWDOWN_TOKEN={stack.token}{other_url}")
    click.echo(f"state and logs: {stack.state_dir}; Ctrl-C stops everything")
