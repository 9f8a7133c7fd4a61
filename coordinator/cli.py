"""``showdown coordinator``: the web and REST server, the ticker, and the migration of the schema."""

import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import FrameType

import click

from coordinator.config import Settings, SettingsError, load_settings, log_format
from coordinator.server.listen import AddressUnusable, as_descriptor
from coordinator.store.rows.database import Store
from coordinator.store.rows.unusable import DatabaseUnusable
from domain.hosts.environment import PYTHON_OPTIONS, name_process, own_environment
from domain.service.logs import one_line
from domain.values.texts import counted

# What only one command needs is imported there: the analysis, Celery and the database's tables take two seconds.

KEEP_ALIVE_S = "75"
CONNECTIONS = 3000  # each host's worker keeps one; fewer than the files that the server may open
_WORKER = "coordinator.server.worker.DeadlineWorker"
_LOG = "coordinator.logs.GunicornLog"
# Of glibc: else each thread keeps its own heap, with the garbage of the largest answer that it made.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2"}


@click.group()
def coordinator() -> None:
    """Run the coordinator: web pages, REST, planning, dispatch. SHOWDOWN_* variables configure it."""


@coordinator.command()
@click.option("--bind", default="127.0.0.1:8400", show_default=True, help="host:port, unix:/path or fd://N.")
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 64))
def serve(bind: str, threads: int) -> None:
    """Serve the web pages and REST (gunicorn, in the foreground). Migrates the schema first."""
    settings = _settings()
    try:
        bind = as_descriptor(bind)
    except AddressUnusable as error:
        raise click.ClickException(str(error)) from error
    _migrate(settings)
    # gunicorn replaces this process, so that the parent can signal it directly. It uses one process: its threads share
    # the connections, and this host may also be the one that measures.
    arguments = ["--bind", bind, "--worker-class", _WORKER, "--workers", "1", "--threads", str(threads)]
    # Idle connections must outlive the pause between heartbeats (2 s). With gunicorn's default of 2 s, heartbeats and
    # claims sometimes used a connection that was just being closed.
    arguments += ["--keep-alive", KEEP_ALIVE_S, "--worker-connections", str(CONNECTIONS)]
    # Without sendfile, each piece of a file has the time limit of an answer.
    arguments += ["--no-sendfile", "--logger-class", _LOG]
    # gunicorn puts the working directory first on the path of modules, even before it reads its option --chdir.
    os.chdir(Path(__file__).parents[1])
    arguments += ["--no-control-socket", "--graceful-timeout", "2", "coordinator.app:serve_app()"]
    argv = [sys.executable, *PYTHON_OPTIONS, "-m", "gunicorn", *arguments]
    environment = own_environment(os.environ) | {"SHOWDOWN_DATABASE_URL": settings.database_url} | ALLOCATOR
    os.execve(sys.executable, argv, environment)  # noqa: S606 (an argv list, no shell)


@coordinator.command()
def ticker() -> None:
    """Keep campaigns moving: leases, retries, lost messages, cancels. Several tickers may run at once."""
    from coordinator import logs
    from coordinator.notices import delivery
    from coordinator.scheduling.dispatch import CeleryDispatcher
    from coordinator.store.hosts.enrolments import message_keys
    from coordinator.store.upkeep import retention
    from coordinator.ticker import run

    name_process("showdown-ticker")
    settings = _settings()
    logs.configure(settings)
    _migrate(settings)
    stop = threading.Event()

    def _stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    store = Store(settings.database_url)
    keep = partial(retention.apply, store, settings.retention, settings.influx) if settings.retention.is_on else None
    threading.Thread(target=delivery.run, args=(store, settings, time.time, stop), daemon=True).start()
    run(store, CeleryDispatcher(settings.broker_url, message_keys(store)), time.time, stop, keep)


@coordinator.command("retention")
@click.option("--apply", "is_applied", is_flag=True, help="Do it now, a few campaigns at a time, as the ticker does.")
def show_retention(*, is_applied: bool) -> None:
    """List the campaigns that the rules of retention would archive or delete now; nothing is changed without --apply.

    The rules: SHOWDOWN_ARCHIVE_AFTER_DAYS, SHOWDOWN_DELETE_AFTER_DAYS, SHOWDOWN_KEEP_LAST, SHOWDOWN_KEEP_LABELS.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from coordinator.store.upkeep import retention

    settings = _settings()
    rules, store = settings.retention, Store(settings.database_url)
    if not rules.is_on:
        click.echo("There is no rule: set SHOWDOWN_ARCHIVE_AFTER_DAYS or SHOWDOWN_DELETE_AFTER_DAYS.")
        return
    try:
        if is_applied:
            found = retention.apply(store, rules, settings.influx, time.time())
        else:
            with store.read() as session:
                found = retention.due(session, rules, time.time())
    except SQLAlchemyError as error:
        raise click.ClickException(f"the database cannot be read: {one_line(error)}") from error
    finally:
        store.close()
    for one in found:
        would = "" if is_applied else "would be "
        click.echo(f"{one.id} {one.name}: {would}{one.sentence}")
    done = "were archived or deleted" if is_applied else "would be archived or deleted"
    more = "; there may be more" if len(found) in (retention.AT_ONCE, retention.MOST_SHOWN) else ""
    click.echo(f"{counted(len(found), 'campaign')} {done}{more}")


@coordinator.command()
def migrate() -> None:
    """Migrate the database schema to the current version."""
    _migrate(_settings())


def _settings() -> Settings:
    try:
        settings = load_settings()
        log_format()
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
