"""A worker's settings, from the environment. All programs use the same names."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from domain.hosts.host_tokens import hash_of
from domain.service.messages import message_key
from domain.values.names import HOST_NAME_SHAPE, host_name_of, is_host_name
from domain.values.texts import error_text

Address = tuple[str, int] | Path
"""A host and a port, or the path of a unix socket."""

DEFAULT_STATE_DIR = "/var/lib/showdown"
_HTTP = "http://", "https://"
_BROKERS = "redis://", "rediss://", "redis+socket://"


class ConfigError(ValueError):
    """A setting is missing or malformed; the message names the variable and the fix."""


@dataclass(frozen=True)
class WorkerSettings:
    """A worker's host name, directory and servers. ``influx_url`` is empty if there is no InfluxDB.

    ``host_token`` is empty until the host is enrolled, which ``enrolment_token`` may do.
    """

    host: str
    state_dir: Path
    broker_url: str
    coordinator_url: str
    host_token: str
    enrolment_token: str
    influx_url: str
    influx_token: str
    influx_org: str
    influx_bucket: str
    tests_when_idle: bool = False
    metrics: Address | None = None
    """Where metrics are served, if anywhere."""

    @property
    def message_key(self) -> bytes:
        """The key of messages to this host; the coordinator has the same."""
        return message_key(hash_of(self.host_token), self.host)

    @property
    def telemetry_dir(self) -> Path:
        """Where telemetry waits for InfluxDB."""
        return telemetry_dir(self.state_dir)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "WorkerSettings":
        """Read ``SHOWDOWN_*``. Raises :class:`ConfigError`."""
        env = os.environ if environment is None else environment
        host = env.get("SHOWDOWN_HOST") or default_host()
        if not is_host_name(host):
            raise ConfigError(f"SHOWDOWN_HOST: {host!r} {HOST_NAME_SHAPE}")
        directory = state_dir(env, host)
        return cls(
            host=host,
            state_dir=directory,
            broker_url=_url(env, "SHOWDOWN_BROKER_URL", _BROKERS) or "redis://127.0.0.1:6379/0",
            coordinator_url=(_url(env, "SHOWDOWN_COORDINATOR_URL", _HTTP) or "http://127.0.0.1:8400").rstrip("/"),
            host_token=env.get("SHOWDOWN_HOST_TOKEN") or kept_token(directory),
            enrolment_token=env.get("SHOWDOWN_WORKER_TOKEN", ""),
            influx_url=_url(env, "SHOWDOWN_INFLUX_URL", _HTTP),
            influx_token=env.get("SHOWDOWN_INFLUX_TOKEN", ""),
            influx_org=env.get("SHOWDOWN_INFLUX_ORG", ""),
            influx_bucket=env.get("SHOWDOWN_INFLUX_BUCKET") or "showdown",
            tests_when_idle=_switch(env, "SHOWDOWN_TEST_WHEN_IDLE"),
            metrics=_metrics(env),
        )


def state_dir(env: Mapping[str, str], host: str) -> Path:
    """Where the worker of a host keeps what must survive a restart."""
    return Path(env.get("SHOWDOWN_STATE_DIR") or DEFAULT_STATE_DIR).absolute() / "workers" / host


def telemetry_dir(state_dir: Path) -> Path:
    """The spool and the counters of telemetry, in a worker's state directory."""
    return state_dir / "telemetry"


def token_file(state_dir: Path) -> Path:
    """The token of a host that its worker has enrolled."""
    return state_dir / "host-token"


def kept_token(state_dir: Path) -> str:
    """The token in :func:`token_file`; empty without one. Raises :class:`ConfigError`."""
    try:
        return token_file(state_dir).read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ConfigError(f"{token_file(state_dir)} cannot be read: {error_text(error)}") from error


def default_host() -> str:
    """This machine's full node name; machines that differ in their domain only are different hosts."""
    return host_name_of(socket.gethostname())


def keep_former_directory(env: Mapping[str, str]) -> None:
    """Go on with the directory that an earlier version named after the first label of this machine's name.

    Reports and telemetry may wait in it. Raises :class:`ConfigError`.
    """
    if env.get("SHOWDOWN_HOST"):
        return
    now, former = (
        state_dir(env, host) for host in (default_host(), host_name_of(socket.gethostname().partition(".")[0]))
    )
    if now == former or now.exists() or not former.is_dir():
        return
    try:
        former.rename(now)
    except OSError as error:
        raise ConfigError(f"{former} cannot become {now}: {error_text(error)}") from error


def _url(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    url = env.get(name, "")
    if url and not url.startswith(schemes):
        raise ConfigError(f"{name} must begin with {', '.join(schemes[:-1])} or {schemes[-1]}")
    return url


def _metrics(env: Mapping[str, str]) -> Address | None:
    value = env.get("SHOWDOWN_WORKER_METRICS", "")
    if value in ("", "off"):
        return None
    if value.startswith("/"):
        return Path(value)
    host, _, port = value.rpartition(":")
    try:
        if port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16:
            return str(ip_address(host.strip("[]") or "127.0.0.1")), int(port)
    except ValueError:
        pass
    raise ConfigError(
        f"SHOWDOWN_WORKER_METRICS: {value!r} must be a port of 127.0.0.1, ADDRESS:PORT, the path of a socket, or off"
    )


def _switch(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").lower()
    if value not in ("", "0", "1"):
        raise ConfigError(f"{name}: {value!r} must be 1 for yes, or 0 or empty for no")
    return value == "1"
