"""Watches what the coordinator needs: database, disk, broker, ticker and InfluxDB. Requests read the last result.

Nothing here raises: each check turns its error into a :class:`Trouble`. A slow check delays no request, because a
separate thread does the checks (:meth:`Watch.run`).
"""

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
from kombu import Connection as BrokerConnection
from redis.exceptions import ResponseError
from sqlalchemy.exc import SQLAlchemyError

from coordinator.config import InfluxSettings, Settings
from coordinator.store.rows.database import Store
from coordinator.store.rows.marks import SERVER, TICKER, mark, set_mark
from coordinator.telemetry.time_limit import LimitedTransport
from domain.service.logs import one_line, without_secrets
from domain.service.messages import broker_tls
from domain.service.trouble import Part, Readiness, Trouble

CHECK_EACH_S = 5.0
STALE_S = 20.0
TICKER_LATE_S = 20.0  # the ticker records itself every 5 s
TICKER_STARTS_WITHIN_S = 60.0  # beside labs that never rest, a process of niceness 10 needs half a minute to start
LEAST_FREE_BYTES = 2 << 20
LOW_FREE_BYTES = 64 << 20
TIMEOUT_S = 2.0
LIMIT_S = 4.0  # of a whole request
BROKER_KEY = "tests.:broker"  # one that the broker's user may write; no host has such a name

log = logging.getLogger(__name__)


class Problem(NamedTuple):
    """What a check found. ``since`` (seconds since the epoch) if the check itself knows."""

    what: str
    remedy: str
    since: float | None = None
    stops_work: bool = True


Check = Callable[[], Problem | None]


class Watch:
    """The present troubles. ``clock`` gives seconds since the epoch."""

    def __init__(self, checks: dict[Part, Check], clock: Callable[[], float]) -> None:
        self._checks = checks
        self._clock = clock
        self._worked_at: dict[Part, float] = {}
        self._failed_at: dict[Part, float] = {}
        self._last: Readiness | None = None
        self._checking = threading.Lock()
        self._is_running = False

    def run(self, stop: threading.Event) -> None:
        """Check until ``stop`` is set."""
        self._is_running = True
        while True:
            try:
                self.check()
            except Exception:  # a fault of ours must not end the watch, which would then show old troubles for ever
                log.exception("the watch of the service's parts failed")
            if stop.wait(CHECK_EACH_S):
                return

    def start(self) -> None:
        """Check in a thread that ends with the process."""
        threading.Thread(target=self.run, args=(threading.Event(),), name="trouble", daemon=True).start()

    def current(self) -> Readiness:
        """The last result; nothing before the first check. Never waits."""
        if self._last is None:
            return _readiness(self._clock(), ())
        return self._or_stalled(self._last) if self._is_running else self._last

    def fresh(self) -> Readiness:
        """The last result of the thread, or of a check now if no thread checks."""
        return self.current() if self._is_running and self._last is not None else self.check()

    def check(self) -> Readiness:
        """Check every part now."""
        with self._checking:
            self._last = self._checked()
            return self._last

    def _checked(self) -> Readiness:
        found: list[Trouble] = []
        for part, check in self._checks.items():
            problem, now = check(), self._clock()
            if problem is None:
                if self._failed_at.pop(part, None) is not None:
                    log.info("the %s works again", part)
                self._worked_at[part] = now
                continue
            since = problem.since or self._worked_at.get(part) or self._failed_at.get(part, now)
            if self._failed_at.setdefault(part, now) == now:
                log.warning("%s. %s", problem.what, problem.remedy)
            facts = problem._asdict() | {"what": without_secrets(problem.what), "since": _utc(since)}
            found.append(Trouble(part=part, **facts))
        return _readiness(self._clock(), tuple(found))

    def _age_s(self, readiness: Readiness) -> float:
        return abs(self._clock() - readiness.checked_at.timestamp())

    def _or_stalled(self, last: Readiness) -> Readiness:
        """A check that hangs is itself a trouble, most likely of the database: all others have a time limit."""
        if self._age_s(last) < STALE_S + TIMEOUT_S * len(self._checks):
            return last
        stalled = Trouble(
            part=Part.DATABASE,
            what="The database does not answer",
            since=last.checked_at,
            remedy="Look for a lock or a stalled disk; the log of the database says more.",
        )
        return _readiness(self._clock(), (stalled, *(one for one in last.troubles if one.part is not Part.DATABASE)))


def watch(settings: Settings, store: Store, clock: Callable[[], float]) -> Watch:
    """A watch of everything that ``settings`` name."""
    checks: dict[Part, Check] = {
        Part.DATABASE: lambda: check_database(store, clock()),
        Part.DISK: lambda: check_disk(settings.state_dir),
        Part.BROKER: lambda: check_broker(settings.broker_url),
        Part.TICKER: TickerCheck(store, clock),
    }
    if settings.influx.url:
        checks[Part.TELEMETRY] = lambda: check_influx(settings.influx)
    return Watch(checks, clock)


def check_database(store: Store, now: float) -> Problem | None:
    """Whether the database can be read and written."""
    try:
        with store.write() as session:
            set_mark(session, SERVER, now)
    except (SQLAlchemyError, OSError) as error:
        why = one_line(error)
        if "full" in why or "No space" in why:
            return Problem(f"The database's disk is full ({why})", "Free space; campaigns then go on by themselves.")
        if "read-only" in why or "readonly" in why:
            return Problem(
                f"The database is read-only ({why})", "Make its file and directory (or the server) writable again."
            )
        return Problem(f"The database cannot be used ({why})", "Start it, or correct SHOWDOWN_DATABASE_URL.")
    return None


def check_disk(directory: Path) -> Problem | None:
    """Whether the state directory has room."""
    try:
        free_bytes = (found := os.statvfs(directory)).f_bavail * found.f_frsize
    except OSError as error:
        return Problem(f"The state directory cannot be read ({error.strerror})", "Look at SHOWDOWN_STATE_DIR.")
    if free_bytes >= LOW_FREE_BYTES:
        return None
    is_full, free = free_bytes < LEAST_FREE_BYTES, f"{free_bytes >> 20} MiB are free"
    return Problem(
        f"The disk of the state directory is {'full' if is_full else 'almost full'} ({free})",
        f"Free at least {LOW_FREE_BYTES >> 20} MiB; campaigns then go on by themselves.",
        stops_work=is_full,
    )


def check_broker(url: str) -> Problem | None:
    """Whether Redis answers, and takes messages: one without memory, or a read-only replica, answers too."""
    options = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "max_retries": 0}
    try:
        tls = broker_tls(url) or False
        with BrokerConnection(url, connect_timeout=TIMEOUT_S, transport_options=options, ssl=tls) as broker:
            redis = broker.channel().client
            redis.ping()
            redis.lpush(BROKER_KEY, "")
            redis.ltrim(BROKER_KEY, 0, 0)
    except ResponseError as error:
        return Problem(
            f"Redis refuses messages ({one_line(error)})",
            "Give it memory, or its user the commands of docs/deployment.md; lost messages are then sent again.",
        )
    except Exception as error:  # kombu, redis and socket errors share no base class
        why = one_line(error)
        return Problem(
            f"Redis cannot be reached ({why})",
            "Start it, or correct SHOWDOWN_BROKER_URL; lost messages are then sent again.",
        )
    return None


class TickerCheck:
    """Whether a ticker does its rounds: its mark must change. Only this host's clock counts, not the ticker's."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._mark: float | None = None
        self._changed_at = clock()
        self._has_looked = self._has_run = False

    def __call__(self) -> Problem | None:
        """A problem if the mark has not changed for ``TICKER_LATE_S``, or has not begun to change."""
        now = self._clock()
        try:
            with self._store.read() as session:
                found = mark(session, TICKER)
        except (SQLAlchemyError, OSError):
            return None  # then the database is the trouble
        if not self._has_looked:
            self._has_looked, self._mark = True, found  # a mark of an earlier ticker is no round
        elif found != self._mark:
            self._has_run, self._mark, self._changed_at = True, found, now
        late_s = now - self._changed_at
        if late_s < (TICKER_LATE_S if self._has_run else TICKER_STARTS_WITHIN_S):
            return None
        late = "has never run" if found is None else f"is late (no round for {late_s:.0f} s)"
        remedy = "Start 'showdown coordinator ticker'; its log says why it stopped."
        return Problem(f"The ticker {late}", remedy, self._changed_at)


def check_influx(influx: InfluxSettings) -> Problem | None:
    """Whether InfluxDB answers. A server that asks for a token answers, too."""
    try:
        with httpx.Client(transport=LimitedTransport(LIMIT_S), timeout=TIMEOUT_S, trust_env=False) as client:
            status = client.get(f"{influx.url}/ping").status_code
        if status < httpx.codes.INTERNAL_SERVER_ERROR and status != httpx.codes.NOT_FOUND:
            return None
        why = f"it answers {status}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = one_line(error)
    return Problem(
        f"InfluxDB is away ({why})",
        "Start it; points wait on the hosts' disks, and campaigns go on without it.",
        stops_work=False,
    )


def _readiness(now: float, troubles: tuple[Trouble, ...]) -> Readiness:
    return Readiness(checked_at=_utc(now), troubles=troubles, ready=not any(one.stops_work for one in troubles))


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(microsecond=0)
