"""The configuration of the private stack's servers: loopback or a unix socket, and no needless data."""

import contextlib
import json
import secrets
import socket
from pathlib import Path

_CHOSEN_BY_THE_KERNEL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PORTS = range(10_000, 65_536)


def unused_port() -> int:
    """A TCP port of 127.0.0.1 on which no server listens.

    The kernel gives it to no connection before the server has it: it is not one of those that the kernel chooses from.
    """
    lowest, highest = (int(word) for word in _CHOSEN_BY_THE_KERNEL.read_text().split())
    ports = [port for port in _PORTS if not lowest <= port <= highest] or list(_PORTS)
    while True:
        port = secrets.choice(ports)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def index_of(data: Path) -> str:
    """The index of new shards: on disk, unless a shard of an earlier version has its index in memory.

    InfluxDB 1.x deletes nothing from a database with both kinds.
    """
    policies = (path for path in data.glob("*/*") if not path.name.startswith("_"))
    shards = (path for policy in policies for path in policy.glob("*") if path.name.isdigit() and path.is_dir())
    return "inmem" if any(not (shard / "index").is_dir() for shard in shards) else "tsi1"


def influxd_config(directory: Path, *, http_port: int, rpc_port: int, passwords: bool = False, index: str = "") -> str:
    """InfluxDB 1.x on two ports of 127.0.0.1, quiet, and without background work during measurements.

    ``index``: ``tsi1`` (on disk) or ``inmem``; by default :func:`index_of`.
    """
    # TOML reads a JSON string as it is.
    meta, data, wal = (
        json.dumps(str(directory / name), ensure_ascii=False, allow_nan=False) for name in ("meta", "data", "wal")
    )
    return _INFLUXD.format(
        meta=meta,
        data=data,
        wal=wal,
        index=index or index_of(directory / "data"),
        http_port=http_port,
        rpc_port=rpc_port,
        passwords=str(passwords).lower(),
    )


_INFLUXD = """\
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
  # The number of campaigns bounds the series, and the age of points bounds the campaigns.
  index-version = "{index}"
  max-series-per-database = 0
  max-values-per-tag = 0

[http]
  bind-address = "127.0.0.1:{http_port}"
  auth-enabled = {passwords}
  pprof-enabled = false
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
