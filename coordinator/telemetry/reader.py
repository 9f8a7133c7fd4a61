"""Queries to InfluxDB, and the kernel latency of a trial. InfluxQL over ``/query`` works on versions 1.6 to 3.

InfluxDB only carries telemetry, and campaigns are complete without it. So every query may fail, and says why.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import httpx

from coordinator.telemetry.time_limit import LimitedTransport
from domain.probes.sample import BUCKETS, KERNEL_LATENCY, TRIAL_ID, bucket_bounds_ns, bucket_field
from domain.values.texts import error_text

TIMEOUT_S = 3.0  # of each read
LIMIT_S = 6.0  # of the whole query
MAX_ANSWER_BYTES = 32 << 20
# One point per slice and stage; the longest trials have several hundred.
MAX_POINTS = 5000

_ID = re.compile(r"[a-z0-9-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_.#-]{0,64}")
_ANY_CELL: Mapping[str, str] = {}
FIELD_BOUNDS_NS = {bucket_field(index): bucket_bounds_ns(index) for index in range(BUCKETS)}


class TelemetryUnavailable(RuntimeError):
    """InfluxDB is not configured, cannot be reached, or refuses the query; the message says which."""


class Influx(Protocol):
    """The address of InfluxDB; on 1.x ``bucket`` is the database."""

    @property
    def url(self) -> str:
        """Empty if there is none."""

    @property
    def token(self) -> str:
        """Sent if not empty."""

    @property
    def org(self) -> str:
        """For 2.x; reading does not need it."""

    @property
    def bucket(self) -> str:
        """The bucket or database."""


def kernel_latency(influx: Influx, campaign: str, run: str, cell: Mapping[str, str] = _ANY_CELL) -> dict[str, Any]:
    """The series of one trial by stage and role: times (RFC 3339), p50 and p99 in ns, counts, and counts per bucket.

    ``cell`` is where to look: tags of the trial, which InfluxDB has an index of. The id is a field, and a tag in points
    of earlier versions. Raises :class:`TelemetryUnavailable`, and ``ValueError`` if a value is not an id or a name.
    """
    trial = check_id(run)
    tags = {"campaign": check_id(campaign)} | {tag: check_name(value) for tag, value in cell.items()}
    ids = " OR ".join(f"\"{name}\" = '{trial}'" for name in (TRIAL_ID, "run"))
    where = " AND ".join([*(f"\"{tag}\" = '{value}'" for tag, value in tags.items()), f"({ids})"])
    statement = (
        f'SELECT * FROM "{KERNEL_LATENCY}" WHERE {where} GROUP BY "stage", "role" ORDER BY time LIMIT {MAX_POINTS}'  # noqa: S608
    )
    stages = [_stage(series) for series in query(influx, statement)]
    return {"campaign": campaign, "run": run, "stages": sorted(stages, key=_order)}


def _order(stage: Mapping[str, Any]) -> tuple[str, str]:
    return str(stage["stage"]), str(stage["role"])


def check_id(value: str) -> str:
    """An id that is safe in a statement. Raises ``ValueError`` for anything else."""
    if not _ID.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not an id: use lower-case letters, digits and dashes only")
    return value


def check_name(value: str) -> str:
    """The value of a tag that is safe in a statement. Raises ``ValueError`` for anything else."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a name: use letters, digits, '_', '-', '.' and '#' only")
    return value


def query(influx: Influx, statement: str, *, epoch: str = "") -> Sequence[Mapping[str, Any]]:
    """The series of one statement's answer; times are RFC 3339, or integers of the unit ``epoch`` ("ms").

    Raises :class:`TelemetryUnavailable`.
    """
    if not influx.url:
        raise TelemetryUnavailable("no InfluxDB is configured (SHOWDOWN_INFLUX_URL)")
    # ``user:password`` is for versions before 1.8, which know no tokens.
    user, is_password, password = influx.token.partition(":")
    headers = {"Authorization": f"Token {influx.token}"} if influx.token and not is_password else {}
    auth = (user, password) if is_password else None
    params = {"db": influx.bucket, **({"epoch": epoch} if epoch else {})}
    try:
        status, body = _asked(influx.url.rstrip("/") + "/query", params, statement, headers, auth)
        answer = json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TelemetryUnavailable(f"InfluxDB at {influx.url} cannot be reached: {error_text(error)}") from error
    except (ValueError, RecursionError) as error:
        raise TelemetryUnavailable(f"InfluxDB at {influx.url} answered {status} without JSON") from error
    if not isinstance(answer, dict):
        raise TelemetryUnavailable(f"InfluxDB at {influx.url} sent an answer that is not InfluxDB's")
    results = answer.get("results") or [{}]
    problem = answer.get("error") or answer.get("message") or results[0].get("error")
    if problem or status != httpx.codes.OK:
        raise TelemetryUnavailable(f"InfluxDB at {influx.url} refused the query: {problem or status}")
    return list(results[0].get("series") or [])


def _asked(
    url: str, params: Mapping[str, str], statement: str, headers: Mapping[str, str], auth: tuple[str, str] | None
) -> tuple[int, bytes]:
    """Status and body of one answer, of limited size and within a limited time."""
    with httpx.Client(
        transport=LimitedTransport(LIMIT_S),
        timeout=TIMEOUT_S,
        trust_env=False,  # the query and its token are for InfluxDB, not for a proxy of the environment
    ) as client:
        asked = client.build_request("POST", url, params=params, data={"q": statement}, headers=headers)
        response = client.send(asked, auth=auth, stream=True)
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise httpx.ReadError(f"its answer has more than {MAX_ANSWER_BYTES >> 20} MiB")
        return response.status_code, bytes(body)


def _stage(series: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: index for index, name in enumerate(series["columns"])}
    rows = series["values"]

    def column(name: str) -> list[Any]:
        return [row[columns[name]] for row in rows] if name in columns else [None] * len(rows)

    buckets = [
        {"ge_ns": low_ns, "le_ns": high_ns, "counts": [count or 0 for count in column(field)]}
        for field, (low_ns, high_ns) in FIELD_BOUNDS_NS.items()
        if any(column(field))
    ]
    return {
        "stage": series["tags"]["stage"],
        "role": series["tags"].get("role", ""),
        "unit": "ns",
        "times": column("time"),
        "p50_ns": column("p50_ns"),
        "p99_ns": column("p99_ns"),
        "count": column("count"),
        "buckets": buckets,
    }
