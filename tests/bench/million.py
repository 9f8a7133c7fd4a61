"""``make bench-million``: what pages, REST and submissions take with a million trials in the database.

Two campaigns are measured as workers report them, and copied until the database has enough trials. Then a coordinator
that was just started is asked ten times a second, by Poisson arrivals: each question is about another campaign, as a
team of a year asks. Times are in milliseconds, from the moment at which a question was due. ``--database postgresql``
uses a private server. The last line is one JSON object. The exit status is 1 if a limit is exceeded.
"""

import argparse
import gzip
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection
from itertools import accumulate
from pathlib import Path
from typing import Any

from sqlalchemy import event

from coordinator.store.rows.database import Store
from coordinator.store.runs import series_points
from coordinator.store.upkeep import endings
from tests import postgresql
from tests.bench.million_rows import SERIES, copy_all
from tests.bench.scale import Filling, a_host, shape
from tests.bench.scale_server import HOST, Served, served
from tests.orderly import ends_in_order

TRIALS = 1_000_000
BLOCKS, DATAPATHS, LEVELS = 50, 4, 5  # of each campaign, as of the reference campaign
DAYS = 365
CLIENTS = 4  # questions at once, at most; more wait, which counts
ASKED = 200  # times, each question
ASKED_PER_S = 10.0  # four clients without a pause would be a closed loop at full load, which measures no latency
OPEN_CAMPAIGNS = 50  # as many as the coordinator admits
ROUNDS = 4
LIMIT_MS, LIMIT_MB, LEAST_PER_S = 100.0, 300, 50.0

QUESTIONS = {
    "list_page": "/campaigns",
    "list_search_page": "/campaigns?q=nightly-07",
    "list_rest": "/api/v1/campaigns?limit=100",
    "list_label_rest": "/api/v1/campaigns?limit=100&label=branch%3Db5&sort=name",
    "campaign_page": "/campaigns/{a}",
    "verdicts_page": "/campaigns/{a}/verdicts",
    "why_page": "/campaigns/{a}/why",
    "trials_page": "/campaigns/{a}/trials",
    "live_page": "/campaigns/{a}/live",
    "campaign_rest": "/api/v1/campaigns/{a}",
    "report_rest": "/api/v1/campaigns/{a}/report",
    "verdicts_rest": "/api/v1/campaigns/{a}/verdicts",
    "trials_rest": "/api/v1/campaigns/{a}/trials?limit=100",
    "compare_page": "/compare?baseline={a}&other={b}",
    "compare_rest": "/api/v1/compare?baseline={a}&other={b}",
    "trends_page": "/trends",
    "trend_page": "/trends/{s}",
    "trend_rest": "/api/v1/series/{s}",
    "metrics": "/metrics",
}


class Client:
    """One user with one connection."""

    def __init__(self, coordinator: Served) -> None:
        self._connection = HTTPConnection(*coordinator.address, timeout=600)
        token = coordinator.settings.token
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip", "Connection": "keep-alive"}

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[float, bytes]:
        """How long the answer took, in ms, and the answer. Anything but success is an error."""
        began = time.perf_counter()
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        self._connection.request(method, path, body=body, headers=headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took_ms = 1000 * (time.perf_counter() - began)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return took_ms, gzip.decompress(content) if answer.getheader("Content-Encoding") == "gzip" else content


def at_once(work: Sequence[Any], do: Any, coordinator: Served) -> list[Any]:
    """What ``do(client, one)`` returns for each piece of work; the clients share it."""
    left, found, lock = iter(work), list[Any](), threading.Lock()
    failed: list[BaseException] = []

    def run() -> None:
        client = Client(coordinator)
        try:
            while True:
                with lock:
                    one = next(left, None)
                if one is None or failed:
                    return
                answer = do(client, one)
                with lock:
                    found.append(answer)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return found


def ask_when_due(client: Client, question: tuple[float, str]) -> float:
    """How long after its time the question was answered, in ms."""
    due_s, path = question
    time.sleep(max(0.0, due_s - time.perf_counter()))
    client.ask("GET", path)
    return 1000 * (time.perf_counter() - due_s)


def percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    """The middle, the 99th percentile and the largest."""
    ordered = sorted(times_ms)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) for name, share in at.items()}


def ask_all(coordinator: Served, campaigns: Sequence[str], asked: int) -> dict[str, dict[str, float]]:
    """Every question, about campaigns at random."""
    rng, found = random.Random(11), {}
    for name, path in QUESTIONS.items():
        pairs = [rng.sample(campaigns, 2) for _ in range(asked)]
        paths = [path.format(a=a, b=b, s=rng.choice(SERIES)) for a, b in pairs]
        due_s = accumulate(rng.expovariate(ASKED_PER_S) for _ in paths)
        begun_s = time.perf_counter()
        asked_at = [(begun_s + after_s, one) for after_s, one in zip(due_s, paths, strict=True)]
        found[name] = percentiles(at_once(asked_at, ask_when_due, coordinator))
        print(f"{name:<18} {found[name]}", flush=True)
    return found


def submissions(coordinator: Served, rounds: int) -> dict[str, Any]:
    """As many campaigns as may be open, several times; cancelling them is not counted."""
    body = json.dumps(shape(BLOCKS, DATAPATHS, probes=True, copies=1, levels=LEVELS), allow_nan=False).encode()
    seconds, times_ms = 0.0, list[float]()
    host = a_host(DATAPATHS, copies=1).model_dump(mode="json")
    coordinator.ask("PUT", f"worker/hosts/{HOST}", host)  # it was silent while the questions were asked
    for _ in range(rounds):
        began = time.perf_counter()
        made = at_once(
            range(OPEN_CAMPAIGNS), lambda client, _: client.ask("POST", "/api/v1/campaigns", body), coordinator
        )
        seconds += time.perf_counter() - began
        times_ms += [took for took, _ in made]
        paths = [f"/api/v1/campaigns/{json.loads(content)['id']}/cancel" for _, content in made]
        at_once(paths, lambda client, path: client.ask("POST", path), coordinator)
    return {"submitted_per_s": round(len(times_ms) / seconds, 1), "submission_ms": percentiles(times_ms)}


def fill(coordinator: Served, trials: int) -> list[str]:
    """Measure the templates and copy them; returns the ids of all campaigns."""
    templates = []
    for probes in (False, True):
        filling = Filling(coordinator, BLOCKS, DATAPATHS, probes=probes, invalid=False, copies=1, levels=LEVELS)
        filling.run(range(BLOCKS))
        templates.append(filling.campaign)
    store = Store(coordinator.settings.database_url)
    if store.engine.dialect.name == "sqlite":
        event.listen(store.engine, "connect", _unsynchronised)
    endings.fill(store, time.time())
    series_points.fill(store, time.time())
    copies = max(4, trials // (BLOCKS * DATAPATHS) - len(templates))
    made = copy_all(store, templates, copies, DAYS)
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    store.close()
    return [*templates, *made]


def _unsynchronised(connection: Any, _record: Any) -> None:
    """While the database is filled, no write waits for the disk: after a crash it would be filled again."""
    connection.execute("PRAGMA synchronous = OFF")


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of an empty database; empty for SQLite in the state directory."""
    programs = postgresql.programs()
    if kind == "postgresql" and programs is None:
        raise SystemExit("needs PostgreSQL's server programs (postgres, initdb, pg_ctl)")
    with postgresql.running(programs) if kind == "postgresql" and programs else nullcontext() as server:
        yield server.new_database() if server is not None else ""


def measured(trials: int, kind: str, asked: int, directory: str | None) -> dict[str, Any]:
    """Fill, start again, ask."""
    with tempfile.TemporaryDirectory(dir=directory) as name, database(kind) as url:
        began = time.perf_counter()
        with served(Path(name), url) as coordinator:
            campaigns = fill(coordinator, trials)
        filled_s = time.perf_counter() - began
        size_mb = sum(one.stat().st_size for one in Path(name).glob("*.sqlite*")) >> 20
        with served(Path(name), url) as coordinator:
            found = ask_all(coordinator, campaigns, asked)
            submitted = submissions(coordinator, ROUNDS)
            peak_mb = coordinator.peak_mb()
    worst = max(found, key=lambda one: found[one]["p99"])
    return {
        "database": kind, "trials": len(campaigns) * BLOCKS * DATAPATHS, "campaigns": len(campaigns),
        "filled_s": round(filled_s), "size_mb": size_mb, "ms": found, **submitted, "peak_mb": peak_mb, "worst": worst,
        "within_limits": found[worst]["p99"] <= LIMIT_MS and peak_mb <= LIMIT_MB
        and submitted["submitted_per_s"] >= LEAST_PER_S,
    }  # fmt: skip


def main() -> None:
    """Parse the command line and run; exit status 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--asked", type=int, default=ASKED)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--directory", help="where the database is made; a million trials take about 10 GB")
    chosen = parser.parse_args()
    found = measured(chosen.trials, chosen.database, chosen.asked, chosen.directory)
    print(json.dumps(found))
    sys.exit(0 if found["within_limits"] else 1)


if __name__ == "__main__":
    ends_in_order()
    main()
