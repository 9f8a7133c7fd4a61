"""The configuration of the private stack's servers: loopback or a unix socket, and no needless data."""

import json
import socket
from pathlib import Path
from urllib.parse import quote


def unused_port() -> int:
    """A TCP port of 127.0.0.1 on which no server listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def redis_argv(directory: Path, unix_socket: Path) -> list[str]:
    """Redis carries messages only: no TCP port, no saved data."""
    return [
        "redis-server",
        "--port", "0",
        "--unixsocket", str(unix_socket),
        "--unixsocketperm", "600",
        "--save", "",
        "--appendonly", "no",
        "--dir", str(directory),
        "--loglevel", "warning",
    ]  # fmt: skip


def redis_url(unix_socket: Path) -> str:
    """The URL of Redis on a unix socket; a path may contain what has a meaning in a URL."""
    return f"redis+socket://{quote(str(unix_socket))}"


def influxd_config(directory: Path, *, http_port: int, rpc_port: int) -> str:
    """InfluxDB 1.x on two ports of 127.0.0.1, quiet, and without background work during measurements."""
    # TOML reads a JSON string as it is.
    meta, data, wal = (json.dumps(str(directory / name), ensure_ascii=False) for name in ("meta", "data", "wal"))
    return f"""\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"

[meta]
  dir = {meta}

[data]
  dir = {data}
  wal-dir = {wal}
  # One fsync for many writes, because each fsync would disturb the measurement.
  wal-fsync-delay = "100ms"
  query-log-enabled = false

[http]
  bind-address = "127.0.0.1:{http_port}"
  log-enabled = false

[monitor]
  store-enabled = false

[subscriber]
  enabled = false

[continuous_queries]
  enabled = false

[logging]
  level = "warn"
  suppress-logo = true
"""
