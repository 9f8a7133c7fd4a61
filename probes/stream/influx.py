"""Line protocol into InfluxDB 1.6 to 3, through influxdb-client.

``/api/v2/write`` is tried first; where it is unknown (1.6, 1.7) ``/write`` takes its place, and the database is made
when it is missing. The library's batching writer is not used: it hides loss.
"""

import json
import os
import re
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from probes.stream.sink import SinkError

_NOT_FOUND = 404
# Malformed, too large or of a conflicting type: only then are lines at fault. Anything else (a wrong token, a bucket
# that is missing, a server that is overloaded) can be put right while the lines wait.
_LINES_AT_FAULT = frozenset({400, 413, 422})
# 1.x names each line that it cannot parse, and does not count these as dropped.
_DROPPED = re.compile(r"dropped=(\d+)")
_UNPARSED = re.compile(r"unable to parse '")


class InfluxSink:
    """A :class:`~probes.stream.sink.Sink`. Each process makes its own client at first use, after the fork."""

    def __init__(
        self, url: str, token: str = "", org: str = "", bucket: str = "showdown", timeout_s: float = 2.0
    ) -> None:
        self.url = url
        self.bucket = bucket
        self._token = token
        self._org = org
        self._timeout_ms = round(timeout_s * 1000)
        self._client: Any = None
        self._pid = 0
        self._legacy = False

    def ping(self) -> str:
        """Empty when InfluxDB answers, else why it does not."""
        try:
            self._call("GET", "/ping")
        except SinkError as error:
            return str(error)
        return ""

    def write(self, lines: str) -> None:
        if not self._legacy:
            try:
                self._write_v2(lines)
            except ApiException as error:
                if error.status != _NOT_FOUND:
                    raise _sink_error(self.url, error) from error
            except HTTPError as error:
                raise _unreachable(self.url, error) from error
            else:
                return
        # 404 means an InfluxDB without this path, or one without this bucket: the old path tells which.
        self._write_v1(lines)
        self._legacy = True

    def close(self) -> None:
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client = None

    def _connected(self) -> Any:
        if self._client is None or self._pid != os.getpid():
            self._client = InfluxDBClient(
                url=self.url, token=self._token or None, org=self._org or "-", timeout=self._timeout_ms, retries=False
            )
            self._pid = os.getpid()
        return self._client

    def _write_v2(self, lines: str) -> None:
        self._connected().write_api(write_options=SYNCHRONOUS).write(bucket=self.bucket, record=lines)

    def _write_v1(self, lines: str) -> None:
        query = [("db", self.bucket), ("precision", "ns")]
        try:
            self._call("POST", "/write", query, lines)
        except SinkError as error:
            cause = error.__cause__
            if not isinstance(cause, ApiException) or cause.status != _NOT_FOUND:
                raise
            self._create_database()
            self._call("POST", "/write", query, lines)

    def _create_database(self) -> None:
        name = self.bucket.replace("\\", "\\\\").replace('"', '\\"')
        self._call("POST", "/query", [("q", f'CREATE DATABASE "{name}"')])

    def _call(self, method: str, path: str, query: list[tuple[str, str]] | None = None, body: str = "") -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        client = self._connected()
        if client.auth_header_name:
            headers[client.auth_header_name] = client.auth_header_value
        try:
            client.api_client.call_api(path, method, query_params=query or [], header_params=headers, body=body)
        except ApiException as error:
            raise _sink_error(self.url, error) from error
        except HTTPError as error:
            raise _unreachable(self.url, error) from error


def _sink_error(url: str, error: ApiException) -> SinkError:
    text, status = _message(error), error.status or 0
    dropped = sum(int(count) for count in _DROPPED.findall(text)) + len(_UNPARSED.findall(text))
    return SinkError(
        f"InfluxDB at {url} answered {status}: {' '.join(text.split())}"[:300],
        again=status not in _LINES_AT_FAULT,
        refused=dropped or None,
        retry_after_s=_retry_after_s(error.headers.get("Retry-After") if error.headers else None),
    )


def _retry_after_s(header: str | None) -> float | None:
    """Seconds, or a date as RFC 9110 has it; what is neither is no advice."""
    if not header:
        return None
    with suppress(ValueError):
        seconds = float(header)
        return max(0.0, seconds) if isfinite(seconds) else None
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    return None


def _message(error: ApiException) -> str:
    try:
        body = json.loads(error.body or "{}")
        return str(body.get("message") or body.get("error") or error.reason)
    except (ValueError, AttributeError):
        return str(error.body or error.reason).strip()


def _unreachable(url: str, error: HTTPError) -> SinkError:
    words = str(error).rsplit(": ", 1)[-1].strip("()'\" ")
    return SinkError(f"InfluxDB at {url} cannot be reached: {words}"[:300], again=True)
