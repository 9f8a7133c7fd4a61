"""``make fuzz``: hostile input and random faults, the long forms. The last line is one JSON object.

    .venv/bin/python -m tests.fuzz [PART …] [--seed 7] [--requests 5000]

Every finding is printed with the request that shows it; the printed seed repeats the whole run.
"""

import argparse
import json
import logging
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.fuzz import lifecycle_machine, messages, schema
from tests.fuzz.attack import Attack, Kind, attack
from tests.fuzz.reports import attack_by_reports
from tests.fuzz.target import target
from tests.fuzz.watches import FileWatch, resident_bytes
from tests.orderly import ends_in_order
from tests.unit.coordinator import postgres

DATABASES = ("sqlite", "postgresql")
REQUESTS, WARM_SHARE = 5_000, 0.2  # on each database
MOST_GROWTH_BYTES = 32 << 20  # of the coordinator's memory, after the warm-up
MESSAGES, SCHEMA_EXAMPLES = 2_000, 10
STEPS = 20_000
SHOWN = 20

Found = dict[str, Any]


@contextmanager
def _attack_on(database: str) -> Iterator[Attack]:
    with (
        tempfile.TemporaryDirectory(prefix="showdown-fuzz-", ignore_cleanup_errors=True) as directory,
        postgres.server() if database == "postgresql" else nullcontext(lambda: "") as new_database,
        target(Path(directory), new_database()) as found,
    ):
        yield Attack(found, FileWatch(Path(directory)))


def _shown(found: Attack) -> Found:
    for one in found.findings[:SHOWN]:
        print(one, flush=True)
    return found.counts()


def _of_each_database(part: Callable[[Attack], Found]) -> Found:
    counts = {}
    for database in DATABASES:
        with _attack_on(database) as found:
            more = part(found)
            counts[database] = {**_shown(found), **more}
    return counts


def _requests(options: argparse.Namespace) -> Found:
    return _of_each_database(lambda found: _mutated(found, options))


def _mutated(found: Attack, options: argparse.Namespace) -> Found:
    sizes: dict[int, int] = {}
    warm = int(options.requests * WARM_SHARE)

    def look(sent: int) -> None:
        if sent == warm:
            sizes[sent] = resident_bytes()

    begun_s = time.monotonic()
    attack(found, options.seed, options.requests, between=look)
    before = sizes.get(warm, 0)
    grown = resident_bytes() - before
    seconds = round(time.monotonic() - begun_s, 1)
    return {"grown_mb": round(grown / 1e6, 1), "memory_grew": int(grown > MOST_GROWTH_BYTES), "seconds": seconds}


def _reports(options: argparse.Namespace) -> Found:
    return _of_each_database(lambda found: {"reports": attack_by_reports(found, options.seed)})


def _schema(options: argparse.Namespace) -> Found:
    return _of_each_database(lambda found: schema.attack_by_schema(found, options.seed, SCHEMA_EXAMPLES))


def _messages(options: argparse.Namespace) -> Found:
    return messages.attacked(options.seed, MESSAGES)


def _lifecycle(options: argparse.Namespace) -> Found:
    try:
        return {"steps": lifecycle_machine.run(options.seed, STEPS), "violations": 0}
    except Exception:
        traceback.print_exc(file=sys.stdout)
        return {"violations": 1}


PARTS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "requests": _requests,
    "reports": _reports,
    "messages": _messages,
    "schema": _schema,
    "lifecycle": _lifecycle,
}
ZEROS = frozenset({*Kind, "memory_grew", "ran", "left", "violations"})


def _bad(found: Found) -> bool:
    return any(_bad(value) if isinstance(value, dict) else name in ZEROS and value for name, value in found.items())


def main() -> int:
    """Run the parts, even if one fails; returns 0 if everything that must be zero is."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--requests", type=int, default=REQUESTS, help="mutated requests on each database")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}", flush=True)
    begun_s, counts, failed = time.monotonic(), {}, []
    for name in options.parts or PARTS:
        print(f"== {name} ==", flush=True)
        counts[name] = PARTS[name](options)
        failed += [name] if _bad(counts[name]) else []
        print(json.dumps(counts[name]), flush=True)
    seconds = round(time.monotonic() - begun_s)
    print(json.dumps({**counts, "seed": options.seed, "failed": failed, "seconds": seconds}, allow_nan=False))
    return int(bool(failed))


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main())
