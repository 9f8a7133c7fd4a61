"""A worker's settings, from the environment. All programs use the same names."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STATE_DIR = "/var/lib/showdown"


class ConfigError(ValueError):
    """A setting is missing or malformed; the message names the variable and the fix."""


@dataclass(frozen=True)
class WorkerSettings:
    """A worker's host name, directory and servers. ``influx_url`` is empty if there is no InfluxDB."""

    host: str
    state_dir: Path
    broker_url: str
    coordinator_url: str
    worker_token: str
    influx_url: str
    influx_token: str
    influx_org: str
    influx_bucket: str
    tests_when_idle: bool = False

    @property
    def telemetry_dir(self) -> Path:
        """Where telemetry waits for InfluxDB."""
        return telemetry_dir(self.state_dir)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "WorkerSettings":
        """Read ``SHOWDOWN_*``. Raises :class:`ConfigError`."""
        env = os.environ if environment is None else environment
        host = env.get("SHOWDOWN_HOST") or default_host()
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", host):
            raise ConfigError(f"SHOWDOWN_HOST: {host!r} is not a DNS label; use a-z, 0-9 and '-'")
        return cls(
            host=host,
            state_dir=state_dir(env, host),
            broker_url=env.get("SHOWDOWN_BROKER_URL") or "redis://127.0.0.1:6379/0",
            coordinator_url=(env.get("SHOWDOWN_COORDINATOR_URL") or "http://127.0.0.1:8400").rstrip("/"),
            worker_token=_required(env, "SHOWDOWN_WORKER_TOKEN"),
            influx_url=env.get("SHOWDOWN_INFLUX_URL", ""),
            influx_token=env.get("SHOWDOWN_INFLUX_TOKEN", ""),
            influx_org=env.get("SHOWDOWN_INFLUX_ORG", ""),
            influx_bucket=env.get("SHOWDOWN_INFLUX_BUCKET") or "showdown",
            tests_when_idle=_switch(env, "SHOWDOWN_TEST_WHEN_IDLE"),
        )


def state_dir(env: Mapping[str, str], host: str) -> Path:
    """Where the worker of a host keeps what must survive a restart."""
    return Path(env.get("SHOWDOWN_STATE_DIR") or DEFAULT_STATE_DIR).absolute() / "workers" / host


def telemetry_dir(state_dir: Path) -> Path:
    """The spool and the counters of telemetry, in a worker's state directory."""
    return state_dir / "telemetry"


def default_host() -> str:
    """This machine's name as a DNS label."""
    label = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")
    return label[:63] or "host"


def _switch(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").lower()
    if value not in ("", "0", "1"):
        raise ConfigError(f"{name}: {value!r} must be 1 for yes, or 0 or empty for no")
    return value == "1"


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set; the coordinator prints it at first start (secrets.json)")
    return value
