"""Writes line protocol to InfluxDB 1.6 to 3, with influxdb-client.

It tries ``/api/v2/write`` first. Versions without it (1.6, 1.7) get ``/write``, and the database is created if missing.
The library's writers are not used, because they hide losses and the server's answer. Lines are delivered, or refused,
when an InfluxDB says so: a proxy or a portal answers too, with any status.
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
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from probes.stream.limited_http import limit_requests
from probes.stream.sink import SinkError

_NO_CONTENT, _NOT_FOUND, _TOO_LARGE = 204, 404, 413
_PING = "/ping"
_LIMIT = 1.25  # a whole request may take so much longer than each of its reads
# Malformed, too large or of a conflicting type: only then are the lines at fault. Other errors (wrong token, missing
# bucket, overloaded server) can be corrected while the lines wait.
_LINES_AT_FAULT = frozenset({400, 413, 422})
# 1.x names each line that it cannot parse, but does not count it as dropped.
_DROPPED = re.compile(r"dropped=(\d+)")
_UNPARSED = re.compile(r"unable to parse '")
# Every answer of 1.x and 2.x has the first two; errors of 2.x, and of its cloud, have the others.
_IDENTITY = ("X-Influxdb-Version", "X-Influxdb-Build", "X-Influxdb-Error", "X-Platform-Error-Code")


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
        self._legacy = self._identified = False

    def ping(self) -> str:
        """Empty if InfluxDB answers, else the error."""
        try:
            _, headers = self._call("GET", _PING)
        except SinkError as error:
            return str(error)
        return "" if _is_influx(headers) else f"{self.url} answers, but not as an InfluxDB"

    def write(self, lines: str) -> None:
        if not self._legacy:
            query = [("org", self._org or "-"), ("bucket", self.bucket), ("precision", "ns")]
            try:
                self._write("/api/v2/write", query, lines)
            except SinkError as error:
                if _status(error) != _NOT_FOUND:
                    raise
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
            limit_requests(self._client.api_client.rest_client.pool_manager, self._timeout_ms / 1000 * _LIMIT)
            self._pid = os.getpid()
        return self._client

    def _write(self, path: str, query: list[tuple[str, str]], lines: str) -> None:
        status, headers = self._call("POST", path, query, lines)
        if status == _NO_CONTENT and (_is_influx(headers) or self._is_identified()):
            return
        self._identified = False
        raise SinkError(
            f"{self.url} answered {status}, but not as an InfluxDB; check SHOWDOWN_INFLUX_URL and proxies", again=True
        )

    def _is_identified(self) -> bool:
        """Whether a server whose answers to writes do not name InfluxDB says in ``/ping`` that it is one."""
        if not self._identified:
            self._identified = _is_influx(self._call("GET", _PING)[1])
        return self._identified

    def _says_influx(self, error: ApiException) -> bool:
        """Whether an InfluxDB refuses lines; a proxy may refuse them, too, but cannot know that they are invalid."""
        if _is_influx(error.headers):
            return True
        with suppress(SinkError):
            return self._is_identified()
        return False

    def _write_v1(self, lines: str) -> None:
        query = [("db", self.bucket), ("precision", "ns")]
        try:
            self._write("/write", query, lines)
        except SinkError as error:
            if _status(error) != _NOT_FOUND:
                raise
            self._create_database()
            self._write("/write", query, lines)

    def _create_database(self) -> None:
        name = self.bucket.replace("\\", "\\\\").replace('"', '\\"')
        self._call("POST", "/query", [("q", f'CREATE DATABASE "{name}"')])

    def _call(
        self, method: str, path: str, query: list[tuple[str, str]] | None = None, body: str = ""
    ) -> tuple[int, Any]:
        """Status and headers of an answer with a status of success. Raises :class:`SinkError`."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        client = self._client_of_process()
        if client.auth_header_name:
            headers[client.auth_header_name] = client.auth_header_value
        try:
            _, status, answered = client.api_client.call_api(
                path, method, query_params=query or [], header_params=headers, body=body
            )
        except ApiException as error:
            at_fault = error.status in _LINES_AT_FAULT and path != _PING and self._says_influx(error)
            raise _sink_error(self.url, error, at_fault=at_fault) from error
        except HTTPError as error:
            self._identified = False
            raise _unreachable(self.url, error) from error
        except UnicodeDecodeError as error:
            raise SinkError(
                f"{self.url} answered with bytes that are no text, so it is no InfluxDB", again=True
            ) from error
        return status, answered


def _is_influx(headers: Any) -> bool:
    return headers is not None and any(name in headers for name in _IDENTITY)


def _status(error: SinkError) -> int:
    cause = error.__cause__
    return (cause.status or 0) if isinstance(cause, ApiException) else 0


def _sink_error(url: str, error: ApiException, *, at_fault: bool) -> SinkError:
    text, status = _message(error), error.status or 0
    dropped = sum(int(count) for count in _DROPPED.findall(text)) + len(_UNPARSED.findall(text))
    return SinkError(
        f"InfluxDB at {url} answered {status}: {' '.join(text.split())}"[:300],
        again=not at_fault,
        refused=dropped or None,
        retry_after_s=_retry_after_s(error.headers.get("Retry-After") if error.headers else None),
        too_large=status == _TOO_LARGE,
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
