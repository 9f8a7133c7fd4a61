"""``showdown coordinator``: the web and REST server, the ticker, and the migration of the schema."""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import click

from coordinator.config import Settings, SettingsError, load_settings
from coordinator.scheduling.dispatch import CeleryDispatcher
from coordinator.store.database import Store
from coordinator.store.enrolments import message_keys
from coordinator.store.unusable import DatabaseUnusable
from domain.environment import PYTHON_OPTIONS, own_environment

KEEP_ALIVE_S = "75"


@click.group()
def coordinator() -> None:
    """Run the coordinator: web pages, REST, planning, dispatch. SHOWDOWN_* variables configure it."""


@coordinator.command()
@click.option("--bind", default="127.0.0.1:8400", show_default=True, help="host:port or unix:/path.")
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 64))
def serve(bind: str, threads: int) -> None:
    """Serve the web pages and REST (gunicorn, in the foreground). Migrates the schema first."""
    settings = _settings()
    _migrate(settings)
    # gunicorn replaces this process, so that the parent can signal it directly. It uses one process: its threads share
    # the connections, and this host may also be the one that measures.
    arguments = ["--bind", bind, "--worker-class", "gthread", "--workers", "1", "--threads", str(threads)]
    # Idle connections must outlive the pause between heartbeats (2 s). With gunicorn's default of 2 s, heartbeats and
    # claims sometimes used a connection that was just being closed.
    arguments += ["--keep-alive", KEEP_ALIVE_S]
    # gunicorn puts the working directory first on the path of modules, even before it reads its option --chdir.
    os.chdir(Path(__file__).parents[1])
    arguments += ["--no-control-socket", "--graceful-timeout", "2", "coordinator.app:create_app()"]
    argv = [sys.executable, *PYTHON_OPTIONS, "-m", "gunicorn", *arguments]
    environment = own_environment(os.environ) | {"SHOWDOWN_DATABASE_URL": settings.database_url}
    os.execve(sys.executable, argv, environment)  # noqa: S606 (an argv list, no shell)


@coordinator.command()
def ticker() -> None:
    """Keep campaigns moving: leases, retries, lost messages, cancels. Several tickers may run at once."""
    # Imported late because the other commands do not need it.
    from coordinator.ticker import run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = _settings()
    _migrate(settings)
    stop = threading.Event()

    def _stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    store = Store(settings.database_url)
    run(store, CeleryDispatcher(settings.broker_url, message_keys(store)), time.time, stop)


@coordinator.command()
def migrate() -> None:
    """Migrate the database schema to the current version."""
    _migrate(_settings())


def _settings() -> Settings:
    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    if settings.token_is_new:  # only the process that created it prints it
        if sys.stderr.isatty():  # and never into a log or the journal, which others may read
            click.echo(f"Sign in with this token: {settings.token}", err=True)
        click.echo(f"The token to sign in with is in {settings.state_dir / 'secrets.json'}.", err=True)
    return settings


def _migrate(settings: Settings) -> None:
    store = Store(settings.database_url)
    try:
        store.migrate()
    except DatabaseUnusable as error:
        raise click.ClickException(str(error)) from error
    finally:
        store.close()
