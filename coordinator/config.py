"""Read the environment into :class:`Settings`. No other module of the coordinator reads the environment."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from coordinator.notice_settings import NoticeSettings, notice_settings
from coordinator.oidc_settings import OidcSettings, oidc_settings
from coordinator.private_files import own_text, write_new
from coordinator.retention_settings import RetentionSettings, retention_settings
from domain.service.logs import FORMATS
from domain.values.texts import error_text, words_of

T = TypeVar("T")

DEFAULT_STATE_DIR = "/var/lib/showdown"
DEFAULT_BROKER_URL = "redis://127.0.0.1:6379/0"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SIGNING_KEY = "signing-key.pem"  # in the state directory
REQUESTS_PER_MINUTE = 30_000  # of one address to the API; a program that polls in a loop sends fewer
_SECRETS = {"token": "SHOWDOWN_TOKEN", "secret_key": "SHOWDOWN_SECRET_KEY"}
_ENROLMENT = "worker_token"  # in secrets.json of earlier versions; none is drawn any more
_ENROLMENT_VARIABLE = "SHOWDOWN_WORKER_TOKEN"
_SHORTEST_SECRET = 16  # characters; shorter ones can be guessed


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the environment variable."""


@dataclass(frozen=True)
class InfluxSettings:
    """The InfluxDB to read telemetry from; none if ``url`` is empty. On 1.x ``bucket`` is the database."""

    url: str = ""
    token: str = ""
    org: str = ""
    bucket: str = "showdown"


@dataclass(frozen=True)
class Settings:
    """The configuration of the coordinator. ``worker_token`` only enrols hosts; empty if none may do so by itself."""

    state_dir: Path
    database_url: str
    broker_url: str
    token: str
    worker_token: str
    secret_key: str
    influx: InfluxSettings = InfluxSettings()
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    grafana_url: str = ""
    web_url: str = ""
    secure_cookies: bool = False
    trusted_proxies: int = 0
    trusted_hosts: tuple[str, ...] = ()
    requests_per_minute: int = 0
    audit_days: int = 365
    oidc: OidcSettings | None = None
    token_is_new: bool = False
    signing_key: Path | None = None
    notices: NoticeSettings = field(default_factory=NoticeSettings)

    @property
    def signing_key_file(self) -> Path:
        """The key that signs bundles; it is made when it is first needed."""
        return self.signing_key or self.state_dir / SIGNING_KEY

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret that is set; no log may show one. Passwords in addresses are hidden by their form."""
        found = [self.token, self.worker_token, self.secret_key, self.influx.token, self.notices.webhook_secret]
        found.append(self.influx.token.partition(":")[2])  # of InfluxDB before 1.8, which takes user and password
        found += [self.notices.mail.password] if self.notices.mail else []
        found += [self.oidc.client_secret] if self.oidc else []
        return tuple(filter(None, found))

    def __repr__(self) -> str:  # keeps secrets out of logs and tracebacks
        return f"Settings(state_dir={str(self.state_dir)!r})"


def log_format(environ: Mapping[str, str] | None = None) -> str:
    """``text`` or ``json``. Raises :class:`SettingsError`."""
    kind = (os.environ if environ is None else environ).get("SHOWDOWN_LOG_FORMAT", "") or FORMATS[0]
    if kind not in FORMATS:
        raise SettingsError(f"SHOWDOWN_LOG_FORMAT must be {' or '.join(FORMATS)}")
    return kind


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; generate missing secrets and store them in ``<state dir>/secrets.json``.

    Raises :class:`SettingsError`.
    """
    env = os.environ if environ is None else environ
    state_dir = _state_dir(env)
    given = {name: _secret(env, variable) for name, variable in _SECRETS.items()}
    enrolment = _secret(env, _ENROLMENT_VARIABLE)
    web_url = _http_url(env, "SHOWDOWN_WEB_URL")
    kept, is_new = ({}, False) if all(given.values()) else _kept_secrets(state_dir)
    chosen = {name: value or kept[name] for name, value in given.items()}
    return Settings(
        state_dir=state_dir,
        database_url=_database_url(env, state_dir),
        broker_url=_broker_url(env),
        token=chosen["token"],
        worker_token=enrolment or kept.get(_ENROLMENT, ""),
        secret_key=chosen["secret_key"],
        influx=InfluxSettings(
            url=_http_url(env, "SHOWDOWN_INFLUX_URL"),
            token=env.get("SHOWDOWN_INFLUX_TOKEN", ""),
            org=env.get("SHOWDOWN_INFLUX_ORG", ""),
            bucket=env.get("SHOWDOWN_INFLUX_BUCKET", "") or "showdown",
        ),
        retention=_valid(retention_settings, env),
        grafana_url=_http_url(env, "SHOWDOWN_GRAFANA_URL"),
        web_url=web_url,
        secure_cookies=_flag(env, "SHOWDOWN_SECURE_COOKIES") or web_url.startswith("https://"),
        trusted_proxies=_proxies(env),
        trusted_hosts=_hosts(env),
        requests_per_minute=_requests_per_minute(env),
        audit_days=_audit_days(env),
        oidc=_valid(oidc_settings, env, web_url),
        token_is_new=is_new and not given["token"],
        signing_key=_signing_key(env),
        notices=_valid(notice_settings, env),
    )


def _valid(read: Callable[..., T], *given: Any) -> T:
    """What a module of settings reads from the environment. Raises :class:`SettingsError`."""
    try:
        return read(*given)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def signing_key_file(environ: Mapping[str, str] | None = None) -> Path:
    """The key that signs bundles, without any other setting. Raises :class:`SettingsError`."""
    env = os.environ if environ is None else environ
    return _signing_key(env) or Path(env.get("SHOWDOWN_STATE_DIR", "") or DEFAULT_STATE_DIR) / SIGNING_KEY


def _signing_key(env: Mapping[str, str]) -> Path | None:
    file = env.get("SHOWDOWN_SIGNING_KEY", "")
    if file and not Path(file).is_absolute():
        raise SettingsError(f"SHOWDOWN_SIGNING_KEY is not an absolute path: {file}")
    return Path(file) if file else None


def _secret(env: Mapping[str, str], variable: str) -> str:
    value = env.get(variable, "")
    if value and len(value) < _SHORTEST_SECRET:
        raise SettingsError(f"{variable} is shorter than {_SHORTEST_SECRET} characters")
    return value


def _state_dir(env: Mapping[str, str]) -> Path:
    state_dir = Path(env.get("SHOWDOWN_STATE_DIR", "") or DEFAULT_STATE_DIR)
    if not state_dir.is_absolute():
        raise SettingsError(f"SHOWDOWN_STATE_DIR is not an absolute path: {state_dir}")
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"SHOWDOWN_STATE_DIR cannot be used: {error_text(error)}") from error
    return state_dir


def _database_url(env: Mapping[str, str], state_dir: Path) -> str:
    url = env.get("SHOWDOWN_DATABASE_URL", "") or sqlite_url(state_dir / "showdown.sqlite")
    # SQLAlchemy would use psycopg2 for the plain scheme; psycopg 3 is installed.
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            url = "postgresql+psycopg://" + url.removeprefix(scheme)
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingsError("SHOWDOWN_DATABASE_URL must begin with sqlite:/// or postgresql://")
    file = url.removeprefix("sqlite:///")
    # A relative path is of the directory in which the command was started; the server leaves it.
    return sqlite_url(Path.cwd()) + f"/{file}" if file[:1] not in ("/", ":", "") and file != url else url


def sqlite_url(path: Path) -> str:
    """The URL of a file. Unquoted, ``?`` would end its name, and ``%41`` would be an ``A``."""
    return f"sqlite:///{quote(str(path))}"


def _broker_url(env: Mapping[str, str]) -> str:
    url = env.get("SHOWDOWN_BROKER_URL", "") or DEFAULT_BROKER_URL
    if not url.startswith(("redis://", "rediss://", "redis+socket://")):
        raise SettingsError("SHOWDOWN_BROKER_URL must begin with redis://, rediss:// or redis+socket://")
    return url


def _http_url(env: Mapping[str, str], variable: str) -> str:
    url = env.get(variable, "").rstrip("/")
    if url and not url.startswith(("http://", "https://")):
        raise SettingsError(f"{variable} must begin with http:// or https://")
    return url


def _flag(env: Mapping[str, str], variable: str) -> bool:
    value = env.get(variable, "").lower()
    if value not in {"", "0", "1", "no", "yes", "false", "true"}:
        raise SettingsError(f"{variable} must be yes or no")
    return value in {"1", "yes", "true"}


def _proxies(env: Mapping[str, str]) -> int:
    value = env.get("SHOWDOWN_TRUSTED_PROXIES", "") or "0"
    if value not in {"0", "1", "2", "3", "4", "5"}:
        raise SettingsError("SHOWDOWN_TRUSTED_PROXIES must be the number of proxies in front, 0 to 5")
    return int(value)


def _requests_per_minute(env: Mapping[str, str]) -> int:
    value = env.get("SHOWDOWN_REQUESTS_PER_MINUTE", "") or str(REQUESTS_PER_MINUTE)
    if not (value.isascii() and value.isdecimal() and len(value) <= 9):
        raise SettingsError("SHOWDOWN_REQUESTS_PER_MINUTE must be a number of requests, or 0 for no limit")
    return int(value)


def _audit_days(env: Mapping[str, str]) -> int:
    value = env.get("SHOWDOWN_AUDIT_DAYS", "") or "365"
    if not (value.isascii() and value.isdecimal() and len(value) <= 5 and 1 <= int(value) <= 36_500):
        raise SettingsError("SHOWDOWN_AUDIT_DAYS must be a number of days, 1 to 36500")
    return int(value)


def _hosts(env: Mapping[str, str]) -> tuple[str, ...]:
    names = words_of(env.get("SHOWDOWN_TRUSTED_HOSTS", ""))
    if any("/" in name or " " in name for name in names):
        raise SettingsError("SHOWDOWN_TRUSTED_HOSTS must be host names separated by commas, without http://")
    return names


def _kept_secrets(state_dir: Path) -> tuple[dict[str, str], bool]:
    """The secrets of the state directory, and whether this call created them; safe against a concurrent process."""
    path = state_dir / "secrets.json"
    is_new = False
    if not path.exists():
        drawn = {name: secrets.token_urlsafe(32) for name in _SECRETS}
        try:
            is_new = write_new(path, json.dumps(drawn, allow_nan=False))
        except OSError as error:
            raise SettingsError(f"SHOWDOWN_STATE_DIR cannot be written: {error_text(error)}") from error
    try:
        kept = json.loads(own_text(path))
        found = {name: str(kept[name]) for name in _SECRETS}
        return found | {_ENROLMENT: str(kept.get(_ENROLMENT, ""))}, is_new
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        variables = ", ".join(_SECRETS.values())
        raise SettingsError(f"{path} cannot be read ({error_text(error)}); remove it, or set {variables}") from error
