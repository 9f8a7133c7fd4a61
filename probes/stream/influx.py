"""Writes line protocol to InfluxDB 1.6 to 3, with influxdb-client.

It tries ``/api/v2/write`` first. Versions without it (1.6, 1.7) get ``/write``, and the database is created if missing.
The library's batching writer is not used, because it hides losses.
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
# Malformed, too large or of a conflicting type: only then are the lines at fault. Other errors (wrong token, missing
# bucket, overloaded server) can be corrected while the lines wait.
_LINES_AT_FAULT = frozenset({400, 413, 422})
# 1.x names each line that it cannot parse, but does not count it as dropped.
_DROPPED = re.compile(r"dropped=(\d+)")
_UNPARSED = re.compile(r"unable to parse '")


class InfluxSink:
    """A :class:`~probes.stream.sink.Sink`. Each process creates its own client at first use, after the fork."""

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
        """Empty if InfluxDB answers, else the error."""
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
        # 404 means no such path or no such bucket; a request to the old path distinguishes them.
        self._write_v1(lines)
        self._legacy = True

    def close(self) -> None:
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client = None

    def _client_of_process(self) -> Any:
        if self._client is None or self._pid != os.getpid():
            self._client = InfluxDBClient(
                url=self.url,
                token=self._token or None,
                org=self._org or "-",
                timeout=self._timeout_ms,
                retries=False,
                auth_basic=":" in self._token,  # user:password, for versions before 1.8, which know no tokens
            )
            self._pid = os.getpid()
        return self._client

    def _write_v2(self, lines: str) -> None:
        self._client_of_process().write_api(write_options=SYNCHRONOUS).write(bucket=self.bucket, record=lines)

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
        client = self._client_of_process()
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
    """Seconds, or a date as in RFC 9110; other values are ignored."""
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
